"""Every address the product answers."""

from django.contrib import admin
from django.urls import include, path

from hubproject.views import HealthViewSet

urlpatterns = [
    path("", include("wireguard.urls")),
    path("", include("tokens.urls")),
    path("", include("spokes.urls")),
    path("api/healthz", HealthViewSet.as_view({"get": "healthz"})),
    path("admin/", admin.site.urls),
]

handler400 = "hubproject.api.bad_request"
handler403 = "hubproject.api.permission_denied"
handler404 = "hubproject.api.not_found"
handler500 = "hubproject.api.server_error"
