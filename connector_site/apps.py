from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConnectorSiteConfig(AppConfig):
    name = "connector_site"

    def ready(self) -> None:
        from connector_site import checks, operator_pages, sign_in  # noqa: F401 - importing registers them


class ConsoleConfig(AdminConfig):
    """Django's admin with our site in place of its own."""

    default_site = "connector_site.console.ConsoleSite"
