from django.urls import path

from proxmox import schema  # noqa: F401 - importing it describes the calls
from proxmox.views import ClusterViewSet

view = ClusterViewSet.as_view

urlpatterns = [
    path("api/proxmox/clusters", view({"get": "list"})),
    path("api/proxmox/clusters/<uuid:cluster_id>", view({"get": "one", "put": "describe", "delete": "delete"})),
]
