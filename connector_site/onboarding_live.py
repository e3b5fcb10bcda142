"""Step 6 of the set-up: how journals are released, from which check date on, and the click after which they are sent."""

from __future__ import annotations

from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from audit import trail
from connector_site.onboarding import STEPS, Progress, count_anew
from connector_site.onboarding_frame import owner_of, page
from erp import tasks
from erp.connector import CONNECTORS
from mappings.faults import day_words
from mappings.tables import approved_table
from tenants.models import LegalEntity, Membership, Role
from tenants.scope import current_tenant

#: Choice -> its words, as Settings say it.
APPROVALS = {
    "person": "A person approves every journal",
    "automatic": "Post by itself when everything ties out",
}


class GoLiveForm(forms.Form):
    approval = forms.ChoiceField(
        label="How journals are released", choices=list(APPROVALS.items()), widget=forms.RadioSelect, initial="person",
        help_text="An approver never approves what they prepared. By itself goes only what ties out to 0.00; a difference always "
        "waits for a person. You can change this any time.",
        error_messages={"required": "Choose how journals are released."},
    )  # fmt: skip
    first_date = forms.DateField(
        label="First check date", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Payrolls with an earlier check date are not posted: they are in your books already.",
        error_messages={"required": "The first check date is missing.", "invalid": "The first check date is no day."},
    )  # fmt: skip


def reasons(progress: Progress, form: GoLiveForm | None = None) -> list[tuple[str, str, str]]:
    """(sentence, what to do, link) for everything that stands between now and going live."""
    entity = progress.entity
    found = []
    for name, is_done in progress.done.items():
        if not is_done and name not in ("go-live",):
            link = reverse("admin:set_up_step", args=[entity.pk, name])
            found.append((f"Step “{STEPS[name][0]}” is not done.", STEPS[name][0], link))
    if found:
        return found[:1]
    day = form.cleaned_data.get("first_date") if form is not None and form.is_bound and form.is_valid() else None
    version = progress.version
    serves = approved_table(entity, day) if day else progress.approved
    if serves is None and version is not None:
        link = reverse("admin:mappings_mappingtable_change", args=[version.pk])
        if version.state == "draft":
            link = reverse("admin:mappings_mappingtable_submit", args=[version.pk])
            found.append(
                (f"Version {version.version} of the mapping is a draft.", f"Submit version {version.version}", link)
            )
        elif version.state == "submitted":
            sentence = f"Version {version.version} of the mapping waits for an approver who had no part in it."
            found.append((sentence, *_who_approves(version.changed_by)))
        else:
            sentence = (
                f"Version {version.version} of the mapping serves check dates from {day_words(version.valid_from)} on."
            )
            found.append((sentence, "Look at the versions", link))
    return found


def _who_approves(preparers: list[str]) -> tuple[str, str]:
    """What an owner can do about a version that waits."""
    approvers = [
        member.user.get_username()
        for member in Membership.objects.select_related("user").filter(tenant_id=current_tenant())
        if member.has_role(Role.APPROVER) and member.user.get_username() not in preparers
    ]
    if approvers:
        return f"Ask {' or '.join(sorted(approvers)[:3])}", reverse("admin:settings_members")
    return "Invite an approver", reverse("admin:settings_invite")


def view(request: HttpRequest, progress: Progress) -> HttpResponse:
    """What is chosen here is repeated on a page of its own before it happens."""
    entity = progress.entity
    form = GoLiveForm(request.POST or None, initial={"approval": entity.approval, "first_date": progress.first_date})
    waits = reasons(progress, form)
    if request.method == "POST" and form.is_valid() and not waits and not entity.is_live:
        query = urlencode({"approval": form.cleaned_data["approval"], "first_date": form.cleaned_data["first_date"]})
        return HttpResponseRedirect(f"{reverse('admin:set_up_go_live', args=[entity.pk])}?{query}")
    return page(
        request, progress, "go-live", "console/onboarding_live.html", form=form, reasons=waits,
        version=progress.approved or progress.version,
    )  # fmt: skip


def confirm(request: HttpRequest, entity_id: int) -> HttpResponse:
    """The last page before journals are sent names company code and date. Checked again when the button is pressed."""
    owner_of(request)
    entities = LegalEntity.objects.select_related("erp_connection", "gusto_connection")
    entity = get_object_or_404(entities, pk=entity_id)
    back = reverse("admin:set_up_step", args=[entity.pk, "go-live"])
    form = GoLiveForm(request.GET)
    progress = Progress(entity, request.user.get_username())
    if entity.is_live or not form.is_valid() or reasons(progress, form):
        return HttpResponseRedirect(back)
    approval, first_date = form.cleaned_data["approval"], form.cleaned_data["first_date"]
    if request.method == "POST":
        entity.approval, entity.posts_from_date = approval, first_date
        entity.save(update_fields=["approval", "posts_from_date"])
        tasks.go_live(entity)
        trail.record(
            "legal_entity.went_live", subject="legal_entity", subject_id=str(entity.pk), name=entity.name,
            company_code=entity.company_code, first_date=first_date.isoformat(), approval=APPROVALS[approval].lower(),
        )  # fmt: skip
        count_anew()
        messages.success(
            request, f"{entity.name} is live. Payrolls from check date {day_words(first_date)} on are posted."
        )
        return HttpResponseRedirect(reverse("admin:index"))
    assert entity.erp_connection is not None, "a step before asks for it"
    return page(
        request, progress, "go-live", "console/onboarding_confirm.html", first_date=first_date, back=back,
        approval=APPROVALS[approval], is_automatic=approval == "automatic", version=approved_table(entity, first_date),
        system=CONNECTORS[entity.erp_connection.system][0],
    )  # fmt: skip
