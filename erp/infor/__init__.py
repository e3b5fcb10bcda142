"""Infor CloudSuite (Infor): what all its products share, and one folder per product.

Every product is reached through one gateway of Infor OS, the ION API: one sign-in, one address per tenant, below it one
suite per product (`M3`, `FSM`, ...). A customer hands over an `.ionapi` file with addresses and keys of a service account.

`ion_file` reads that file, `ion_sign_in` gets tokens, `ion_gateway` says what an answer of the gateway means, and `ion`
is what a product's connector uses of all this. `sandbox` is a small gateway; each product adds its suite to it
(`sandbox_suite` says how).
"""
