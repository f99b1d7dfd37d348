from django.urls import path

from wireguard import schema  # noqa: F401 - importing it describes the calls
from wireguard.views import HubViewSet

urlpatterns = [
    path("api/hub/initialize", HubViewSet.as_view({"post": "initialize"})),
    path("api/hub/config", HubViewSet.as_view({"get": "config", "put": "update"})),
    path("api/hub/status", HubViewSet.as_view({"get": "status"})),
    path("api/hub/release-hold", HubViewSet.as_view({"post": "release"})),
]
