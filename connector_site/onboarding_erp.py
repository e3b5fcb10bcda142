"""Step 2 of the set-up: which ERP, its credentials, and a test whose every line says what to do."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from audit import checks, trail, work
from connector_site.credentials_form import CredentialsForm
from connector_site.onboarding import Progress, count_anew
from connector_site.onboarding_frame import page
from erp.connector import CONNECTORS, connector_class
from tenants.credentials import declaration
from tenants.models import Connection, LegalEntity

#: First part of the name of a system -> how its family is called; products of one family share a card.
FAMILIES = {"ifs": "IFS Cloud", "infor": "Infor CloudSuite", "d365": "Dynamics 365"}


class ErpForm(CredentialsForm):
    """The declared fields of a system, and the company code that payroll is posted to. The connection is named by itself."""

    def __init__(
        self, entity: LegalEntity, system: str, connection: Connection | None, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(system, connection, *args, **kwargs)
        self.fields.pop("name", None)
        self.fields["company_code"] = forms.CharField(
            label="Company code", max_length=20, initial=entity.company_code,
            help_text="The short id of the set of books that payroll is posted to by default, as the ERP writes it.",
            error_messages={"required": "Company code is missing."},
        )  # fmt: skip
        for field in self.fields.values():
            field.label_suffix = ""


def cards(chosen: str) -> list[dict[str, Any]]:
    """One per family, with its products: (system, name, whether it is the chosen one)."""
    found: list[dict[str, Any]] = []
    for family, label in FAMILIES.items():
        systems = [(key, name, key == chosen) for key, (name, _) in CONNECTORS.items() if key.split("_")[0] == family]
        if systems:
            found.append({"label": label, "systems": systems, "is_chosen": any(is_chosen for *_, is_chosen in systems)})
    known = {key for card in found for key, *_ in card["systems"]}
    rest = [(key, name, key == chosen) for key, (name, _) in CONNECTORS.items() if key not in known]
    return found + [{"label": each[1], "systems": [each], "is_chosen": each[2]} for each in rest]


def view(request: HttpRequest, progress: Progress) -> HttpResponse:
    """The form of the chosen system; saving tests it, unless somebody means to finish later."""
    entity, erp = progress.entity, progress.erp
    if request.method == "POST" and request.POST.get("use"):
        return _use(request, progress)
    system = request.POST.get("system") or request.GET.get("system") or (erp.system if erp else next(iter(FAMILIES)))
    if system not in CONNECTORS:
        raise Http404
    connection = erp if erp is not None and erp.system == system else None
    form = ErpForm(entity, system, connection, request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        stored = _save(entity, system, connection, form)
        if request.POST.get("then") == "later":
            return HttpResponseRedirect(reverse("admin:index"))
        work.enqueue(checks.KIND, str(stored.pk), tenant_id=stored.tenant_id)
        return HttpResponseRedirect(reverse("admin:set_up_step", args=[entity.pk, "erp"]) + "#test")
    to_ask = connector_class(system).to_ask
    label = declaration(system).label
    shared = Connection.objects.filter(system__in=list(CONNECTORS)).exclude(health=Connection.Health.OFF)
    return page(
        request, progress, "erp", "console/onboarding_erp.html", form=form, cards=cards(system), system=system,
        system_label=label, connection=connection, to_ask=to_ask, mail=_mail(label, to_ask),
        is_testing=connection is not None and progress.is_testing,
        shared=list(shared.exclude(pk=erp.pk if erp else None).order_by("name")),
    )  # fmt: skip


def _use(request: HttpRequest, progress: Progress) -> HttpResponse:
    """Another legal entity's connection serves this one, too."""
    chosen = request.POST["use"]
    found = Connection.objects.filter(system__in=list(CONNECTORS), pk=int(chosen) if chosen.isdecimal() else 0).first()
    if found is None:
        raise Http404
    _link(progress.entity, found, request.POST.get("company_code", "").strip()[:20])
    work.enqueue(checks.KIND, str(found.pk), tenant_id=found.tenant_id)
    return HttpResponseRedirect(reverse("admin:set_up_step", args=[progress.entity.pk, "erp"]))


def _save(entity: LegalEntity, system: str, connection: Connection | None, form: ErpForm) -> Connection:
    """Store what was typed. What was tested before is worth nothing after a change."""
    values = form.values()
    if connection is None:
        connection = Connection(system=system, name=_free_name(entity, system))
        connection.set_fields(values)
        connection.save()
        trail.record(
            "connection.created",
            subject="connection",
            subject_id=str(connection.pk),
            name=connection.name,
            system=system,
        )
    else:
        before = connection.stored_fields()
        changed = sorted(
            field.label
            for field in declaration(system).fields
            if field.name in values and values[field.name] != before.get(field.name, "")
        )
        connection.set_fields(values)
        connection.health = Connection.Health.UNTESTED
        connection.checks = []
        connection.save(update_fields=["sealed_fields", "health", "checks"])
        if changed:
            trail.record(
                "connection.changed", subject="connection", subject_id=str(connection.pk), name=connection.name,
                changed=", ".join(changed),
            )  # fmt: skip
    _link(entity, connection, form.cleaned_data["company_code"])
    return connection


def _link(entity: LegalEntity, connection: Connection, company_code: str) -> None:
    if (entity.erp_connection_id, entity.company_code) != (connection.pk, company_code):
        entity.erp_connection, entity.company_code = connection, company_code
        entity.save(update_fields=["erp_connection", "company_code"])
        trail.record(
            "legal_entity.changed", subject="legal_entity", subject_id=str(entity.pk), name=entity.name,
            changed=f"ERP connection {connection.name}, company code {company_code or 'none'}",
        )  # fmt: skip
    count_anew()


def _free_name(entity: LegalEntity, system: str) -> str:
    label = declaration(system).label
    taken = set(Connection.objects.values_list("name", flat=True))
    names = [label, f"{label}, {entity.name}"[:90], *(f"{label} ({number})" for number in range(2, 100))]
    return next(name for name in names if name not in taken)


def _mail(label: str, to_ask: tuple[str, ...]) -> str:
    """The same request as a mail that a person sends: it works without script and without a mail server of ours."""
    lines = "\r\n".join(f"{number}. {sentence}" for number, sentence in enumerate(to_ask, 1))
    body = (
        f"Hello,\r\n\r\nto bring our payroll journals into {label} we need from you:\r\n\r\n{lines}\r\n\r\n"
        "Send secrets and credential files in a safe way, not in an answer to this mail.\r\n"
    )
    return f"mailto:?subject={quote(f'Payroll journals into {label}: what we need')}&body={quote(body)}"
