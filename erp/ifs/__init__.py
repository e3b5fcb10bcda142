"""IFS Cloud (IFS), releases 21R1 to 26R1, over the OData v4 projections that its own web client uses.

Vendor's pages, all under docs.ifs.com/techdocs: client credential flow, API documentation, supported functionalities,
entity upserts and ETag support, batch requests, request timeouts, responses.

Quirks. Nothing in the public projections creates a whole voucher at once: the Voucher Entry Assistant is a conversation
over temporary records, each with an `Objkey`, and everything is checked only in its last step, one error at a time.
A repeated last step makes a second voucher. A voucher lies in the hold table until the ledger update takes it out of
there, and the ledger itself cannot be searched through a public projection. Defaults of the service user overwrite what
is sent in the header. Names are theirs: `OpennedFrom`, `CurrencyDebetAmount`, but `ThirdCurrencyDebitAmount`. A company
that the service user may not see is an empty list with 200. Texts of errors are in the language of the service user;
numbers and constants are not. Tokens live for three minutes.
"""
