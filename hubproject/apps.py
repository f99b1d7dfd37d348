from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class HubprojectConfig(AppConfig):
    name = "hubproject"
    verbose_name = "Hub"

    def ready(self) -> None:
        from hubproject import checks, sign_in_events  # noqa: F401 - importing registers them


class HubAdminConfig(SimpleAdminConfig):
    """Loads no pages: hubproject.urls does. The agent asks for none, and they would be a quarter of its memory."""

    default_site = "hubproject.admin_site.HubAdminSite"
