"""Control addresses of the IFS Cloud sandbox, and a page to look at its vouchers.

They do what a person in the pages or an administrator would do, and need no token: the sandbox listens on loopback.
Bodies are JSON; a mistake in one answers 422 with a sentence. VOUCHER is {company}/{year}/{type}/{number}.

    POST   /_sandbox/gl-update          {Company?, VoucherType?, ...}  approved vouchers leave the hold table
    GET    /_sandbox/ledger                                      vouchers with rows, sums by reference number
    POST   /_sandbox/reset              {everything?}            forget vouchers; with everything: set-up and settings
    GET    /_sandbox/facts                                       what a connection needs
    GET    /_sandbox/settings      POST {name: value}
    DELETE /_sandbox/vouchers/VOUCHER                            a person removes it from the hold table
    PATCH  /_sandbox/vouchers/VOUCHER   {VoucherStatus?, VoucherText2?}
    PATCH  /_sandbox/vouchers/VOUCHER/{row}  {Text, ReferenceNumber, DebetAmount, ...}
    POST   /_sandbox/periods            {company, date, status, user_group?}   Open, Closed, FinallyClosed, "" = not connected
    POST   /_sandbox/accounts           {company, number, LedgFlag, ValidUntil, ...}; new with Description
    POST   /_sandbox/code-part-values   {company, code_part, value, ValidUntil, ...}; new with Description
    DELETE /_sandbox/code-part-values   {company, code_part, value}
    POST   /_sandbox/code-parts         {company, code_part, CodeName, CodePartUsed, LogicalCodePart, ...}
    POST   /_sandbox/rights             {company, allowed}       whether the service user may see the company
    POST   /_sandbox/user-groups        {company, user_group, member, default?}
    POST   /_sandbox/voucher-types      {company, voucher_type, UseManual, ...}
    POST   /_sandbox/voucher-type-user-groups  {company, voucher_type, user_group, AuthorizeLevel, ...}; no field = taken away
    POST   /_sandbox/number-series      {company, voucher_type, year, CurrentNumber, ...}; no field = taken away
    POST   /_sandbox/expire-tokens
    POST   /_sandbox/expire-temporary                            temporary records of the assistant are gone
"""

from __future__ import annotations

import functools
import html
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from audit.sandbox import Answer, Request, controlled
from erp.ifs.sandbox_schema import enumerations

if TYPE_CHECKING:
    from erp.ifs.sandbox import IfsSandbox

Body = dict[str, Any]
Control = Callable[..., Any]
VOUCHER = r"/_sandbox/vouchers/(?P<company>[^/]+)/(?P<year>\d+)/(?P<letter>[^/]+)/(?P<number>\d+)"


def add_control_routes(sandbox: IfsSandbox) -> None:
    controls = Controls(sandbox)
    table: list[tuple[str, str, Control]] = [
        ("POST", "/_sandbox/gl-update", controls.update_ledger),
        ("GET", "/_sandbox/ledger", lambda body: sandbox.ledger_state()),
        ("POST", "/_sandbox/reset", controls.reset),
        ("GET", "/_sandbox/facts", lambda body: sandbox.facts()),
        ("GET", "/_sandbox/settings", lambda body: sandbox.settings.as_dict()),
        ("POST", "/_sandbox/settings", lambda body: sandbox.change_settings(**body).as_dict()),
        ("DELETE", VOUCHER, controls.remove_voucher),
        ("PATCH", VOUCHER, controls.edit_voucher),
        ("PATCH", VOUCHER + r"/(?P<row>\d+)", controls.edit_row),
        ("POST", "/_sandbox/periods", controls.periods),
        ("POST", "/_sandbox/accounts", controls.accounts),
        ("POST", "/_sandbox/code-part-values", controls.set_value),
        ("DELETE", "/_sandbox/code-part-values", controls.remove_value),
        ("POST", "/_sandbox/code-parts", controls.code_parts),
        ("POST", "/_sandbox/rights", controls.rights),
        ("POST", "/_sandbox/user-groups", controls.user_groups),
        ("POST", "/_sandbox/voucher-types", controls.voucher_types),
        ("POST", "/_sandbox/voucher-type-user-groups", controls.types_of_groups),
        ("POST", "/_sandbox/number-series", controls.number_series),
        ("POST", "/_sandbox/expire-tokens", lambda body: sandbox.expire_tokens()),
        ("POST", "/_sandbox/expire-temporary", lambda body: sandbox.forget_temporary()),
    ]
    for method, pattern, control in table:
        sandbox.route(method, pattern, functools.partial(controlled, control))
    sandbox.route("GET", "/", controls.page)
    sandbox.route("POST", "/_sandbox/update-button", controls.update_button)


class Controls:
    """Each takes the JSON body; KeyError, TypeError and ValueError become 422."""

    def __init__(self, sandbox: IfsSandbox) -> None:
        self.sandbox = sandbox
        self.reference = sandbox.reference

    def update_ledger(self, body: Body) -> Body:
        return {"vouchers": [asdict(outcome) for outcome in self.sandbox.update_ledger(**body)]}

    def reset(self, body: Body) -> None:
        if body.get("everything"):
            self.sandbox.reset()
        else:
            self.sandbox.reset_ledger()

    def remove_voucher(self, body: Body, company: str, year: str, letter: str, number: str) -> None:
        self.sandbox.remove_voucher(company, int(year), letter, int(number))

    def edit_voucher(self, body: Body, company: str, year: str, letter: str, number: str) -> None:
        if not set(body) <= {"VoucherStatus", "VoucherText2"}:
            raise ValueError("a person edits VoucherStatus and VoucherText2")
        if body.get("VoucherStatus", "Approved") not in enumerations()["VoucherStatus"]:
            raise ValueError(f"VoucherStatus must be one of {', '.join(enumerations()['VoucherStatus'])}")
        held = self.sandbox.held_voucher(company, int(year), letter, int(number))
        self.sandbox.books.change(held, **body)

    def edit_row(self, body: Body, company: str, year: str, letter: str, number: str, row: str) -> None:
        held = self.sandbox.held_voucher(company, int(year), letter, int(number))
        self.sandbox.books.change_row(held, int(row), body)

    def periods(self, body: Body) -> Body:
        day = date.fromisoformat(body["date"])
        changed = self.reference.set_period(body["company"], day, body["status"], body.get("user_group", ""))
        return {"changed": changed}

    def accounts(self, body: Body) -> None:
        company, number = body.pop("company"), body.pop("number")
        self.reference.set_account(company, number, body)

    def set_value(self, body: Body) -> None:
        company, part, value = body.pop("company"), body.pop("code_part"), body.pop("value")
        self.reference.set_value(company, part, value, body)

    def remove_value(self, body: Body) -> None:
        self.reference.remove_value(body["company"], body["code_part"], body["value"])

    def code_parts(self, body: Body) -> None:
        company, part = body.pop("company"), body.pop("code_part")
        self.reference.set_code_part(company, part, body)

    def rights(self, body: Body) -> None:
        self.reference.set_rights(body["company"], is_allowed=body["allowed"])

    def user_groups(self, body: Body) -> None:
        is_default = body.get("default", False)
        self.reference.set_member(body["company"], body["user_group"], is_member=body["member"], is_default=is_default)

    def voucher_types(self, body: Body) -> None:
        company, letter = body.pop("company"), body.pop("voucher_type")
        self.reference.set_voucher_type(company, letter, body)

    def types_of_groups(self, body: Body) -> Body:
        company, letter, group = body.pop("company"), body.pop("voucher_type"), body.pop("user_group")
        return {"changed": self.reference.set_type_of_group(company, letter, group, body)}

    def number_series(self, body: Body) -> None:
        company, letter, year = body.pop("company"), body.pop("voucher_type"), int(body.pop("year"))
        self.reference.set_series(company, letter, year, body)

    # The page

    def update_button(self, request: Request) -> Answer:
        self.sandbox.update_ledger(**{name: value for name, value in request.form().items() if value})
        return Answer(303, None, {"Location": f"{request.base_url}/"})

    def page(self, request: Request) -> Answer:
        vouchers = reversed(self.sandbox.ledger_state()["vouchers"])
        blocks = [voucher_block(voucher, request.base_url) for voucher in vouchers]
        return Answer(200, PAGE.format(blocks="\n".join(blocks) or "<p>No vouchers yet.</p>", base=request.base_url))


PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>IFS Cloud sandbox: vouchers</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1b1f}}
table{{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}}
th,td{{border-bottom:1px solid #d5d5dc;padding:.25rem .5rem;text-align:left}}
td.amount,th.amount{{text-align:right;font-variant-numeric:tabular-nums}}tfoot td{{font-weight:600}}h2{{font-size:1.1rem;margin-top:2rem}}
.state{{border:1px solid #8a8a94;border-radius:.6rem;padding:0 .6rem;margin-left:.5rem;font-weight:400}}.error{{color:#8c1d18}}
</style></head><body><h1>Vouchers in the IFS Cloud sandbox</h1>
<form method="post" action="{base}/_sandbox/update-button"><button>Update the general ledger</button></form>
{blocks}</body></html>"""
KEY_FIELDS = ("Company", "AccountingYear", "VoucherType", "VoucherNo")
ROW_FIELDS = ("RowNo", "Account", "CodeB", "CodeC", "CodeD", "Text", "ReferenceSerie", "ReferenceNumber")


def amount(value: Any) -> str:
    return f"{value:,.2f}" if value else ""


def voucher_block(voucher: Body, base_url: str) -> str:
    """One voucher with its rows and sums; everything from outside is escaped."""

    def show(value: Any) -> str:
        return html.escape("" if value is None else str(value))

    head = f"{'/'.join(str(voucher[name]) for name in KEY_FIELDS)} · {voucher['VoucherDate']} · {voucher['VoucherText2'] or ''}"
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{show(row.get(field))}</td>" for field in ROW_FIELDS)
        + f'<td class="amount">{amount(row["DebetAmount"])}</td><td class="amount">{amount(row["CreditAmount"])}</td></tr>'
        for row in voucher["rows"]
    )
    hidden = "".join(f'<input type="hidden" name="{name}" value="{show(voucher[name])}">' for name in KEY_FIELDS)
    button = (
        ""
        if voucher["is_updated"]
        else f'<form method="post" action="{show(base_url)}/_sandbox/update-button">{hidden}<button>Update</button></form>'
    )
    refused = f'<p class="error">{show(voucher["UpdateError"])}</p>' if voucher.get("UpdateError") else ""
    state = "in the general ledger" if voucher["is_updated"] else f"in the hold table, {voucher['VoucherStatus']}"
    heads = "".join(f"<th>{field}</th>" for field in ROW_FIELDS)
    return (
        f'<h2>{show(head)}<span class="state">{show(state)}</span></h2>{button}{refused}'
        f'<table><thead><tr>{heads}<th class="amount">Debit</th><th class="amount">Credit</th></tr></thead>'
        f'<tbody>{rows}</tbody><tfoot><tr><td colspan="{len(ROW_FIELDS)}">Sum of {voucher["row_count"]} rows</td>'
        f'<td class="amount">{voucher["debit"]:,.2f}</td><td class="amount">{voucher["credit"]:,.2f}</td>'
        "</tr></tfoot></table>"
    )
