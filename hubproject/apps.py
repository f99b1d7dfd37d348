from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class HubprojectConfig(AppConfig):
    name = "hubproject"
    verbose_name = "Hub"

    def ready(self) -> None:
        from hubproject import checks, sign_in_events  # noqa: F401 - importing registers them


class HubAdminConfig(AdminConfig):
    default_site = "hubproject.admin_site.HubAdminSite"
