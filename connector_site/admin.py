"""Legal entities and connections in the console.

They stand on the top floor because they join what lower floors keep apart: a connection of `tenants`, its test as a work
item of `audit`, the way to Gusto, the reference data of an ERP.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from audit import checks, trail, work
from connector_site import connection_pages
from connector_site.credentials_form import CredentialsForm
from connector_site.onboarding import is_moving
from connector_site.sudo import confirmed
from connector_site.templatetags.console import chip
from erp.connector import CONNECTORS, connector_class
from erp.models import ReferenceSnapshot
from tenants.admin import RoleAdmin, TenantForm, has_role
from tenants.credentials import declaration
from tenants.models import Connection, LegalEntity, Role

OWNER = (Role.OWNER,)
READ_REFERENCE = "erp.read_reference"
#: What is counted of the reference data -> its list.
REFERENCE_LISTS = {
    "main accounts": "admin:mappings_mainaccount_changelist",
    "dimension values": "admin:mappings_dimensionvalue_changelist",
    "fiscal periods": "admin:mappings_fiscalperiod_changelist",
}
#: A form with one primary button.
ONE_SAVE = {"show_save_and_add_another": False, "show_save_and_continue": False}
#: Company codes named beside the field; an ERP may have hundreds.
COMPANY_CODES_SHOWN = 30


@admin.register(Connection)
class ConnectionAdmin(RoleAdmin):
    """Health, test, credentials. Secrets go in and never come out again."""

    change_form_template = "tenants/connection.html"
    add_roles = OWNER
    empty_sentence = "No connection yet. An owner connects the ERP here, and Gusto on the page of a legal entity."

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("add/", view(self.choose_system), name="tenants_connection_add"),
            path("add/<slug:system>/", view(confirmed(self.add_system, *OWNER)), name="tenants_connection_add_system"),
            path("<int:object_id>/test/", view(self.test), name="tenants_connection_test"),
            path(
                "<int:object_id>/credentials/",
                view(confirmed(self.credentials, *OWNER)),
                name="tenants_connection_credentials",
            ),
            path("<int:object_id>/reference/", view(self.read_reference), name="tenants_connection_reference"),
            path("<int:object_id>/disconnect/", view(self.disconnect), name="tenants_connection_disconnect"),
        ]
        found: list[URLPattern] = super().get_urls()
        return [*own, *found]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        connection = self.get_object(request, object_id)
        if connection is None:
            raise Http404
        tenant_id, ref = connection.tenant_id, str(connection.pk)
        snapshot = ReferenceSnapshot.objects.filter(connection=connection).first()
        context = {
            "connection": connection,
            "title": connection.name,
            "crumbs": [("Connections", reverse("admin:tenants_connection_changelist")), (connection.name, "")],
            "system_label": declaration(connection.system).label,
            "public_fields": [] if connection.system == "gusto" else connection.public_fields(),
            "snapshot": snapshot,
            "counts": [
                (name, snapshot.counts.get(name, 0), f"{reverse(page)}?connection__id__exact={connection.pk}")
                for name, page in REFERENCE_LISTS.items()
            ]
            if snapshot
            else [],
            "entities": LegalEntity.objects.filter(Q(erp_connection=connection) | Q(gusto_connection=connection)).order_by("name"),
            "may_change": has_role(request, OWNER),
            "is_erp": connection.system in CONNECTORS,
            "limits": connector_class(connection.system).limits if connection.system in CONNECTORS else (),
            "is_testing": is_moving(tenant_id, checks.KIND, ref),
            "is_reading": is_moving(tenant_id, READ_REFERENCE, ref),
        }  # fmt: skip
        return self.draw(request, object_id, extra_context, **context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return connection_pages.listed(self, request)

    def disconnect(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return connection_pages.disconnect(self, request, object_id)

    def _owned(self, request: HttpRequest, object_id: int) -> Connection:
        found = self.get_object(request, str(object_id))
        if found is None or not has_role(request, OWNER):
            raise Http404
        connection: Connection = found
        return connection

    def test(self, request: HttpRequest, object_id: int) -> HttpResponse:
        connection = self._owned(request, object_id)
        page = reverse("admin:tenants_connection_change", args=[object_id])
        if request.method == "POST":
            work.enqueue(checks.KIND, str(connection.pk), tenant_id=connection.tenant_id)
        return _back(request, page)

    def read_reference(self, request: HttpRequest, object_id: int) -> HttpResponse:
        connection = self._owned(request, object_id)
        page = reverse("admin:tenants_connection_change", args=[object_id])
        if request.method == "POST" and connection.system in CONNECTORS:
            work.enqueue(READ_REFERENCE, str(connection.pk), tenant_id=connection.tenant_id)
        return _back(request, page)

    def choose_system(self, request: HttpRequest) -> HttpResponse:
        if not has_role(request, OWNER):
            raise Http404
        systems = [(key, label) for key, (label, _) in CONNECTORS.items()]
        return self._page(request, "tenants/connection_add.html", "Connect your ERP", systems=systems)

    def add_system(self, request: HttpRequest, system: str) -> HttpResponse:
        if not has_role(request, OWNER) or system not in CONNECTORS:
            raise Http404
        form = CredentialsForm(system, None, request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            if Connection.objects.filter(name=form.cleaned_data["name"]).exists():
                form.add_error("name", "Another connection has this name.")
            else:
                connection = Connection(system=system, name=form.cleaned_data["name"])
                connection.set_fields(form.values())
                connection.save()
                trail.record(
                    "connection.created",
                    subject="connection",
                    subject_id=str(connection.pk),
                    name=connection.name,
                    system=system,
                )
                work.enqueue(checks.KIND, str(connection.pk), tenant_id=connection.tenant_id)
                work.enqueue(READ_REFERENCE, str(connection.pk), tenant_id=connection.tenant_id)
                return HttpResponseRedirect(reverse("admin:tenants_connection_change", args=[connection.pk]))
        title = f"Connect {declaration(system).label}"
        return self._page(request, "tenants/credentials.html", title, form=form, button="Save and test")

    def credentials(self, request: HttpRequest, object_id: int) -> HttpResponse:
        connection = self._owned(request, object_id)
        if connection.system not in CONNECTORS:
            raise Http404
        form = CredentialsForm(connection.system, connection, request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            values = form.values()
            before = connection.stored_fields()
            changed = sorted(
                field.label
                for field in declaration(connection.system).fields
                if field.name in values and values[field.name] != before.get(field.name, "")
            )
            connection.set_fields(values)
            if connection.health == Connection.Health.OFF:
                # Disconnected before: with credentials it is one to be tested again.
                connection.health, connection.health_sentence = Connection.Health.UNTESTED, ""
            connection.save(update_fields=["sealed_fields", "health", "health_sentence"])
            trail.record(
                "connection.changed", subject="connection", subject_id=str(connection.pk), name=connection.name,
                changed=", ".join(changed) or "nothing",
            )  # fmt: skip
            work.enqueue(checks.KIND, str(connection.pk), tenant_id=connection.tenant_id)
            return HttpResponseRedirect(reverse("admin:tenants_connection_change", args=[connection.pk]))
        page = reverse("admin:tenants_connection_change", args=[connection.pk])
        return self._page(
            request, "tenants/credentials.html", f"Credentials of {connection.name}", form=form, button="Save and test",
            back=page,
        )  # fmt: skip

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
        back = reverse("admin:tenants_connection_changelist")
        words = {"title": title, "crumbs": [("Connections", back), (title, "")], "back": back}
        return TemplateResponse(request, template, {**self.admin_site.each_context(request), **words, **context})


def _back(request: HttpRequest, page: str) -> HttpResponseRedirect:
    """To where the button was pressed: the page of the connection, or the list of all."""
    is_list = request.POST.get("back") == "list"
    return HttpResponseRedirect(reverse("admin:tenants_connection_changelist") if is_list else page)


class LegalEntityForm(TenantForm):
    """The connections offered are those of the right kind; the company codes known are named."""

    #: Field -> label, where the model's own name is not the reader's.
    LABELS = {
        "erp_connection": "ERP connection",
        "posts_from_date": "Post from check date",
        "sweep_hours": "Hours between sweeps",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in self.LABELS.items():
            if name in self.fields:
                self.fields[name].label = label
        if "erp_connection" in self.fields:
            self.fields["erp_connection"].queryset = Connection.objects.filter(system__in=list(CONNECTORS))  # type: ignore[attr-defined]
        snapshot = ReferenceSnapshot.objects.filter(connection_id=self.instance.erp_connection_id).first()
        if snapshot is not None and "company_code" in self.fields:
            codes = ", ".join(code for code, *_ in snapshot.company_codes[:COMPANY_CODES_SHOWN])
            self.fields["company_code"].help_text = f"Default company code in the ERP. Known there: {codes}."


@admin.register(LegalEntity)
class LegalEntityAdmin(RoleAdmin):
    """One employer: its Gusto company, its ERP connection and company code, and how journals are approved."""

    form = LegalEntityForm
    list_display = ("name", "company_code", "gusto_shown", "erp_shown", "approval")
    search_fields = ("name", "company_code")
    fields = (
        "name",
        "erp_connection",
        "company_code",
        "currency",
        "approval",
        "approval_limit",
        "posts_from_date",
        "sweep_hours",
    )
    change_form_template = "tenants/legal_entity.html"
    add_roles = change_roles = OWNER
    actions = None
    ordering = ("name",)
    empty_sentence = "No legal entity yet. An owner adds one for each employer that pays through Gusto."

    @display(description="Gusto")
    def gusto_shown(self, entity: LegalEntity) -> SafeString:
        return chip(entity.gusto_connection.health) if entity.gusto_connection else chip("off", "not connected")

    @display(description="ERP connection", ordering="erp_connection__name")
    def erp_shown(self, entity: LegalEntity) -> str:
        return entity.erp_connection.name if entity.erp_connection else "none yet"

    def get_queryset(self, request: HttpRequest) -> QuerySet[LegalEntity]:
        found: QuerySet[LegalEntity] = super().get_queryset(request)
        return found.select_related("gusto_connection", "erp_connection")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "erp_connection" and field is not None:
            # Connections have pages of their own; a window of Django's would know none of their fields.
            widget = field.widget
            widget.can_add_related = widget.can_change_related = widget.can_view_related = False
        return field

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:  # fmt: skip
        entity = self.get_object(request, object_id) if object_id else None
        title = entity.name if entity else "Add a legal entity"
        crumbs = [("Legal entities", reverse("admin:tenants_legalentity_changelist")), (title, "")]
        words = {"title": title, "crumbs": crumbs, "subtitle": None, "is_owner": has_role(request, OWNER), **ONE_SAVE}
        response: HttpResponse = super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **words}
        )
        return response

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A legal entity begins with its set-up, so that nothing is posted for it before somebody says so."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:set_up_new"))

    def save_model(self, request: HttpRequest, obj: LegalEntity, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change:
            trail.record(
                "legal_entity.changed", subject="legal_entity", subject_id=str(obj.pk), name=obj.name,
                changed=", ".join(form.changed_data) or "nothing",
            )  # fmt: skip
        else:
            trail.record("legal_entity.created", subject="legal_entity", subject_id=str(obj.pk), name=obj.name)
