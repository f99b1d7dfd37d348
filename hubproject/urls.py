"""Every address the product answers."""

from django.contrib import admin
from django.urls import include, path

from hubproject import frame_schema  # noqa: F401 - importing describes the frame's own calls
from hubproject.docs import DocsViewSet, SchemaViewSet
from hubproject.metrics import MetricsViewSet
from hubproject.setup_pages import checks, first_run
from hubproject.views import HealthViewSet, home

admin.autodiscover()
urlpatterns = [
    path("", include("wireguard.urls")),
    path("", include("tokens.urls")),
    path("", include("proxmox.urls")),
    path("", include("spokes.urls")),
    path("api/healthz", HealthViewSet.as_view({"get": "healthz"})),
    path("api/metrics", MetricsViewSet.as_view({"get": "metrics"})),
    path("api/schema", SchemaViewSet.as_view({"get": "document"}), name="api-schema"),
    path("api/docs", DocsViewSet.as_view({"get": "page"}), name="api-docs"),
    path("", home),
    path("setup", first_run, name="setup"),
    path("setup/checks", checks, name="setup_checks"),
    path("", include("hubproject.account_urls")),
    path("admin/", admin.site.urls),
]

handler400 = "hubproject.api.bad_request"
handler403 = "hubproject.api.permission_denied"
handler404 = "hubproject.api.not_found"
handler429 = "hubproject.views.too_many_attempts"  # allauth asks for it
handler500 = "hubproject.api.server_error"
