"""Find: one box for payroll runs, journals, mapping rules and employees of the open tenant.

Nothing is cached: what is found belongs to the tenant of this request, and a switch must not show the other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from connector_site.templatetags.console import day
from erp.models import Posting
from erp.pages import run_title
from gusto.models import Employee, PayrollRun
from mappings.models import MappingRule
from tenants.middleware import membership_of

#: Of each kind; a longer list is narrowed by typing more.
SHOWN = 10
#: Shorter terms fit nearly everything.
LETTERS_MIN = 2
#: How people type days.
DAY_FORMATS = ("%Y-%m-%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y")


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that fits: where it is, what it is, and what tells it from its like."""

    link: str
    title: str
    more: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    found: list[Found]
    is_more: bool


def find(request: HttpRequest) -> HttpResponse:
    """The page of what was found for `?q=`; without it, what can be found."""
    if membership_of(request) is None:
        raise PermissionDenied
    term = request.GET.get("q", "").strip()[:100]
    is_asked = len(term) >= LETTERS_MIN
    groups = [group for kind in KINDS if (group := kind(term)).found] if is_asked else []
    context = {
        "title": "Find",
        "crumbs": [("Find", "")],
        "term": term,
        "is_asked": is_asked,
        "groups": groups,
        "letters_min": LETTERS_MIN,
    }
    return TemplateResponse(request, "console/find.html", {**admin.site.each_context(request), **context})


def _group(title: str, rows: Iterable[Any], say: Callable[[Any], Found]) -> Group:
    found = list(rows)
    return Group(title, [say(row) for row in found[:SHOWN]], len(found) > SHOWN)


def _runs(term: str) -> Group:
    which = Q(payroll_uuid__istartswith=term)
    if (wanted := _day(term)) is not None:
        which |= Q(check_date=wanted)
    rows = PayrollRun.objects.filter(which).select_related("legal_entity")[: SHOWN + 1]
    return _group(
        "Payroll runs", rows,
        lambda run: Found(
            reverse("admin:gusto_payrollrun_change", args=[run.pk]), run_title(run), f"{run.legal_entity}, {run.payroll_uuid}",
            run.state,
        ),
    )  # fmt: skip


def _journals(term: str) -> Group:
    which = Q(document_number__icontains=term) | Q(posting_key__istartswith=term)
    rows = Posting.objects.filter(which).select_related("legal_entity")[: SHOWN + 1]
    return _group(
        "Journals", rows,
        lambda posting: Found(
            reverse("admin:erp_posting_change", args=[posting.pk]), posting.document_number or posting.posting_key,
            f"{posting.legal_entity}, company code {posting.company_code}, posting date {day(posting.posting_date)}, "
            f"{posting.debit:,.2f} {posting.currency}, posting key {posting.posting_key}",
            posting.state,
        ),
    )  # fmt: skip


def _rules(term: str) -> Group:
    which = Q(rule__istartswith=term) | Q(component__icontains=term) | Q(main_account__istartswith=term)
    rows = MappingRule.objects.filter(which).select_related("mapping_table__legal_entity")
    rows = rows.order_by("-mapping_table__valid_from", "-mapping_table__version", "rule")[: SHOWN + 1]
    return _group(
        "Mapping rules", rows,
        lambda rule: Found(
            reverse("admin:mappings_mappingrule_change", args=[rule.pk]),
            f"Rule {rule.rule}, main account {rule.main_account or 'none'}",
            f"{rule.mapping_table.legal_entity}, version {rule.mapping_table.version}, "
            f"{rule.component or rule.kind.replace('_', ' ')}",
        ),
    )  # fmt: skip


def _employees(term: str) -> Group:
    which = Q(employee_code__istartswith=term) | Q(employee_uuid__istartswith=term)
    rows = Employee.objects.filter(which).select_related("legal_entity").order_by("employee_code", "id")[: SHOWN + 1]
    listed = reverse("admin:gusto_employee_changelist")
    return _group(
        "Employees", rows,
        lambda person: Found(
            f"{listed}?{urlencode({'q': person.employee_uuid})}", str(person.sealed_name) or "Name not read",
            f"{person.legal_entity}, number {person.employee_code or 'none'}, {person.department or 'no department'}",
        ),
    )  # fmt: skip


KINDS = (_runs, _journals, _rules, _employees)


def _day(term: str) -> date | None:
    for form in DAY_FORMATS:
        with suppress(ValueError):
            return datetime.strptime(term, form).date()  # noqa: DTZ007 - a day has no time zone
    return None
