"""The sandbox's HTML: the page on which a company approves the application, and the page with the buttons."""

from __future__ import annotations

from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
td.amount { text-align: right; font-variant-numeric: tabular-nums; }
form { display: inline; }
button { font: inherit; padding: .15rem .7rem; }
label { display: block; padding: .2rem 0; }
.note { color: #777; }
"""


def _document(title: str, content: str, base: str = "") -> str:
    head = f'<base href="{escape(base)}">' if base else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>{head}'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>{content}</body></html>"
    )


def authorize(application: dict[str, Any], companies: list[tuple[str, str]], redirect_uri: str, state: str) -> str:
    """Where an admin chooses the company and approves or denies."""
    hidden = {
        "client_id": application["client_id"],
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "state": state,
    }
    fields = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in hidden.items())
    choices = "".join(
        f'<label><input type="radio" name="company_uuid" value="{escape(uuid)}"{" checked" if at == 0 else ""}> '
        f"{escape(name)}</label>"
        for at, (uuid, name) in enumerate(companies)
    )
    scopes = ", ".join(escape(scope) for scope in application["scopes"])
    return _document(
        "Connect to Gusto (sandbox)",
        f"<p>{escape(application['name'])} asks to read payrolls and people of one company.</p>"
        f'<form method="post" action="authorize">{fields}<fieldset><legend>Company</legend>{choices}</fieldset>'
        '<p><button name="decision" value="approve">Approve</button> '
        '<button name="decision" value="deny">Deny</button></p></form>'
        f'<p class="note">Scopes: {scopes}</p>',
    )


def refused(error: str, sentence: str) -> str:
    """An authorization request that must not be redirected anywhere."""
    return _document("Not possible", f"<p>{escape(sentence)}</p><p><code>{escape(error)}</code></p>")


def home(base_url: str, companies: list[dict[str, Any]], subscriptions: list[dict[str, Any]]) -> str:
    """Companies and their payrolls, with a button for everything that can happen to one."""
    content = "".join(_company(company) for company in companies)
    heard = "".join(f"<li>{escape(row['url'])}: {escape(row['status'])}</li>" for row in subscriptions)
    webhooks = f"<h2>Webhook subscriptions</h2><ul>{heard}</ul>" if heard else "<p>No webhook subscription yet.</p>"
    create = '<form method="post" action="_sandbox/companies"><button>Create a company</button></form>'
    return _document("Gusto sandbox", f"{content}{create}{webhooks}", f"{base_url}/")


def _company(company: dict[str, Any]) -> str:
    rows = "".join(_payroll(payroll) for payroll in company["payrolls"])
    base = f"_sandbox/companies/{company['uuid']}/payrolls"
    connected = "connected" if company["is_connected"] else "not connected: no webhooks are sent"
    return (
        f"<h2>{escape(company['name'])}</h2><p class='note'>{company['employees']} employees, {connected}</p>"
        "<table><thead><tr><th>Pay period</th><th>Check date</th><th>Kind</th><th>State</th>"
        f"<th>Company debit</th><th></th></tr></thead><tbody>{rows}</tbody></table>"
        f'<form method="post" action="{base}"><button>New regular payroll</button></form> '
        f'<form method="post" action="{base}"><input type="hidden" name="off_cycle_reason" value="Bonus">'
        "<button>New bonus payroll</button></form>"
    )


def _payroll(payroll: dict[str, Any]) -> str:
    base = f"_sandbox/payrolls/{payroll['payroll_uuid']}"
    actions = [("process", "Process"), ("delete", "Delete")]
    if payroll["processed"]:
        actions = [("cancel", "Cancel"), ("reverse", "Reverse")]
    buttons = " ".join(
        f'<form method="post" action="{base}/{action}"><button>{label}</button></form>' for action, label in actions
    )
    period = f"{payroll['start_date']} to {payroll['end_date']}" if payroll["start_date"] else "none"
    return (
        f"<tr><td>{period}</td><td>{payroll['check_date']}</td>"
        f"<td>{escape(payroll['off_cycle_reason'] or payroll['payroll_type'])}</td>"
        f"<td>{'processed' if payroll['processed'] else 'open'}</td>"
        f'<td class="amount">{payroll["company_debit"]}</td><td>{buttons}</td></tr>'
    )
