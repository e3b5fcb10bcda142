"""Control addresses of the Dynamics 365 sandbox, and a page to look at its journals.

They do what a person in the forms or an administrator would do, and need no token: the sandbox listens on loopback.
Bodies are JSON; a mistake in one answers 422 with a sentence.

    POST   /_sandbox/post-journals     {company?, journal?}      the Post journals batch
    GET    /_sandbox/ledger                                      all journals, lines, entries, sums by Document
    POST   /_sandbox/reset                                       forget journals and entries
    GET    /_sandbox/facts                                       what a connection needs
    GET    /_sandbox/settings     POST {name: value}
    DELETE /_sandbox/journals/{company}/{journal}                as a person would; not when posted
    PATCH  /_sandbox/journals/{company}/{journal}                {Description}
    DELETE /_sandbox/journals/{company}/{journal}/{line}
    PATCH  /_sandbox/journals/{company}/{journal}/{line}         {Text, Document, DebitAmount, ...}
    POST   /_sandbox/periods           {company, date, status}   status Open, OnHold or Closed
    POST   /_sandbox/accounts          {number, company?, IsSuspended, ActiveTo, ...}; with "name": a new account
    POST   /_sandbox/dimension-values  {dimension, value, name, company?}
    PATCH  /_sandbox/dimension-values  {dimension, value, company?, IsSuspended, ...}
    DELETE /_sandbox/dimension-values  {dimension, value, company?}
    POST   /_sandbox/dimensions        {delimiter?, ledger?, default?, active?: {type: bool}, inactive?, reactivate?}
    POST   /_sandbox/journal-names     {company, name, field: value}
    POST   /_sandbox/sequences         {company, references: [...]}
    POST   /_sandbox/expire-tokens
    POST   /_sandbox/clients           {client_id, registered}
"""

from __future__ import annotations

import functools
import html
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from audit.sandbox import Answer, Request, controlled
from erp.d365.sandbox_reference import DEFAULT_FORMAT, LEDGER_FORMAT

if TYPE_CHECKING:
    from erp.d365.sandbox import D365Sandbox

Control = Callable[..., Any]
JOURNAL = "/_sandbox/journals/(?P<company>[^/]+)/(?P<journal>[^/]+)"
LINE = JOURNAL + r"/(?P<line>\d+)"


def add_control_routes(sandbox: D365Sandbox) -> None:
    controls = Controls(sandbox)
    table: list[tuple[str, str, Control]] = [
        ("POST", "/_sandbox/post-journals", controls.post_journals),
        ("GET", "/_sandbox/ledger", lambda body: sandbox.ledger_state()),
        ("POST", "/_sandbox/reset", lambda body: sandbox.reset_ledger()),
        ("GET", "/_sandbox/facts", lambda body: sandbox.facts()),
        ("GET", "/_sandbox/settings", lambda body: sandbox.settings.as_dict()),
        ("POST", "/_sandbox/settings", lambda body: sandbox.change_settings(**body).as_dict()),
        ("DELETE", JOURNAL, lambda body, company, journal: sandbox.delete_journal(company, journal)),
        ("PATCH", JOURNAL, controls.edit_journal),
        ("DELETE", LINE, lambda body, company, journal, line: sandbox.delete_line(company, journal, int(line))),
        (
            "PATCH",
            LINE,
            lambda body, company, journal, line: sandbox.edit_line(company, journal, int(line), body),
        ),
        ("POST", "/_sandbox/periods", controls.periods),
        ("POST", "/_sandbox/accounts", controls.accounts),
        ("POST", "/_sandbox/dimension-values", controls.add_value),
        ("PATCH", "/_sandbox/dimension-values", controls.change_value),
        ("DELETE", "/_sandbox/dimension-values", controls.remove_value),
        ("POST", "/_sandbox/dimensions", controls.dimensions),
        ("POST", "/_sandbox/journal-names", controls.journal_names),
        ("POST", "/_sandbox/sequences", controls.sequences),
        ("POST", "/_sandbox/expire-tokens", lambda body: sandbox.expire_tokens()),
        ("POST", "/_sandbox/clients", controls.clients),
    ]
    for method, pattern, control in table:
        sandbox.route(method, pattern, functools.partial(controlled, control))
    sandbox.route("GET", "/", controls.page)
    sandbox.route("POST", "/_sandbox/post-button", controls.post_button)


class Controls:
    """Each takes the JSON body; KeyError, TypeError and ValueError become 422."""

    def __init__(self, sandbox: D365Sandbox) -> None:
        self.sandbox = sandbox
        self.reference = sandbox.reference

    def post_journals(self, body: dict[str, Any]) -> dict[str, Any]:
        outcomes = self.sandbox.post_journals(body.get("company", ""), body.get("journal", ""))
        return {"journals": [asdict(outcome) for outcome in outcomes]}

    def edit_journal(self, body: dict[str, Any], company: str, journal: str) -> None:
        self.sandbox.edit_description(company, journal, body["Description"])

    def periods(self, body: dict[str, Any]) -> dict[str, Any]:
        day = date.fromisoformat(body["date"])
        return {"changed": self.reference.set_period(body["company"], day, body["status"])}

    def accounts(self, body: dict[str, Any]) -> None:
        number, company, name = body.pop("number"), body.pop("company", ""), body.pop("name", "")
        if name:
            self.reference.add_account(number, name, body)
        else:
            self.reference.change_account(number, body, company)

    def add_value(self, body: dict[str, Any]) -> None:
        self.reference.add_dimension_value(body["dimension"], body["value"], body["name"], body.get("company", ""))

    def change_value(self, body: dict[str, Any]) -> None:
        dimension, value, company = body.pop("dimension"), body.pop("value"), body.pop("company", "")
        self.reference.change_dimension_value(dimension, value, body, company)

    def remove_value(self, body: dict[str, Any]) -> None:
        self.reference.remove_dimension_value(body["dimension"], body["value"], body.get("company", ""))

    def dimensions(self, body: dict[str, Any]) -> None:
        unknown = set(body) - {"delimiter", "ledger", "default", "active", "inactive", "reactivate"}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        if "delimiter" in body:
            self.reference.set_delimiter(body["delimiter"])
        for name, kind in (("ledger", LEDGER_FORMAT), ("default", DEFAULT_FORMAT)):
            if name in body:
                self.reference.set_format(kind, body[name])
            if name in body.get("active", {}):
                self.reference.set_format(kind, None, is_active=body["active"][name])
        for name in body.get("inactive", []):
            self.reference.set_dimension_active(name, is_active=False)
        for name in body.get("reactivate", []):
            self.reference.set_dimension_active(name, is_active=True)

    def journal_names(self, body: dict[str, Any]) -> None:
        company, name = body.pop("company"), body.pop("name")
        self.reference.change("JournalNames", [company, name], body)

    def sequences(self, body: dict[str, Any]) -> None:
        self.reference.set_sequences(body["company"], list(body["references"]))

    def clients(self, body: dict[str, Any]) -> None:
        if body["registered"]:
            self.sandbox.register_client(body["client_id"])
        else:
            self.sandbox.unregister_client(body["client_id"])

    # The page

    def post_button(self, request: Request) -> Answer:
        form = request.form()
        self.sandbox.post_journals(form.get("company", ""), form.get("journal", ""))
        return Answer(303, None, {"Location": f"{request.base_url}/"})

    def page(self, request: Request) -> Answer:
        state = self.sandbox.ledger_state()
        logs = {(entry["company"], entry["journal"]): entry["log"] for entry in state["post_log"]}
        blocks = [
            journal_block(journal, request.base_url, logs.get((journal["dataAreaId"], journal["JournalBatchNumber"])))
            for journal in reversed(state["journals"])
        ]
        return Answer(200, PAGE.format(blocks="\n".join(blocks) or "<p>No journals yet.</p>", base=request.base_url))


PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Dynamics 365 sandbox: journals</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1b1f}}
table{{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}}
th,td{{border-bottom:1px solid #d5d5dc;padding:.25rem .5rem;text-align:left}}
td.amount,th.amount{{text-align:right;font-variant-numeric:tabular-nums}}tfoot td{{font-weight:600}}h2{{font-size:1.1rem;margin-top:2rem}}
.state{{border:1px solid #8a8a94;border-radius:.6rem;padding:0 .6rem;margin-left:.5rem;font-weight:400}}.log{{color:#8c1d18}}
</style></head><body><h1>Journals in the Dynamics 365 sandbox</h1>
<form method="post" action="{base}/_sandbox/post-button"><button>Post all journals</button></form>
{blocks}</body></html>"""


def amount(value: Any) -> str:
    return f"{value:,.2f}" if value else ""


def journal_block(journal: dict[str, Any], base_url: str, log: list[str] | None) -> str:
    """One journal with its lines and sums; everything from outside is escaped."""
    show = html.escape
    is_posted = journal["IsPosted"] == "Yes"
    head = f"{journal['dataAreaId']} · {journal['JournalBatchNumber']} · {journal.get('Description', '')}"
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{show(str(line.get(field, '')))}</td>"
            for field in ("LineNumber", "Voucher", "TransDate", "AccountDisplayValue", "Text", "Document")
        )
        + f'<td class="amount">{amount(line.get("DebitAmount"))}</td>'
        + f'<td class="amount">{amount(line.get("CreditAmount"))}</td></tr>'
        for line in journal["lines"]
    )
    button = (
        ""
        if is_posted
        else f'<form method="post" action="{show(base_url)}/_sandbox/post-button">'
        f'<input type="hidden" name="company" value="{show(journal["dataAreaId"])}">'
        f'<input type="hidden" name="journal" value="{show(journal["JournalBatchNumber"])}">'
        "<button>Post</button></form>"
    )
    refused = "" if is_posted or not log else f'<p class="log">{"<br>".join(show(line) for line in log)}</p>'
    state = "posted" if is_posted else "not posted"
    return (
        f'<h2>{show(head)}<span class="state">{state}</span></h2>{button}{refused}'
        "<table><thead><tr><th>Line</th><th>Voucher</th><th>Date</th><th>Account</th><th>Text</th><th>Document</th>"
        '<th class="amount">Debit</th><th class="amount">Credit</th></tr></thead>'
        f'<tbody>{rows}</tbody><tfoot><tr><td colspan="6">Sum of {journal["line_count"]} lines</td>'
        f'<td class="amount">{journal["debit"]:,.2f}</td><td class="amount">{journal["credit"]:,.2f}</td>'
        "</tr></tfoot></table>"
    )
