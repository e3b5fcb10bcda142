"""Pages of file mode: look at a payroll file before anything is kept, add it, take it back.

The browser keeps the file between looking and adding, not we: a look is an upload of which nothing stays, and adding is the
same upload with the mark of what was looked at. So no copy of anybody's pay lies about, waiting for a click that may never
come; for the same reason a file is never written to the disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from unfold.widgets import UnfoldAdminFileFieldWidget

from erp.pages import REASON, TYPES, confirm, run_title
from gusto import files
from gusto.file_rows import BYTES_MAX, CSV_ROWS_MAX, EXCEL_ROWS_MAX
from gusto.files import FileReading, FileRefused, Outcome
from gusto.lines_template import COLUMN_MEANINGS, template
from gusto.models import PayrollRun
from gusto.tie_out import tie_out
from mappings.faults import day_words
from mappings.journal import ZERO
from mappings.payroll import SIDES, LineKind, Side
from mappings.tables import approved_table
from tenants.admin import RoleAdmin, has_role
from tenants.models import LegalEntity, Role

ROLES = (Role.OWNER, Role.PREPARER)
#: A request holds the files and a few fields.
REQUEST_BYTES_MAX = BYTES_MAX + 64 * 1024
NAME_SHOWN = 100
#: Mistakes that a page shows; the rest is repaired with the next upload.
PROBLEMS_SHOWN = 50


class InMemory(MemoryFileUploadHandler):
    """Keeps uploaded files in memory whatever their size; the page refuses large requests before it reads them."""

    def handle_raw_input(self, *args: Any, **kwargs: Any) -> None:
        self.activated = True


class FileForm(forms.Form):
    """What a person uploads."""

    # Whose there are is known only inside a tenant's scope.
    legal_entity: forms.ModelChoiceField = forms.ModelChoiceField(
        None, empty_label=None, error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose a legal entity.")
    )
    payroll = forms.FileField(
        label="Payroll file",
        error_messages={"required": "Choose a payroll file.", "empty": "This payroll file is empty."},
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.xlsx,.json"}),
    )
    employees = forms.FileField(
        label="Employees",
        required=False,
        error_messages={"empty": "This employees document is empty."},
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".json"}),
        help_text="Only with a payroll as JSON, for departments and jobs: the list of employees that Gusto's API gives.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["legal_entity"].queryset = LegalEntity.objects.order_by("name")  # type: ignore[attr-defined]


class KindSum(NamedTuple):
    """All lines of one kind, as a journal would have them: a negative sum stands on the other side."""

    kind: str
    lines: int
    debit: Decimal
    credit: Decimal
    memo: Decimal
    """Of a kind that is in no journal."""


def urls(page: RoleAdmin) -> list[URLPattern]:
    """Addresses of file mode below those of payroll runs."""
    wrapped = page.admin_site.admin_view
    own: dict[str, Callable[..., HttpResponse]] = {
        # Exempt only so that a request that is too large is refused before the guard would read it.
        "add-file/": csrf_exempt(lambda request: _add(page, request)),
        "file-template/": lambda request: _template(request),
        "<int:object_id>/take-back/": lambda request, object_id: _take_back(page, request, object_id),
    }
    names = ("add_file", "file_template", "take_back")
    return [
        path(address, wrapped(view), name=f"gusto_payrollrun_{name}")
        for name, (address, view) in zip(names, own.items(), strict=True)
    ]


def may_take_back(request: HttpRequest, run: PayrollRun) -> bool:
    """Whether the page of a run offers it."""
    is_there = run.source == PayrollRun.Source.FILE and run.state != PayrollRun.State.WITHDRAWN
    return is_there and has_role(request, ROLES)


def waits_for_a_file(request: HttpRequest, run: PayrollRun) -> bool:
    """Whether a run that is blocked goes on when a person who looks at it adds a file: two files differ."""
    is_of_files = run.source == PayrollRun.Source.FILE and run.reason == "unclear"
    return is_of_files and has_role(request, ROLES)


# Looking and adding


def _add(page: RoleAdmin, request: HttpRequest) -> HttpResponse:
    if not has_role(request, ROLES):
        raise Http404
    if int(request.META.get("CONTENT_LENGTH") or 0) > REQUEST_BYTES_MAX:
        return _shown(
            page, request, errors=[f"The files are larger than {BYTES_MAX // 1024**2} MB. Nothing was saved."]
        )
    request.upload_handlers = [InMemory(request)]
    return csrf_protect(lambda request: _uploaded(page, request))(request)


def _uploaded(page: RoleAdmin, request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _shown(page, request)
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        return _shown(page, request, form=form, errors=[str(each) for found in form.errors.values() for each in found])
    entity, upload, employees = (form.cleaned_data[name] for name in ("legal_entity", "payroll", "employees"))
    try:
        file = files.read_file(upload.name[:NAME_SHOWN], upload.read(), employees.read() if employees else None)
    except FileRefused as refused:
        return _shown(
            page, request, form=form, name=upload.name, problems=refused.problems[:PROBLEMS_SHOWN],
            more_problems=len(refused.problems) - PROBLEMS_SHOWN,
        )  # fmt: skip
    mark = hashlib.sha256(f"{entity.pk} {file.digest}".encode()).hexdigest()
    given = request.POST.get("mark", "")
    if given == mark:
        return _added(request, entity, file)
    return _shown(page, request, form=form, mark=mark, is_another=bool(given), **_preview(entity, file))


def _added(request: HttpRequest, entity: LegalEntity, file: FileReading) -> HttpResponse:
    try:
        effect = files.add(entity, file, request.user.get_username())
    except files.NotPossible as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("admin:gusto_payrollrun_add_file"))
    assert effect.run is not None
    if effect.outcome in (Outcome.NEW, Outcome.AGAIN):
        messages.success(request, f"The file was added as payroll run {day_words(file.reading.facts.check_date)}.")
    elif effect.outcome == Outcome.RESTORED:
        messages.success(request, "The payroll run goes on with this file.")
    else:
        messages.warning(request, effect.sentence)
    return HttpResponseRedirect(reverse("admin:gusto_payrollrun_change", args=[effect.run.pk]))


def _preview(entity: LegalEntity, file: FileReading) -> dict[str, Any]:
    """What is in the file, and what adding it does."""
    reading = file.reading
    sums = kind_sums(reading.header.lines)
    rows = tie_out(reading)
    effect = files.effect_of(entity, file)
    return {
        "file": file,
        "name": file.name,
        "facts": reading.facts,
        "type": TYPES[reading.facts.payroll_type],
        "employees": reading.sums.people,
        "sums": sums,
        "debit": sum((each.debit for each in sums), ZERO),
        "credit": sum((each.credit for each in sums), ZERO),
        "rows": [row.as_json() for row in rows],
        "waits_for": [row.sentence for row in rows if row.stops],
        "effect": effect,
        "entity": entity,
        "has_mapping": approved_table(entity, reading.facts.check_date) is not None,
        "is_automatic": entity.approval == LegalEntity.Approval.AUTOMATIC,
        "run_title": run_title(effect.run) if effect.run else "",
    }


def kind_sums(lines: Any) -> list[KindSum]:
    """The lines of a payroll by kind, in the order in which accountants list them: debits, both sides, credits, memos."""
    counts = dict.fromkeys(LineKind, 0)
    amounts = dict.fromkeys(LineKind, ZERO)
    for line in lines:
        counts[line.kind] += 1
        amounts[line.kind] += line.amount
    found = []
    for kind in sorted(LineKind, key=lambda kind: (not SIDES[kind], Side.DEBIT not in SIDES[kind])):
        amount, sides = amounts[kind], SIDES[kind]
        debit = (amount if Side.DEBIT in sides else ZERO, -amount if Side.CREDIT in sides else ZERO)
        credit = (amount if Side.CREDIT in sides else ZERO, -amount if Side.DEBIT in sides else ZERO)
        if counts[kind]:
            found.append(
                KindSum(kind.value, counts[kind], max(*debit, ZERO), max(*credit, ZERO), ZERO if sides else amount)
            )
    return found


def _shown(page: RoleAdmin, request: HttpRequest, **context: Any) -> HttpResponse:
    """The whole page, or for the page's own script only what follows the form."""
    form = context.pop("form", None) or FileForm(initial={"legal_entity": request.GET.get("legal_entity")})
    is_part = request.headers.get("HX-Request") == "true"
    return TemplateResponse(
        request,
        "erp/payroll_file_preview.html" if is_part else "erp/payroll_file.html",
        {
            **page.admin_site.each_context(request),
            "title": "Add payroll file",
            "crumbs": [("Payroll runs", reverse("admin:gusto_payrollrun_changelist")), ("Add payroll file", "")],
            "form": form,
            "columns": COLUMN_MEANINGS,
            "is_part": is_part,
            "has_entities": LegalEntity.objects.exists(),
            "limits": (BYTES_MAX // 1024**2, f"{CSV_ROWS_MAX:,}", f"{EXCEL_ROWS_MAX:,}"),
            **context,
        },
    )


def _template(request: HttpRequest) -> HttpResponse:
    if not has_role(request, ROLES):
        raise Http404
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    response = HttpResponse(template(), content_type=kind)
    response["Content-Disposition"] = 'attachment; filename="payroll_lines.xlsx"'
    return response


# Taking back


def _take_back(page: RoleAdmin, request: HttpRequest, object_id: int) -> HttpResponse:
    run = page.get_object(request, str(object_id))
    if run is None or not has_role(request, ROLES):
        raise Http404
    back = reverse("admin:gusto_payrollrun_change", args=[object_id])
    if request.method != "POST":
        return confirm(
            page, request, "Take this payroll file back", back,
            "Journals that the ERP does not hold are given up. For each that it holds a reversal is created, which an approver "
            "releases. After that another file can be added for the same payroll.", "Take payroll file back",
            subject=run_title(run), asks=REASON,
            crumbs=[("Payroll runs", reverse("admin:gusto_payrollrun_changelist")), (run_title(run), back), ("Take back", "")],
        )  # fmt: skip
    try:
        files.take_back(run, request.user.get_username(), request.POST.get("reason", ""))
    except files.NotPossible as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "The payroll file is taken back.")
    return HttpResponseRedirect(back)
