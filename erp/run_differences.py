"""Differences of a tie-out that a person may take responsibility for: what may be accepted, and the page before the click."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from erp.pages import REASON, confirm, run_title
from gusto.models import PayrollRun
from gusto.payroll_run import Acceptable, accept_difference, acceptable_differences
from tenants.admin import RoleAdmin, has_role
from tenants.models import Role

#: Who controls, and does not prepare.
ROLES = (Role.OWNER, Role.APPROVER)


def urls(model_admin: RoleAdmin) -> list[URLPattern]:
    """`?name=` says which difference."""

    def accept(request: HttpRequest, object_id: int) -> HttpResponse:
        return _accept(model_admin, request, object_id)

    view = model_admin.admin_site.admin_view(accept)
    return [path("<int:object_id>/accept/", view, name="gusto_payrollrun_accept")]


def offered(request: HttpRequest, run: PayrollRun) -> list[Acceptable]:
    """What this person may accept; inside a scope."""
    return acceptable_differences(run) if has_role(request, ROLES) else []


def _accept(model_admin: RoleAdmin, request: HttpRequest, object_id: int) -> HttpResponse:
    run = model_admin.get_object(request, str(object_id))
    if run is None or not has_role(request, ROLES):
        raise Http404
    page = reverse("admin:gusto_payrollrun_change", args=[object_id])
    name = request.GET.get("name", "")
    found = next((each for each in acceptable_differences(run) if each.name == name), None)
    if found is None:
        messages.warning(request, "This difference does not wait for anybody any more.")
        return HttpResponseRedirect(page)
    if request.method != "POST":
        return confirm(
            model_admin, request, "Accept this difference", page,
            f"{found.sentence} You take responsibility for {found.amount} as it stands now; should the payroll be read again with "
            "another difference, it waits again. Accepting sends nothing: the journal is built and waits for its approval.",
            "Accept the difference", asks=REASON, subject=run_title(run),
            crumbs=[
                ("Payroll runs", reverse("admin:gusto_payrollrun_changelist")), (run_title(run), page), ("Accept a difference", ""),
            ],
        )  # fmt: skip
    try:
        accept_difference(run, name, request.POST.get("reason", ""))
    except ValueError as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(request.get_full_path() if not request.POST.get("reason", "").strip() else page)
    messages.success(request, "The difference is accepted. The payroll run goes on once nothing else stops it.")
    return HttpResponseRedirect(page)
