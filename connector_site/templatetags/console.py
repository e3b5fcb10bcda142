"""How the console shows states, money and moments; one way for every page (console.md section 4)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tenants.middleware import date_style
from tenants.models import Tenant

register = template.Library()

#: State -> (tone, icon, word). The tone is a colour, the icon a shape; never one without the other and the word.
STATES: dict[str, tuple[str, str, str]] = {
    "new": ("rest", "notifications", "New"),
    "read": ("move", "download_done", "Read"),
    "allocated": ("wait", "balance", "Allocated"),
    "approved": ("move", "how_to_reg", "Approved"),
    "sending": ("move", "sync", "Sending"),
    "entered": ("move", "pending", "Entered"),
    "posted": ("done", "check_circle", "Posted"),
    "blocked": ("stop", "report", "Blocked"),
    "voided": ("rest", "do_not_disturb_on", "Voided"),
    "withdrawn": ("rest", "undo", "Withdrawn"),
    "ignored": ("rest", "do_not_disturb_on", "Not posted"),
    "draft": ("wait", "edit_note", "Draft"),
    "submitted": ("wait", "outbox", "Submitted"),
    "in_use": ("done", "check_circle", "In use"),
    "replaced": ("rest", "history", "Replaced"),
    "row_new": ("done", "add", "New"),
    "row_changed": ("move", "edit", "Changed"),
    "row_unchanged": ("rest", "drag_handle", "Unchanged"),
    "row_error": ("stop", "error", "Error"),
    "row_removed": ("wait", "remove", "Removed"),
    "gap": ("stop", "error", "No rule"),
    "tie": ("stop", "error", "Tie"),
    "crosswalk_gap": ("stop", "error", "No value"),
    "memo": ("rest", "do_not_disturb_on", "Not posted"),
    "healthy": ("done", "check_circle", "Healthy"),
    "broken": ("stop", "report", "Needs you"),
    "untested": ("rest", "help", "Not tested yet"),
    "off": ("rest", "do_not_disturb_on", "Off"),
    "live": ("done", "check_circle", "Live"),
    "setting_up": ("wait", "checklist", "Setting up"),
    "employed": ("done", "badge", "Employed"),
    "terminated": ("rest", "person_off", "Terminated"),
    "equal": ("done", "check_circle", "Equal"),
    "known": ("wait", "info", "Known difference"),
    "stop": ("stop", "report", "Difference"),
    "passed": ("done", "check_circle", "Passed"),
    "failed": ("stop", "report", "Not passed"),
    "answered": ("done", "check_circle", "Answered"),
    "declined": ("wait", "info", "Answered"),
    "temporary": ("wait", "schedule", "Not reached"),
    "unknown": ("wait", "help", "Unknown outcome"),
}


def chip(name: str, note: str = "") -> SafeString:
    """A state as shape, word and colour. `approved` of a mapping version reads the same as that of a journal."""
    tone, icon, word = STATES.get(str(name), ("rest", "help", str(name).replace("_", " ").capitalize()))
    return format_html(
        '<span class="chip chip-{}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>{}{}</span>',
        tone,
        icon,
        word,
        format_html('<span class="chip-note">{}</span>', note) if note else "",
    )


@register.simple_tag
def state(name: str, note: str = "") -> SafeString:
    return chip(name, note)


@register.simple_tag
def mark(name: str) -> SafeString:
    """The shape and colour of a state without its word, which stands beside it."""
    tone, icon, _ = STATES.get(str(name), ("rest", "help", ""))
    return format_html('<span class="material-symbols-outlined tone-{}" aria-hidden="true">{}</span>', tone, icon)


@register.filter
def money(amount: Any) -> str:
    """Two decimals, comma thousands, no sign: the column is the sign. Nothing for zero."""
    if amount in (None, ""):
        return ""
    value = Decimal(amount)
    return "" if value == 0 else f"{value:,.2f}"


@register.filter
def total(amount: Any) -> str:
    """As `money`, but 0.00 is written: totals are always shown."""
    return f"{Decimal(amount or 0):,.2f}"


@register.filter
def delta(amount: Any) -> str:
    """A difference carries its sign; 0.00 is written. ASCII hyphen, so that a copied cell stays a number."""
    value = Decimal(amount or 0)
    return "0.00" if value == 0 else f"{value:+,.2f}"


#: The tenant's way of writing days. Every one names the month or stands in ISO order: none can be read as another day.
DAY_FORMATS = {
    Tenant.DateStyle.DAY_FIRST: "%-d %b %Y",
    Tenant.DateStyle.MONTH_FIRST: "%b %-d, %Y",
    Tenant.DateStyle.ISO: "%Y-%m-%d",
}


@register.filter
def day(value: date | None) -> str:
    """13 Nov 2026, or as the tenant writes it."""
    return format(value, DAY_FORMATS[Tenant.DateStyle(date_style.get())]) if value else ""


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """today 06:12, else 13 Nov 2026 06:12, in the tenant's time zone; the exact moment in UTC in the tooltip."""
    if value is None:
        return ""
    local = timezone.localtime(value)
    text = f"today {local:%H:%M}" if local.date() == timezone.localdate() else f"{day(local)} {local:%H:%M}"
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>', value.isoformat(), f"{value:%Y-%m-%d %H:%M:%S}", text
    )


@register.filter
def exactly(value: datetime | None) -> str:
    """13 Nov 2026 06:12:45 UTC."""
    return f"{value.astimezone(UTC):%-d %b %Y %H:%M:%S} UTC" if value else ""


@register.filter
def version_note(version: Any) -> str:
    """What stands beside the state of a mapping version: version 8, valid from 1 Nov 2026."""
    return f"version {version.version}, valid from {day(version.valid_from)}"


@register.filter
def words(name: Any) -> str:
    """posting_key as Posting key."""
    text = str(name).replace("_", " ")
    return text[:1].upper() + text[1:]
