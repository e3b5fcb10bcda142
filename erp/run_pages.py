"""Payroll runs in the console: the list, the page of one with its tie-out, and replay."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from audit import work
from audit.admin import is_under_way
from erp import payroll_files, run_differences
from erp.building import replay_run
from erp.models import Posting
from erp.pages import MOVING, TYPES, chip, confirm, may_see_pay, run_debits, run_title, why_blocked
from erp.repairs import repair_of_run
from erp.timeline import timeline
from gusto.models import PayrollRun
from mappings.faults import day_words
from tenants.admin import RoleAdmin, has_role
from tenants.models import LegalEntity, Role


@admin.register(PayrollRun)
class PayrollRunAdmin(RoleAdmin):
    """List and page of payroll runs."""

    list_display = ("shown", "legal_entity", "state_shown", "documents_shown", "employees", "debit_shown")
    list_filter = (("state", ChoicesDropdownFilter), ("legal_entity", RelatedDropdownFilter))
    list_filter_submit = True
    search_fields = ("payroll_uuid", "postings__document_number", "postings__posting_key")
    search_help_text = "Document number, posting key or Gusto id"
    date_hierarchy = "check_date"
    list_per_page = 25
    ordering = ("-check_date", "-id")
    change_form_template = "erp/payroll_run.html"
    list_before_template = "erp/payroll_runs.html"
    actions = None
    empty_sentence = "No payroll run yet. As soon as Gusto has processed a payroll it shows here."
    empty_sentence_files = (
        "No payroll run yet. Add a payroll file, or connect Gusto: then each payroll that it has processed shows here."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[PayrollRun]:
        found: QuerySet[PayrollRun] = super().get_queryset(request)
        return found.select_related("legal_entity").prefetch_related("postings")

    @display(description="Check date", header=True, ordering="check_date")
    def shown(self, run: PayrollRun) -> tuple[str, str]:
        first = day_words(run.check_date) if run.check_date else run.payroll_uuid
        kind = TYPES.get(run.payroll_type, "Not read yet").removesuffix(" payroll")
        return first, f"{kind}, {run.off_cycle_reason}" if run.off_cycle_reason else kind

    @display(description="State")
    def state_shown(self, run: PayrollRun) -> str:
        live = _live(run)
        if run.state == PayrollRun.State.READ and live:
            codes = len({posting.company_code for posting in live}) > 1
            return render_to_string(
                "console/parts/states.html",
                {
                    "states": [
                        (posting.state, posting.company_code if codes else why_blocked(posting)) for posting in live
                    ]
                },
            )
        if run.state == PayrollRun.State.READ and run.postings.all():
            return chip(Posting.State.VOIDED)
        return chip(run.state, run.reason.replace("_", "-"))

    @display(description="Debits")
    def debit_shown(self, run: PayrollRun) -> str:
        total = run_debits(_live(run))
        return f"{total:,.2f}" if total else ""

    @display(description="Document number")
    def documents_shown(self, run: PayrollRun) -> str:
        return ", ".join(posting.document_number for posting in _live(run) if posting.document_number)

    def get_urls(self) -> list[URLPattern]:
        own = path("<int:object_id>/replay/", self.admin_site.admin_view(self.replay), name="gusto_payrollrun_replay")
        found: list[URLPattern] = super().get_urls()
        return [own, *payroll_files.urls(self), *run_differences.urls(self), *found]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_add = has_role(request, payroll_files.ROLES)
        context = {"may_add_file": may_add, "is_file_mode": may_add and _is_file_mode(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def empty_words(self, request: HttpRequest) -> str:
        return self.empty_sentence_files if _is_file_mode() else self.empty_sentence

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        postings = list(run.postings.select_related("reverses").order_by("id"))
        repair = repair_of_run(run) if run.state == PayrollRun.State.BLOCKED else None
        if repair is not None and payroll_files.waits_for_a_file(request, run):
            repair.link, repair.words = reverse("admin:gusto_payrollrun_add_file"), "Add payroll file"
        context = {
            "run": run,
            "title": run_title(run),
            "crumbs": [
                ("Payroll runs", reverse("admin:gusto_payrollrun_changelist")),
                (f"{day_words(run.check_date) if run.check_date else 'Not read yet'}, {run.legal_entity}", ""),
            ],
            "postings": postings,
            "timeline": timeline(
                ("payroll_run", run.payroll_uuid),
                *(("posting", posting.posting_key) for posting in postings),
            ),
            "reason": run.reason.replace("_", "-"),
            "repair": repair,
            "source_words": "File" if run.source == PayrollRun.Source.FILE else "Gusto",
            "may_replay": has_role(request, (Role.OWNER, Role.PREPARER)) and run.state != PayrollRun.State.WITHDRAWN,
            "acceptable": run_differences.offered(request, run),
            "may_take_back": payroll_files.may_take_back(request, run),
            "may_see_pay": may_see_pay(request),
            "unequal": [row for row in run.tie_out if row["verdict"] != "equal"],
            "equal": [row for row in run.tie_out if row["verdict"] == "equal"],
            "looks_again_seconds": _looks_again(run, postings),
            "progress": work.progress_of(run.tenant_id, ["gusto.read_payroll"], str(run.pk)),
        }
        return self.draw(request, object_id, extra_context, **context)

    def replay(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Read the payroll again and allocate it with the approved mapping of its check date."""
        run = self.get_object(request, str(object_id))
        if run is None or not has_role(request, (Role.OWNER, Role.PREPARER)):
            raise Http404
        page = reverse("admin:gusto_payrollrun_change", args=[object_id])
        if request.method != "POST":
            return confirm(
                self, request, "Replay this payroll run", page,
                f"The payroll run {'is read from Gusto again and' if run.source == PayrollRun.Source.API else 'is'} allocated "
                "with the approved mapping of its check date. Nothing that was sent is sent again.", "Replay payroll run",
                crumbs=[
                    ("Payroll runs", reverse("admin:gusto_payrollrun_changelist")), (run_title(run), page), ("Replay", ""),
                ],
            )  # fmt: skip
        replay_run(run, request.user.get_username())
        messages.success(request, "The payroll run is read again. Usually a minute.")
        return HttpResponseRedirect(page)


def _is_file_mode() -> bool:
    """Whether no payroll comes from Gusto by itself, inside a scope."""
    return not LegalEntity.objects.filter(gusto_connection__isnull=False).exists()


def _live(run: PayrollRun) -> list[Posting]:
    return [posting for posting in run.postings.all() if posting.state != Posting.State.VOIDED]


def _looks_again(run: PayrollRun, postings: list[Posting]) -> int:
    """Seconds after which the page of a run looks again; 0 = nothing moves by itself."""
    waits = [MOVING[Posting.State(posting.state)] for posting in postings if posting.state in MOVING]
    if run.state == PayrollRun.State.NEW or is_under_way(
        run.tenant_id, ("gusto.read_payroll", "erp.allocate", "erp.withdraw"), str(run.pk)
    ):
        waits.append(3)
    return min(waits, default=0)
