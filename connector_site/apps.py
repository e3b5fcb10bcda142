from django.apps import AppConfig


class ConnectorSiteConfig(AppConfig):
    name = "connector_site"

    def ready(self) -> None:
        from connector_site import checks  # noqa: F401 - importing registers them
