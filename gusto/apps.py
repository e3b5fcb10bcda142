from django.apps import AppConfig


class GustoConfig(AppConfig):
    name = "gusto"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from gusto import tasks
        from gusto.last_runs import last_runs
        from mappings import preview
        from tenants.credentials import CredentialField, declare

        # Nobody types these: `gusto.oauth` alone writes them.
        declare(
            "gusto",
            "Gusto",
            (
                CredentialField("company_uuid", "Gusto company", is_required=False),
                CredentialField("scope", "Permissions", is_required=False),
                CredentialField("granted_at", "Access renewed at", is_required=False),
                CredentialField("expires_at", "Access ends at", is_required=False),
                CredentialField("access_token", "Access token", is_secret=True, is_required=False),
                CredentialField("refresh_token", "Refresh token", is_secret=True, is_required=False),
                CredentialField(
                    "provisioned_digest", "Digest of the refresh token of the provision file", is_required=False
                ),
            ),
        )
        tasks.register()
        preview.register(last_runs)
