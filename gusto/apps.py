from django.apps import AppConfig


class GustoConfig(AppConfig):
    name = "gusto"
    default_auto_field = "django.db.models.BigAutoField"
