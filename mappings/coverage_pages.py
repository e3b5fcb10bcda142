"""Coverage in the console: what the last payrolls carried, which rule catches it, what is missing and what could fill it.

A suggestion is accepted one by one or all together and is written into a draft, which somebody else approves; what is
accepted is exactly what was shown, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import modelform_factory
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from mappings.coverage_lines import Lines, SeenLine, kind_words
from mappings.coverage_rows import ComponentRow, Gap, PlaceRow, State
from mappings.faults import day_words
from mappings.forms import CRITERIA, MappingRuleForm, RuleTargetForm
from mappings.gap_filling import RuleNames, accept, draft_of, look
from mappings.models import MainAccount, MappingRule
from mappings.pay_privacy import total_of
from mappings.payroll import LineKind
from mappings.place import Place, address, place_of
from mappings.suggestions import (
    Suggestion,
    described_dimensions,
    gap_key,
)
from mappings.tables import RULE_FIELDS, NotADraft, note_change
from mappings.version_pages import draw
from tenants.admin import EVERYBODY, RoleAdmin, has_role

#: What the list of components can be narrowed to.
FILTERS = ("all", "gaps", "changed", "unused")
#: Accounts offered in the field of "Choose"; a browser draws more of them slowly.
ACCOUNTS_OFFERED = 2_000


def urls(page: RoleAdmin) -> list[URLPattern]:
    """Addresses below those of the versions."""
    wrapped = page.admin_site.admin_view
    return [
        path("coverage/", wrapped(lambda request: _first(page, request)), name="mappings_coverage_first"),
        path(
            "coverage/<int:entity_id>/",
            wrapped(lambda request, entity_id: _coverage(page, request, entity_id)),
            name="mappings_coverage",
        ),
        path("coverage/<int:entity_id>/accept/", wrapped(_accept), name="mappings_accept"),
        path(
            "coverage/<int:entity_id>/choose/",
            wrapped(lambda request, entity_id: _choose(page, request, entity_id)),
            name="mappings_choose",
        ),
    ]


# Coverage


def _first(page: RoleAdmin, request: HttpRequest) -> HttpResponse:
    """The legal entity that Mapping opens with."""
    if not has_role(request, EVERYBODY):
        raise PermissionDenied
    place = place_of(request, "coverage")
    if place is None:
        return draw(page, request, "mappings/no_entity.html", "Mapping")
    return HttpResponseRedirect(reverse("admin:mappings_coverage", args=[place.entity.pk]))


def _place(request: HttpRequest, entity_id: int) -> Place:
    if not has_role(request, EVERYBODY):
        raise PermissionDenied
    place = place_of(request, "coverage", entity_id, request.GET.get("version") or request.POST.get("version"))
    if place is None:
        raise Http404
    return place


def _coverage(page: RoleAdmin, request: HttpRequest, entity_id: int) -> HttpResponse:
    place = _place(request, entity_id)
    shown = look(place)
    found = shown.coverage
    lines = Lines(place, shown)
    wanted = request.GET.get("show", "all")
    wanted = wanted if wanted in FILTERS else "all"
    is_gap = {State.GAP, State.TIE, State.CROSSWALK_GAP}
    open_rows = [row for row in found.components if row.state in is_gap]
    chosen = {
        "gaps": open_rows,
        "changed": [row for row in found.components if row.key in shown.changed],
    }.get(wanted, list(found.components) if wanted == "all" else [])
    gap_rows = [row for row in found.components if row.gaps]
    keys = [each.key for each in shown.suggestions.values()]
    context = {
        "may_fill": may_fill(place),
        "found": found,
        "run_count": len(found.runs),
        "last_run": found.last_run,
        "total": len(found.components),
        "share": round(100 * found.caught / len(found.components), 1) if found.components else 100,
        "gap_rows": gap_rows,
        "gap_amount": total_of([row.gaps[0].sum for row in gap_rows], place.may_see_pay),
        "gaps": [lines.gap(gap) for gap in found.gaps],
        "value_gaps": [lines.value_gap(gap) for gap in found.crosswalk_gaps],
        "ties": [(tie, [lines.rule(name) for name in tie.rules]) for tie in found.ties],
        "keys": keys,
        "value_keys": [each.key for each in shown.value_suggestions.values()],
        "kinds": _by_kind(chosen, lines),
        "places": _by_source(found.places, lines) if wanted == "all" else [],
        "unused": [lines.unused(rule) for rule in found.unused] if wanted == "unused" else [],
        "show": wanted,
        "counts": {
            "all": len(found.components),
            "gaps": len(open_rows),
            "changed": len(shown.changed),
            "unused": len(found.unused),
        },
        "next_version": (place.versions[0].version + 1) if place.versions else 1,
        "here": place.link("coverage"),
    }
    return draw(page, request, "mappings/coverage.html", "Coverage", **context)


def places_context(place: Place) -> dict[str, Any]:
    """What stands above the list of crosswalk rows: every department, job and location seen, with what it is given."""
    shown = look(place)
    lines = Lines(place, shown)
    return {
        "place": place,
        "may_fill": may_fill(place),
        "value_gaps": [lines.value_gap(gap) for gap in shown.coverage.crosswalk_gaps],
        "value_keys": [each.key for each in shown.value_suggestions.values()],
        "places": _by_source(shown.coverage.places, lines),
        "run_count": len(shown.coverage.runs),
        "last_run": shown.coverage.last_run,
    }


def may_fill(place: Place) -> bool:
    """Whether something can be accepted here: into the draft that is shown, or into a new one."""
    if not place.may_edit or place.is_submitted:
        return False
    return place.version is None or place.is_draft or place.unfinished is None


def _by_kind(rows: Iterable[ComponentRow], lines: Lines) -> list[tuple[str, list[SeenLine]]]:
    groups: dict[LineKind, list[SeenLine]] = {}
    for row in rows:
        groups.setdefault(row.kind, []).append(lines.component(row))
    return [(kind_words(kind), members) for kind, members in groups.items()]


def _by_source(rows: Iterable[PlaceRow], lines: Lines) -> list[tuple[str, list[SeenLine]]]:
    groups: dict[str, list[SeenLine]] = {}
    for row in rows:
        groups.setdefault(row.source_kind, []).append(lines.seen_place(row))
    return [(f"{source.capitalize()}s", members) for source, members in groups.items()]


# Filling gaps


def _accept(request: HttpRequest, entity_id: int) -> HttpResponse:
    """Write what was accepted into a draft. A POST; an address that is only opened leads back."""
    place = _place(request, entity_id)
    if not place.may_edit:
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseRedirect(place.link("coverage"))
    keys = set(request.POST.getlist("key"))
    had_draft = place.is_draft
    try:
        done = accept(place, look(place), keys, place.username) if may_fill(place) else None
    except NotADraft:
        done = None
    if done is None:
        messages.error(
            request, "Nothing was accepted: what was suggested has changed since the page was opened. Look at it again."
        )
        return HttpResponseRedirect(place.link("coverage"))
    draft, count = done
    started = "" if had_draft else f", which was started for it and is valid from {day_words(draft.valid_from)}"
    rows = "1 row was" if count == 1 else f"{count} rows were"
    messages.success(
        request,
        f"{rows} added to draft version {draft.version}{started}. Nothing else changed; submit it when it is complete.",
    )
    return HttpResponseRedirect(address("coverage", place.entity.pk, draft.pk))


def _choose(page: RoleAdmin, request: HttpRequest, entity_id: int) -> HttpResponse:
    """A rule for one gap with an account that a person chooses; what is suggested stands in the field already."""
    place = _place(request, entity_id)
    if not place.may_edit:
        raise PermissionDenied
    if not may_fill(place):
        return HttpResponseRedirect(place.link("coverage"))
    shown = look(place)
    wanted = request.GET.get("gap", "")
    gap = next((each for each in shown.coverage.gaps if gap_key(each) == wanted), None)
    if gap is None:
        messages.error(request, "This gap is not there any more. Look at the coverage again.")
        return HttpResponseRedirect(place.link("coverage"))
    suggestion = shown.suggestion(gap)
    initial = _initial(suggestion)
    form = RuleTargetForm(request.POST or None, initial=initial, side=gap.side)
    if request.method == "POST" and form.is_valid():
        draft_pk = _add_rule(place, gap, form)
        if draft_pk is not None:
            messages.success(request, f"A rule for “{gap.component}” was added to the draft. Nothing else changed.")
            return HttpResponseRedirect(address("coverage", place.entity.pk, draft_pk))
    lines = Lines(place, shown)
    return draw(
        page, request, "mappings/choose.html", f"Map “{gap.component or kind_words(gap.kind)}”", gap=lines.gap(gap),
        form=form, accounts=_accounts(place), back=place.link("coverage"), no_actions=True,
        criteria=gap.criteria is None,
    )  # fmt: skip


def _initial(suggestion: Suggestion | None) -> dict[str, str]:
    if suggestion is None:
        return {}
    target = suggestion.target
    return {
        "main_account": target.main_account,
        "dimensions": described_dimensions(target),
        "company_code": target.company_code,
        "accrual_account": target.accrual_account,
    }


#: The form of the rules' own page, with every field of a row.
_RuleForm = modelform_factory(MappingRule, form=MappingRuleForm, fields=RULE_FIELDS)


def _add_rule(place: Place, gap: Gap, form: RuleTargetForm) -> int | None:
    """The rule in a draft, judged as any rule; with a mistake nothing is written and the form says it."""
    with transaction.atomic():
        try:
            draft = draft_of(place, [gap.first_date], place.username)
        except NotADraft:
            form.add_error(None, "The version was submitted meanwhile. Take it back to change it.")
            return None
        given = {**dict.fromkeys(CRITERIA, ""), "kind": gap.kind.value, **dict(gap.criteria or ())}
        rule = MappingRule(mapping_table=draft, side=gap.side.value, **given)
        name = RuleNames(draft).take(rule)
        data = {
            **given, **form.cleaned_data, "rule": name, "side": gap.side.value, "target": 1,
            "percent": 100,
        }  # fmt: skip
        row_form = _RuleForm(data, instance=MappingRule(mapping_table=draft))
        if row_form.is_valid():
            row_form.save()
            note_change(draft, place.username, f"rule {name} for “{gap.component}” added")
            return int(draft.pk)
        for field, errors in row_form.errors.items():
            for error in errors:
                form.add_error(field if field in form.fields else None, str(error))
        transaction.set_rollback(True)
    return None


def _accounts(place: Place) -> list[tuple[str, str]]:
    """Accounts that can be chosen: those of the default company code that take entries."""
    if place.entity.erp_connection_id is None:
        return []
    found = MainAccount.objects.filter(
        connection_id=place.entity.erp_connection_id, company_code=place.entity.company_code, is_active=True,
        allows_manual_entry=True,
    )  # fmt: skip
    return list(found.order_by("number").values_list("number", "name")[:ACCOUNTS_OFFERED])
