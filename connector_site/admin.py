"""Legal entities, connections and members in the console, and the operator's pages.

They stand on the top floor because they join what lower floors keep apart: a connection of `tenants`, its test as a work
item of `audit`, the way to Gusto, the reference data of an ERP.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from audit import trail, work
from audit.admin import OperatorAdmin
from connector_site.templatetags.console import chip
from erp.connector import CONNECTORS
from erp.models import ReferenceSnapshot
from gusto.models import GustoApplication, WebhookEvent, WebhookSubscription
from tenants.admin import RoleAdmin, TenantForm, has_role
from tenants.credentials import declaration, problems_of
from tenants.middleware import membership_of
from tenants.models import Connection, LegalEntity, Membership, Role, Tenant

OWNER = (Role.OWNER,)


class CredentialsForm(forms.Form):
    """Drawn from the fields that the system declares. A secret that is left empty stays as it was."""

    def __init__(self, system: str, connection: Connection | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.system, self.connection = system, connection
        stored = connection.fields if connection else {}
        if connection is None:
            self.fields["name"] = forms.CharField(label="Name", max_length=100, initial=declaration(system).label)
        for field in declaration(system).fields:
            has_secret = field.is_secret and bool(stored.get(field.name))
            hint = field.hint + (f" For example {field.example}." if field.example else "")
            self.fields[field.name] = forms.CharField(
                label=field.label,
                required=field.is_required and not field.default and not has_secret,
                help_text=f"{hint} Leave empty to keep the stored one.".strip() if has_secret else hint,
                initial="" if field.is_secret else stored.get(field.name, field.default),
                strip=not field.is_secret,
                widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"})
                if field.is_secret
                else None,
            )

    def values(self) -> dict[str, str]:
        """What to store: every field but a secret that was left empty."""
        found = {}
        for field in declaration(self.system).fields:
            value = self.cleaned_data.get(field.name, "")
            if field.is_secret and not value and self.connection is not None:
                continue
            found[field.name] = "" if value == field.default and not field.is_secret else value
        return found

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        given = {name: value for name, value in cleaned.items() if name != "name" and value}
        if self.connection is not None:
            given = {**self.connection.stored_fields(), **given}
        found = problems_of(
            self.system, given,
            is_on_premises=bool(self.connection and self.connection.is_on_premises),
            sandbox_allowed=settings.SANDBOX_ALLOWED,
        )  # fmt: skip
        for name, sentence in found.items():
            if name in self.fields and name not in self.errors:
                self.add_error(name, sentence)
        return cleaned


@admin.register(Connection)
class ConnectionAdmin(RoleAdmin):
    """Health, test, credentials. Secrets go in and never come out again."""

    list_display = ("name", "system_shown", "health_shown", "health_sentence", "succeeded_at")
    search_fields = ("name",)
    change_form_template = "tenants/connection.html"
    add_roles = OWNER
    actions = None

    @display(description="System")
    def system_shown(self, connection: Connection) -> str:
        return declaration(connection.system).label

    @display(description="Health", ordering="health")
    def health_shown(self, connection: Connection) -> SafeString:
        return chip(connection.health)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("add/", view(self.choose_system), name="tenants_connection_add"),
            path("add/<slug:system>/", view(self.add_system), name="tenants_connection_add_system"),
            path("<int:object_id>/test/", view(self.test), name="tenants_connection_test"),
            path("<int:object_id>/credentials/", view(self.credentials), name="tenants_connection_credentials"),
            path("<int:object_id>/reference/", view(self.read_reference), name="tenants_connection_reference"),
        ]
        found: list[URLPattern] = super().get_urls()
        return [*own, *found]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        connection = self.get_object(request, object_id)
        if connection is None:
            raise Http404
        context = {
            "connection": connection,
            "system_label": declaration(connection.system).label,
            "public_fields": [] if connection.system == "gusto" else connection.public_fields(),
            "snapshot": ReferenceSnapshot.objects.filter(connection=connection).first(),
            "entities": LegalEntity.objects.filter(erp_connection=connection)
            | LegalEntity.objects.filter(gusto_connection=connection),
            "may_change": has_role(request, OWNER),
            "is_erp": connection.system in CONNECTORS,
        }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

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
            work.enqueue("tenants.check_connection", str(connection.pk), tenant_id=connection.tenant_id)
            messages.success(request, "The connection is being tested. The result shows here in a moment.")
        return HttpResponseRedirect(page)

    def read_reference(self, request: HttpRequest, object_id: int) -> HttpResponse:
        connection = self._owned(request, object_id)
        page = reverse("admin:tenants_connection_change", args=[object_id])
        if request.method == "POST" and connection.system in CONNECTORS:
            work.enqueue("erp.read_reference", str(connection.pk), tenant_id=connection.tenant_id)
            messages.success(request, "The reference data are being read.")
        return HttpResponseRedirect(page)

    def choose_system(self, request: HttpRequest) -> HttpResponse:
        if not has_role(request, OWNER):
            raise Http404
        return self._page(
            request, "tenants/connection_add.html", systems=[(key, label) for key, (label, _) in CONNECTORS.items()]
        )

    def add_system(self, request: HttpRequest, system: str) -> HttpResponse:
        if not has_role(request, OWNER) or system not in CONNECTORS:
            raise Http404
        form = CredentialsForm(system, None, request.POST or None)
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
                work.enqueue("tenants.check_connection", str(connection.pk), tenant_id=connection.tenant_id)
                work.enqueue("erp.read_reference", str(connection.pk), tenant_id=connection.tenant_id)
                return HttpResponseRedirect(reverse("admin:tenants_connection_change", args=[connection.pk]))
        title = f"Connect {declaration(system).label}"
        return self._page(request, "tenants/credentials.html", title=title, form=form, button="Save and test")

    def credentials(self, request: HttpRequest, object_id: int) -> HttpResponse:
        connection = self._owned(request, object_id)
        if connection.system not in CONNECTORS:
            raise Http404
        form = CredentialsForm(connection.system, connection, request.POST or None)
        if request.method == "POST" and form.is_valid():
            values = form.values()
            before = connection.stored_fields()
            changed = sorted(
                field.label
                for field in declaration(connection.system).fields
                if field.name in values and values[field.name] != before.get(field.name, "")
            )
            connection.set_fields(values)
            connection.save(update_fields=["sealed_fields"])
            trail.record(
                "connection.changed", subject="connection", subject_id=str(connection.pk), name=connection.name,
                changed=", ".join(changed) or "nothing",
            )  # fmt: skip
            work.enqueue("tenants.check_connection", str(connection.pk), tenant_id=connection.tenant_id)
            return HttpResponseRedirect(reverse("admin:tenants_connection_change", args=[connection.pk]))
        return self._page(
            request,
            "tenants/credentials.html",
            title=f"Credentials of {connection.name}",
            form=form,
            button="Save and test",
        )

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request, template, {**self.admin_site.each_context(request), "title": "Connections", **context}
        )


class LegalEntityForm(TenantForm):
    """The connections offered are those of the right kind."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "erp_connection" in self.fields:
            self.fields["erp_connection"].queryset = Connection.objects.filter(system__in=list(CONNECTORS))  # type: ignore[attr-defined]


@admin.register(LegalEntity)
class LegalEntityAdmin(RoleAdmin):
    """One employer: its Gusto company, its ERP connection and company code, and how journals are approved."""

    form = LegalEntityForm
    list_display = ("name", "company_code", "gusto_shown", "erp_connection", "approval")
    search_fields = ("name", "company_code")
    fields = ("name", "erp_connection", "company_code", "currency", "approval", "posts_from_date", "sweep_hours")
    change_form_template = "tenants/legal_entity.html"
    add_roles = change_roles = OWNER
    actions = None

    @display(description="Gusto")
    def gusto_shown(self, entity: LegalEntity) -> SafeString:
        return chip(entity.gusto_connection.health) if entity.gusto_connection else chip("off", "not connected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LegalEntity]:
        found: QuerySet[LegalEntity] = super().get_queryset(request)
        return found.select_related("gusto_connection", "erp_connection")

    def save_model(self, request: HttpRequest, obj: LegalEntity, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change:
            trail.record(
                "legal_entity.changed", subject="legal_entity", subject_id=str(obj.pk), name=obj.name,
                changed=", ".join(form.changed_data) or "nothing",
            )  # fmt: skip
        else:
            trail.record("legal_entity.created", subject="legal_entity", subject_id=str(obj.pk), name=obj.name)


@admin.register(Membership)
class MembershipAdmin(RoleAdmin):
    """Who belongs to this tenant. Memberships stand outside the wall, so every query here names the tenant."""

    list_display = ("user", "roles_shown", "may_see_pay", "created_at")
    fields = ("user", "roles", "may_see_pay")
    view_roles = change_roles = OWNER
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        membership = membership_of(request)
        found: QuerySet[Membership] = super().get_queryset(request).select_related("user")
        return found.filter(tenant_id=membership.tenant_id) if membership else found.none()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("user",)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        kwargs["widgets"] = {"roles": forms.CheckboxSelectMultiple(choices=Role.choices)}
        form: type[forms.ModelForm] = super().get_form(request, obj, change, **kwargs)
        return form

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "roles":
            return forms.MultipleChoiceField(choices=Role.choices, widget=forms.CheckboxSelectMultiple)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @display(description="Roles")
    def roles_shown(self, membership: Membership) -> str:
        return ", ".join(Role(role).label for role in membership.roles)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        trail.record(
            "membership.changed", subject="membership", subject_id=str(obj.pk), user=obj.user.get_username(),
            roles=self.roles_shown(obj),
        )  # fmt: skip


@admin.register(Tenant)
class TenantAdmin(OperatorAdmin):
    list_display = ("name", "slug", "created_at", "is_installation")


class SubscriptionInline(admin.TabularInline):
    model = WebhookSubscription
    fields = readonly_fields = ("url", "state", "created_at", "verified_at")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))


class GustoApplicationForm(forms.ModelForm):
    """The secret goes in by a field of another name and is never shown."""

    new_client_secret = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(render_value=False),
        help_text="Leave empty to keep the stored one.",
    )

    class Meta:
        model = GustoApplication
        fields = ("name", "client_id", "api_url", "authorize_url", "token_url", "api_version", "is_active")

    def save(self, commit: bool = True) -> Any:
        if self.cleaned_data.get("new_client_secret"):
            self.instance.client_secret = self.cleaned_data["new_client_secret"]
            self.instance.system_token = ""
        return super().save(commit)


@admin.register(GustoApplication)
class GustoApplicationAdmin(OperatorAdmin):
    """The installation's developer application at Gusto."""

    form = GustoApplicationForm
    list_display = ("name", "client_id", "api_url", "is_active")
    inlines = (SubscriptionInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)


@admin.register(WebhookEvent)
class WebhookEventAdmin(OperatorAdmin):
    """Notices as received: ids only. Those of companies that nobody connected stay here until somebody does."""

    list_display = ("received_at", "event_type", "resource_uuid", "entity_uuid", "source", "state")
    list_filter = ("state", "source", "event_type")
    search_fields = ("event_uuid", "resource_uuid", "entity_uuid")
    list_per_page = 50
