"""The pages of the set-up: six steps from an empty tenant to the first journal, each of which can be left and come back to.

What a step does is done by the floors that do it later, too: the way to Gusto, a connection and its test, the coverage of a
mapping, a dry run. These pages put them in one row for an owner who does it once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse

from audit import trail, work
from audit.models import Exchange
from connector_site import onboarding, onboarding_erp, onboarding_live
from connector_site.onboarding import OWNER, Progress, count_anew
from connector_site.onboarding_frame import owner_of, page
from connector_site.sudo import confirmed
from erp.connector import CONNECTORS
from gusto import connect
from mappings.gap_filling import Look, accept, look
from mappings.models import MainAccount
from mappings.pay_privacy import total_of
from mappings.tables import NotADraft
from tenants.models import LegalEntity

READ_REFERENCE = "erp.read_reference"
#: Kind as the snapshot counts it -> its list.
KINDS = {
    "main accounts": "admin:mappings_mainaccount_changelist",
    "dimension values": "admin:mappings_dimensionvalue_changelist",
    "fiscal periods": "admin:mappings_fiscalperiod_changelist",
}


def urls(site: Any) -> list[URLPattern]:
    """The addresses below /console/set-up/, for the admin site."""

    def at(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        found: URLPattern = path(f"set-up/{route}", site.admin_view(view), name=name)
        return found

    return [
        at("", start, "set_up"),
        at("new/", new, "set_up_new"),
        at("<int:entity_id>/go-live/confirm/", confirmed(onboarding_live.confirm, *OWNER), "set_up_go_live"),
        at("<int:entity_id>/<slug:name>/", step, "set_up_step"),
    ]


class NameForm(forms.Form):
    """A legal entity begins with its name; Gusto says the rest."""

    name = forms.CharField(
        label="Legal entity", max_length=200, help_text="The employer as your ledger calls it. One Gusto company each.",
        error_messages={"required": "A name is missing."},
    )  # fmt: skip


def start(request: HttpRequest) -> HttpResponse:
    """Where the work is: the first step that is not done."""
    owner_of(request)
    entities = onboarding.entities_in_set_up()
    if entities:
        progress = Progress(entities[0])
        return HttpResponseRedirect(reverse("admin:set_up_step", args=[entities[0].pk, progress.next_step]))
    return HttpResponseRedirect(reverse("admin:index" if LegalEntity.objects.exists() else "admin:set_up_new"))


def new(request: HttpRequest) -> HttpResponse:
    """A legal entity, and with the same click the way to Gusto or to payroll files."""
    membership = owner_of(request)
    first = "" if LegalEntity.objects.exists() else membership.tenant.name
    form = NameForm(request.POST or None, initial={"name": first})
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        if LegalEntity.objects.filter(name=name).exists():
            form.add_error("name", "Another legal entity has this name.")
        else:
            entity = LegalEntity.objects.create(name=name, is_live=False)
            trail.record("legal_entity.created", subject="legal_entity", subject_id=str(entity.pk), name=name)
            count_anew()
            if request.POST.get("then") == "files":
                return HttpResponseRedirect(_files(entity))
            return connect.to_gusto(request, membership, entity)
    return page(request, None, "gusto", "console/onboarding_gusto.html", form=form)


def step(request: HttpRequest, entity_id: int, name: str) -> HttpResponse:
    """One step of one legal entity."""
    owner_of(request)
    if name not in onboarding.STEPS:
        raise Http404
    entities = LegalEntity.objects.select_related("erp_connection", "gusto_connection")
    entity = get_object_or_404(entities, pk=entity_id)
    progress = Progress(entity, request.user.get_username())
    views: dict[str, Callable[[HttpRequest, Progress], HttpResponse]] = {
        "gusto": _gusto, "erp": confirmed(onboarding_erp.view, *OWNER), "reference": _reference, "map": _map,
        "dry-run": _dry_run, "go-live": onboarding_live.view,
    }  # fmt: skip
    return views[name](request, progress)


def _files(entity: LegalEntity) -> str:
    return f"{reverse('admin:gusto_payrollrun_add_file')}?legal_entity={entity.pk}"


# 1


def _gusto(request: HttpRequest, progress: Progress) -> HttpResponse:
    reading = progress.is_connected and progress.is_reading_payrolls
    gusto = progress.entity.gusto_connection
    return page(
        request, progress, "gusto", "console/onboarding_gusto.html", files=_files(progress.entity), is_reading=reading,
        failed=[check for check in (gusto.checks if gusto else []) if not check["is_passed"]],
    )  # fmt: skip


# 3


def _reference(request: HttpRequest, progress: Progress) -> HttpResponse:
    erp = progress.erp
    here = reverse("admin:set_up_step", args=[progress.entity.pk, "reference"])
    if erp is None:
        return HttpResponseRedirect(reverse("admin:set_up_step", args=[progress.entity.pk, "erp"]))
    if request.method == "POST":
        if progress.is_erp_done:
            work.enqueue(READ_REFERENCE, str(erp.pk), tenant_id=erp.tenant_id)
        return HttpResponseRedirect(here)
    snapshot = progress.snapshot
    is_reading = onboarding.is_moving(erp.tenant_id, READ_REFERENCE, str(erp.pk))
    answers = Exchange.objects.filter(about=f"reference {erp.pk}")
    if snapshot is not None and is_reading:
        answers = answers.filter(started_at__gt=snapshot.read_at)
    counts = snapshot.counts if snapshot else {}
    kinds = [
        (kind, counts.get(kind, 0), f"{reverse(link)}?connection__id__exact={erp.pk}") for kind, link in KINDS.items()
    ]
    return page(
        request, progress, "reference", "console/onboarding_reference.html", erp=erp, snapshot=snapshot, kinds=kinds,
        is_reading=is_reading, answers=answers.count() if is_reading else 0,
        codes=[code for code, *_ in snapshot.company_codes] if snapshot else [],
    )  # fmt: skip


# 4


def _map(request: HttpRequest, progress: Progress) -> HttpResponse:
    if not progress.done["reference"]:
        return page(
            request, progress, "map", "console/onboarding_later.html", what="The chart of accounts is read first."
        )
    place = progress.place
    membership = owner_of(request)
    place.may_see_pay = membership.may_see_pay
    shown = look(place)
    if request.method == "POST":
        try:
            found = accept(place, shown, set(request.POST.getlist("key")), place.username)
        except NotADraft:
            found = None
        if found is None:
            messages.error(request, "Nothing was accepted: what was suggested has changed. Look at it again.")
        else:
            draft, added = found
            messages.success(
                request,
                f"{added} row{'s' if added != 1 else ''} added to draft version {draft.version}. Somebody else approves it later.",
            )
        return HttpResponseRedirect(reverse("admin:set_up_step", args=[progress.entity.pk, "map"]))
    coverage = shown.coverage
    rows, sure = _gap_rows(shown, place.may_see_pay, progress)
    is_open = place.version is None or place.version.state != "submitted"
    return page(
        request, progress, "map", "console/onboarding_map.html", found=coverage, gaps=rows, sure=sure if is_open else [],
        total=len(coverage.components), version=place.version,
        share=round(100 * coverage.caught / len(coverage.components), 1) if coverage.components else 0,
        amount=total_of([gap.sum for gap in coverage.gaps], place.may_see_pay), values=coverage.crosswalk_gaps,
        mapping=place.link("coverage"), is_reading=not progress.runs and progress.is_reading_payrolls,
        run_count=len(coverage.runs), files=_files(progress.entity),
    )  # fmt: skip


def _gap_rows(shown: Look, may_see_pay: bool, progress: Progress) -> tuple[list[dict[str, Any]], list[str]]:
    """One row per gap with what is suggested for it, and the keys of all suggestions."""
    numbers = {each.target.main_account for each in shown.suggestions.values()}
    accounts = MainAccount.objects.filter(
        connection=progress.erp, company_code=progress.entity.company_code, number__in=numbers
    )
    names = dict(accounts.values_list("number", "name"))
    rows = []
    for gap in shown.coverage.gaps:
        suggestion = shown.suggestion(gap)
        number = suggestion.target.main_account if suggestion else ""
        rows.append(
            {
                "component": gap.component or "(no name)", "kind": gap.kind.value.replace("_", " "), "side": gap.side.value,
                "amount": gap.sum.shown(may_see_pay), "account": f"{number} {names.get(number, '')}".strip(),
                "reason": suggestion.reason if suggestion else "", "confidence": suggestion.confidence if suggestion else 0,
            }
        )  # fmt: skip
    keys = [each.key for each in shown.suggestions.values()] + [each.key for each in shown.value_suggestions.values()]
    return rows, keys


# 5


def _dry_run(request: HttpRequest, progress: Progress) -> HttpResponse:
    tried = progress.tried if progress.done["reference"] else None
    system = CONNECTORS[progress.erp.system][0] if progress.erp else "the ERP"
    if not progress.done["reference"] or progress.version is None:
        what = "A first version of the mapping is needed before a payroll can be tried."
        return page(request, progress, "dry-run", "console/onboarding_later.html", what=what)
    return page(
        request, progress, "dry-run", "console/onboarding_dry_run.html", tried=tried, system=system,
        unequal=[row for row in tried.tie_out if row.verdict != "equal"] if tried else [],
        equal=[row for row in tried.tie_out if row.verdict == "equal"] if tried else [],
        mapping=progress.place.link("coverage"), printed_by=request.user.get_username(),
        is_reading=not progress.runs and progress.is_reading_payrolls, is_tried=progress.done["dry-run"],
    )  # fmt: skip
