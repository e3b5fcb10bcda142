"""A small Gusto that speaks the official contract of API version 2026-06-15, so that the product runs without the vendor.

`system.GustoSandbox` is the whole of it: OAuth, the reads of gusto.md 4 to 8, webhooks that are really signed and really
sent, the general ledger report, and commands that run payrolls. It imports no Django and none of the product's Gusto
code: both sides of the wire are written from the vendor's facts, so that they cannot agree on an error.
"""
