"""A page of the FSM sandbox to look at its journals and at what is staged, with a button that posts."""

from __future__ import annotations

import html
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Infor FSM sandbox: journals</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1b1f}}
table{{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}}
th,td{{border-bottom:1px solid #d5d5dc;padding:.25rem .5rem;text-align:left}}
td.amount,th.amount{{text-align:right;font-variant-numeric:tabular-nums}}tfoot td{{font-weight:600}}h2{{font-size:1.1rem;margin-top:2rem}}
.state{{border:1px solid #8a8a94;border-radius:.6rem;padding:0 .6rem;margin-left:.5rem;font-weight:400}}
</style></head><body><h1>Journals in the Infor FSM sandbox</h1>
<form method="post" action="{base}/post-button"><button>Release and post every journal</button></form>
{journals}<h1>Run groups in the transaction interface</h1>{groups}</body></html>"""
FIELDS = (
    "AccountCode",
    "AccountingUnit",
    "FinanceDimension1",
    "FinanceDimension2",
    "FinanceDimension3",
    "Description",
    "Reference",
)
STATUSES = {"0": "unreleased", "1": "released", "2": "interfaced", "3": "with errors"}


def page(state: Mapping[str, Any], base_url: str) -> str:
    """Everything from outside is escaped."""
    journals = "\n".join(map(_journal, reversed(state["journals"]))) or "<p>No journals yet.</p>"
    groups = "\n".join(_group(*item) for item in state["staged"].items()) or "<p>No run groups.</p>"
    return PAGE.format(journals=journals, groups=groups, base=html.escape(base_url))


def _show(value: Any) -> str:
    return html.escape("" if value is None else str(value))


def _amount(amount: Decimal) -> str:
    return f"{amount:,.2f}" if amount > 0 else ""


def _journal(journal: Mapping[str, Any]) -> str:
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{_show(row.get(name))}</td>" for name in FIELDS)
        + "".join(f'<td class="amount">{_amount(sign * Decimal(row["TransactionAmount"]))}</td>' for sign in (1, -1))
        + "</tr>"
        for row in journal["rows"]
    )
    heads = "".join(f"<th>{name}</th>" for name in FIELDS)
    words = f"{journal['number']} · entity {journal['entity']} · run group {journal['run_group']}"
    return (
        f'<h2>{_show(words)}<span class="state">{"posted" if journal["is_posted"] else "not posted"}</span></h2>'
        f'<table><thead><tr>{heads}<th class="amount">Debit</th><th class="amount">Credit</th></tr></thead><tbody>{rows}</tbody>'
        f'<tfoot><tr><td colspan="{len(FIELDS)}">Sum of {journal["row_count"]} lines</td>'
        f'<td class="amount">{journal["debit"]:,.2f}</td><td class="amount">{journal["credit"]:,.2f}</td></tr></tfoot></table>'
    )


def _group(name: str, rows: list[Mapping[str, str]]) -> str:
    states = ", ".join(sorted({STATUSES[row["Status"]] for row in rows}))
    errors = "".join(f"<li>{_show(message)}</li>" for message in sorted({row["ErrorMessage"] for row in rows} - {""}))
    listed = f"<ul>{errors}</ul>" if errors else ""
    return f'<h2>{_show(name)} · {len(rows)} rows<span class="state">{_show(states)}</span></h2>{listed}'
