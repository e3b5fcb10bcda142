"""The benchmark: ratios and counts of the product as it runs in production.

`make bench` runs it, `make bench ARGS=--quick` a short version, `ARGS="--only webhook"` one part. Real processes on this
machine: PostgreSQL with its usual durability, the sandboxes, granian and the worker. It asserts nothing: the aim stands
beside each figure, and whoever reads it knows what else the machine was doing.
"""
