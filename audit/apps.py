from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audit import canary, checks, verification, work

        work.register(canary.KIND, canary.handle)
        work.register(checks.KIND, checks.check_connection)
        work.register(verification.KIND, verification.verify_chain)
