"""Pages on the way of a version: submit it, take it back, approve it, copy it, compare it with another, take it out as a
file. What changes something is a POST from a page that says first what it will do, and checks role and state again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from mappings.approval import (
    ApprovalRefused,
    approval_problems,
    approve,
    preparers_of,
    submission_problems,
    submit,
    take_back,
)
from mappings.faults import day_words
from mappings.forms import CopyForm
from mappings.journal import Problem
from mappings.models import MappingTable
from mappings.money_rows import money_table
from mappings.place import APPROVERS, EDITORS, Place, before, crumbs_of, place_of
from mappings.resources import CrosswalkResource, MappingRuleResource
from mappings.row_changes import row_changes
from mappings.sheets import CsvSheet, ExcelSheet
from mappings.tables import new_draft, table_of
from tenants.admin import EVERYBODY, RoleAdmin, has_role
from tenants.models import Role

#: Changes that a page shows; the export says the rest.
CHANGES_SHOWN = 200


def urls(page: RoleAdmin) -> list[URLPattern]:
    """Addresses below those of the versions."""
    wrapped = page.admin_site.admin_view
    steps: dict[str, Callable[..., HttpResponse]] = {"submit": _submit, "take_back": _take_back, "approve": _approve}
    return [
        *(
            path(
                f"<int:object_id>/{name.replace('_', '-')}/",
                wrapped(lambda request, object_id, view=view: view(page, request, object_id)),
                name=f"mappings_mappingtable_{name}",
            )
            for name, view in steps.items()
        ),
        path(
            "<int:object_id>/copy/",
            wrapped(lambda request, object_id: _copy(page, request, object_id)),
            name="mappings_mappingtable_copy",
        ),
        path(
            "<int:object_id>/export/<slug:what>.<slug:form>",
            wrapped(_export),
            name="mappings_mappingtable_export",
        ),
        path(
            "compare/<int:entity_id>/",
            wrapped(lambda request, entity_id: _compare(page, request, entity_id)),
            name="mappings_compare",
        ),
    ]


def draw(page: RoleAdmin, request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    """A mapping page below the head of its place."""
    place: Place | None = getattr(request, "mapping_place", None)
    whole = {
        **page.admin_site.each_context(request),
        "title": title,
        "opts": None,
        "place": place,
        **crumbs_of(place, title),
    }
    return TemplateResponse(request, template, {**whole, **context})


def _found(request: HttpRequest, object_id: int, roles: Collection[Role], tab: str = "coverage") -> MappingTable:
    """The version of an address, for somebody who may; the head of its page is there afterwards."""
    if not has_role(request, roles):
        raise PermissionDenied
    place = place_of(request, tab, version_id=object_id)
    if place is None or place.version is None:
        raise Http404
    return place.version


def _back(table: MappingTable) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:mappings_mappingtable_change", args=[table.pk]))


# Steps


def _submit(page: RoleAdmin, request: HttpRequest, object_id: int) -> HttpResponse:
    table = _found(request, object_id, EDITORS)
    words = (
        f"It cannot be changed any more until it is taken back. Somebody who had no part in it approves it; then payroll runs "
        f"with a check date from {day_words(table.valid_from)} on are allocated with it."
    )
    return _step(
        page, request, table, "Submit", words, lambda by: submission_problems(table), submit,
        f"{table} is submitted. An approver who had no part in it approves it.",
    )  # fmt: skip


def _take_back(page: RoleAdmin, request: HttpRequest, object_id: int) -> HttpResponse:
    table = _found(request, object_id, EDITORS | APPROVERS)
    found = [] if table.state == MappingTable.State.SUBMITTED else submission_problems(table)[:1]
    return _step(
        page, request, table, "Take back", "It becomes a draft again, which can be changed and submitted once more.",
        lambda by: found, take_back, f"{table} is a draft again.",
    )  # fmt: skip


def _approve(page: RoleAdmin, request: HttpRequest, object_id: int) -> HttpResponse:
    table = _found(request, object_id, APPROVERS)
    words = (
        f"Payroll runs with a check date from {day_words(table.valid_from)} on are allocated with this version. It never "
        "changes afterwards; a correction is a new version. Payroll runs that wait for the mapping go on by themselves."
    )
    return _step(
        page, request, table, "Approve", words, lambda by: approval_problems(table, by), approve,
        f"{table} is approved. It serves check dates from {day_words(table.valid_from)} on.",
    )  # fmt: skip


def _step(
    page: RoleAdmin, request: HttpRequest, table: MappingTable, verb: str, words: str,
    problems_of: Callable[[str], list[Problem]], step: Callable[[MappingTable, str], MappingTable], done: str,
) -> HttpResponse:  # fmt: skip
    """Say what a step does, then do it."""
    by = request.user.get_username()
    if request.method == "POST":
        try:
            step(table, by)
        except ApprovalRefused as refused:
            for problem in refused.problems:
                messages.error(request, problem.sentence)
        else:
            messages.success(request, done)
        return _back(table)
    place: Place = request.mapping_place  # type: ignore[attr-defined]
    problems = problems_of(by)
    money = None
    if not problems:
        base = place.base
        money = money_table(
            table.legal_entity, table_of(base) if base else None, table_of(table), request.GET.get("run", ""),
            may_see_pay=place.may_see_pay,
        )  # fmt: skip
    return draw(
        page, request, "mappings/step.html", f"{verb} {str(table).lower()}", table=table, words=words, problems=problems,
        preparers=sorted(preparers_of(table)), rules=table.rules.count(), money=money, no_actions=True,
        before_words=f"Version {place.base.version}" if place.base else "Nothing before",
        after_words=str(table), back=reverse("admin:mappings_mappingtable_change", args=[table.pk]),
    )  # fmt: skip


def _copy(page: RoleAdmin, request: HttpRequest, object_id: int) -> HttpResponse:
    """A new draft with the rules, crosswalk and policy of a version."""
    table = _found(request, object_id, EDITORS, tab="versions")
    form = CopyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        by = request.user.get_username()
        draft = new_draft(table.legal_entity, form.cleaned_data["valid_from"], copy_of=table, by=by)
        messages.success(request, f"{draft} is a draft, a copy of {str(table).lower()}.")
        return _back(draft)
    return draw(
        page, request, "mappings/copy.html", f"Copy {str(table).lower()}", table=table, form=form,
        back=reverse("admin:mappings_mappingtable_change", args=[table.pk]), no_actions=True,
    )  # fmt: skip


# Two versions side by side


def _compare(page: RoleAdmin, request: HttpRequest, entity_id: int) -> HttpResponse:
    """What one version does otherwise than another: in money to a payroll run, and row by row."""
    if not has_role(request, EVERYBODY):
        raise PermissionDenied
    place = place_of(request, "versions", entity_id, request.GET.get("after"))
    if place is None or place.version is None:
        raise Http404
    after = place.version
    wanted = request.GET.get("before", "")
    chosen = before(after, place.versions) if not wanted else _of(place, wanted)
    money = money_table(
        place.entity, table_of(chosen) if chosen else None, table_of(after), request.GET.get("run", ""),
        may_see_pay=place.may_see_pay,
    )  # fmt: skip
    changes = row_changes(chosen, after)
    return draw(
        page, request, "mappings/compare.html", "Compare versions", before=chosen, after=after, money=money,
        changes=changes[:CHANGES_SHOWN], more_changes=len(changes) - CHANGES_SHOWN,
        before_words=str(chosen) if chosen else "Nothing before", after_words=str(after), no_actions=True,
    )  # fmt: skip


def _of(place: Place, version_id: str) -> MappingTable:
    found = next((each for each in place.versions if str(each.pk) == version_id), None)
    if found is None:
        raise Http404
    return found


# Files


def _export(request: HttpRequest, object_id: int, what: str, form: str) -> HttpResponse:
    """A version's rules or crosswalk as a file that can be imported again."""
    table = _found(request, object_id, EVERYBODY)
    resources = {
        "mapping": (MappingRuleResource, table.rules.all()),
        "crosswalks": (CrosswalkResource, table.crosswalks.all()),
    }
    formats: dict[str, type[CsvSheet] | type[ExcelSheet]] = {"csv": CsvSheet, "xlsx": ExcelSheet}
    if what not in resources or form not in formats:
        raise Http404
    resource, rows = resources[what]
    file_format = formats[form]()
    return download(file_format.export_data(resource().export(rows)), file_format.get_content_type(), f"{what}.{form}")


def download(data: bytes | str, content_type: str, name: str) -> HttpResponse:
    """A file for the person who asks, never kept on the way."""
    response = HttpResponse(data, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response
