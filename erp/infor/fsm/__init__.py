"""Infor Financials & Supply Management (FSM, Landmark), over the REST form of its business classes behind the ION API.

Sources: the OpenAPI of class GLTransactionInterface (2025.12) and of the set-up classes (2026.02 to 2026.03), public client
code used against live tenants, one log of a real run, and docs.infor.com on interfacing transactions.

Quirks. Rows of a journal are staged first, under a run group, and staging checks nothing: neither accounts nor periods nor
whether debits equal credits. What is wrong shows only when the run group is interfaced, which is a GET with effects that
answers before it is done; its result is a row of another class. An unbalanced run group is taken, so balance is our
affair. A row that was not created stands in an answer of status 200, its exception as an object or as a text. Lists show
five rows unless asked for more. All values are texts, amounts have three decimals. What the ten finance dimensions mean is
each tenant's own choice; their labels are fields of the finance enterprise group.
"""
