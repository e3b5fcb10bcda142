from django.apps import AppConfig


class ErpConfig(AppConfig):
    name = "erp"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from erp import tasks
        from erp.connector import CONNECTORS, connector_class
        from tenants.credentials import declare

        for system, (label, _) in CONNECTORS.items():
            declare(system, label, connector_class(system).credential_fields)
        tasks.register()
