"""Infor M3, Cloud Edition (Infor), over the M3 REST API (m3api-rest v2) behind the ION API gateway.

Vendor's pages, all on docs.infor.com: Create finance interface template, Managing finance interface transactions, Managing
Interrupted Jobs in the General Ledger, Accounting String, EXPORTMI, API Gateway. Names, lengths and required fields of
transactions are those of a tenant's own description of 2020; a newer release may have more of them.

Quirks. A journal is staged line by line in a batch (GLS840), and one call (UpdBatch) hands the batch to jobs that write
the ledger some time later: it answers with no voucher number, and nothing says what becomes of it but the ledger itself. A
second UpdBatch may post a second time. Staging accepts almost anything; a bulk has no rollback, and may go on or stop after
an error. Errors come with status 200 inside a result, or with 400 at the top; texts are in the language of the service
user, so only codes count. All values are texts, also `"false"`. Lists are cut without a word. Which interface, record
identity, group number, GL information number and signs a customer uses is a matter of set-up, so all of it is a setting.
"""
