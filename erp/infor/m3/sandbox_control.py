"""Control addresses of the M3 sandbox, and a page to look at its vouchers and batches.

They do what a person in M3 or an administrator would do, and need no token: the sandbox listens on loopback. Below
/infor/_sandbox/M3; bodies are JSON, a mistake in one answers 422 with a sentence.

    GET    /ledger                                  batches, jobs, vouchers with their rows and sums
    POST   /update-ledger                           every job that waits is done now
    POST   /batches/KEY1/update                     a person chooses option 9 in GLS840
    DELETE /batches/KEY1                            a person deletes the batch
    PATCH  /batches/KEY1/LINE   {CUAM, AIT1, ...}   a person changes a staged line
    GET    /settings            POST {name: value}
    POST   /identities          {DIVI, AITP, AITM, LCCD, VTDT, ...}; a new one with TX40
    DELETE /identities          {DIVI, AITP, AITM}
    POST   /divisions           {DIVI, FADT, LADT, ...}
    POST   /gl-settings         {DIVI, CHEC, DCNY, ...}
    POST   /open-dates          {DIVI, from, to}    GLS990
    POST   /reset               {everything?}       batches and vouchers; with everything: set-up and settings
    GET    /                                        a page, with buttons for option 9 and for the waiting jobs
"""

from __future__ import annotations

import functools
import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from audit.sandbox import Answer, Refused, Request, controlled
from erp.infor.m3.sandbox_messages import Nok

if TYPE_CHECKING:
    from erp.infor.m3.sandbox import M3Sandbox

Body = dict[str, Any]
BATCH = r"/_sandbox/batches/(?P<key1>[^/]+)"


def add_control_routes(sandbox: M3Sandbox) -> None:
    controls = Controls(sandbox)
    table: list[tuple[str, str, Callable[..., Any]]] = [
        ("GET", "/_sandbox/ledger", lambda body: sandbox.ledger_state()),
        ("POST", "/_sandbox/update-ledger", controls.update_ledger),
        ("POST", BATCH + "/update", controls.update_batch),
        ("DELETE", BATCH, controls.remove_batch),
        ("PATCH", BATCH + r"/(?P<line>\d+)", controls.change_line),
        ("GET", "/_sandbox/settings", lambda body: sandbox.settings.as_dict()),
        ("POST", "/_sandbox/settings", lambda body: sandbox.change_settings(**body).as_dict()),
        ("POST", "/_sandbox/identities", lambda body: sandbox.set_up.set_identity(body)),
        ("DELETE", "/_sandbox/identities", controls.remove_identity),
        ("POST", "/_sandbox/divisions", lambda body: sandbox.set_up.set_division(body.pop("DIVI"), body)),
        ("POST", "/_sandbox/gl-settings", lambda body: sandbox.set_up.set_settings(body.pop("DIVI"), body)),
        ("POST", "/_sandbox/open-dates", controls.set_open_dates),
        ("POST", "/_sandbox/reset", controls.reset),
    ]
    for method, pattern, control in table:
        sandbox.route(method, pattern, functools.partial(controlled, control))
    sandbox.route("GET", "/_sandbox/", controls.page)
    sandbox.route("POST", "/_sandbox/update-button", controls.update_button)
    sandbox.route("POST", BATCH + "/update-button", controls.update_button)


class Controls:
    """Each takes the JSON body; KeyError, TypeError and ValueError become 422."""

    def __init__(self, sandbox: M3Sandbox) -> None:
        self.sandbox = sandbox

    def update_ledger(self, body: Body) -> Body:
        done = self.sandbox.update_ledger()
        return {"jobs": [{"KEY1": job["head"]["KEY1"], "state": job["state"], "errors": job["errors"]} for job in done]}

    def update_batch(self, body: Body, key1: str) -> None:
        try:
            self.sandbox.update_batch(key1)
        except Nok as nok:
            raise Refused(Answer(422, {"error": str(nok)})) from None

    def remove_batch(self, body: Body, key1: str) -> None:
        self.sandbox.interface.remove(self.sandbox.interface.find_key(key1))

    def change_line(self, body: Body, key1: str, line: str) -> None:
        self.sandbox.interface.change_line(self.sandbox.interface.find_key(key1), int(line), body)

    def remove_identity(self, body: Body) -> None:
        self.sandbox.set_up.remove_identity(body["DIVI"], body["AITP"], body["AITM"])

    def set_open_dates(self, body: Body) -> None:
        self.sandbox.set_up.set_open_dates(body["DIVI"], body["from"], body["to"])

    def reset(self, body: Body) -> None:
        if body.get("everything"):
            self.sandbox.reset()
        else:
            self.sandbox.reset_ledger()

    # The page

    def update_button(self, request: Request, key1: str = "") -> Answer:
        """Of one batch: option 9. Then every job that waits is done."""
        if key1:
            try:
                self.sandbox.update_batch(key1)
            except (ValueError, Nok) as error:
                raise Refused(Answer(422, str(error), {}, "text/plain")) from None
        self.sandbox.update_ledger()
        return Answer(303, None, {"Location": f"{request.base_url}/"})

    def page(self, request: Request) -> Answer:
        state = self.sandbox.ledger_state()
        blocks = [voucher_block(voucher) for voucher in reversed(state["vouchers"])]
        waiting = [batch_block(batch, request.base_url) for batch in reversed(state["batches"])]
        body = "\n".join(blocks) or "<p>No vouchers yet.</p>"
        batches = "\n".join(waiting) or "<p>No batches.</p>"
        return Answer(200, PAGE.format(blocks=body, batches=batches, base=html.escape(request.base_url)))


PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Infor M3 sandbox: vouchers</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1b1f}}
table{{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}}
th,td{{border-bottom:1px solid #d5d5dc;padding:.25rem .5rem;text-align:left}}
td.amount,th.amount{{text-align:right;font-variant-numeric:tabular-nums}}tfoot td{{font-weight:600}}h2{{font-size:1.1rem;margin-top:2rem}}
div{{overflow-x:auto}}
.state{{border:1px solid #8a8a94;border-radius:.6rem;padding:0 .6rem;margin-left:.5rem;font-weight:400}}
</style></head><body><h1>Vouchers in the Infor M3 sandbox</h1>
<form method="post" action="{base}/update-button"><button>Update the ledger with every batch that waits</button></form>
{blocks}<h1>Batches in GLS840</h1>{batches}</body></html>"""
ROW_FIELDS = ("JSNO", "AIT1", "AIT2", "AIT3", "AIT4", "VTXT", "CUCD")
STATES = {"10": "staged", "15": "with errors", "20": "checked", "90": "updated"}


def show(value: Any) -> str:
    return html.escape("" if value is None else str(value))


def voucher_block(voucher: Body) -> str:
    """One voucher with its rows and sums; everything from outside is escaped."""
    head = f"{voucher['DIVI']} · {voucher['VSER']} {voucher['VONO']} ({voucher['YEA4']}) · journal {voucher['JRNO']} · {voucher['ACDT']}"
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{show(row.get(name))}</td>" for name in ROW_FIELDS)
        + f'<td class="amount">{debit(row["CUAM"])}</td><td class="amount">{debit(-row["CUAM"])}</td></tr>'
        for row in voucher["rows"]
    )
    heads = "".join(f"<th>{name}</th>" for name in ROW_FIELDS)
    information = show(", ".join(voucher["information"]))
    return (
        f'<h2>{show(head)}<span class="state">in the general ledger</span></h2><p>GL information: {information}</p>'
        f'<div><table><thead><tr>{heads}<th class="amount">Debit</th><th class="amount">Credit</th></tr></thead>'
        f'<tbody>{rows}</tbody><tfoot><tr><td colspan="{len(ROW_FIELDS)}">Sum of {voucher["row_count"]} rows</td>'
        f'<td class="amount">{voucher["debit"]:,.2f}</td><td class="amount">{voucher["credit"]:,.2f}</td>'
        "</tr></tfoot></table></div>"
    )


def batch_block(batch: Body, base_url: str) -> str:
    """A batch, and a button for what a person does with one that was only staged."""
    head = batch["head"]
    if head is None:
        return f"<h2>{show(batch['key'])} · without a head · {len(batch['lines'])} lines</h2>"
    words = f"{head['DIVI']} · {head['KEY1']} · {head['DESC']} · {len(batch['lines'])} lines"
    action = show(f"{base_url}/batches/{quote(head['KEY1'], safe='')}/update-button")
    button = (
        "" if batch["updates"] else f'<form method="post" action="{action}"><button>Update (option 9)</button></form>'
    )
    return f'<h2>{show(words)}<span class="state">{show(STATES[head["STAT"]])}</span></h2>{button}'


def debit(amount: Any) -> str:
    return f"{amount:,.2f}" if amount > 0 else ""
