from django.urls import path

from spokes import schema  # noqa: F401 - importing it describes the calls
from spokes.views import SpokeViewSet

urlpatterns = [
    path("api/spoke/register", SpokeViewSet.as_view({"post": "register"})),
    path("api/spoke/list", SpokeViewSet.as_view({"get": "list"})),
    path("api/spoke/<uuid:spoke_id>/status", SpokeViewSet.as_view({"get": "status"})),
    path(
        "api/proxmox/clusters/<uuid:cluster_id>/nodes/<uuid:spoke_id>/confirm",
        SpokeViewSet.as_view({"post": "confirm", "delete": "unconfirm"}),
    ),
    path("api/spoke/<uuid:spoke_id>", SpokeViewSet.as_view({"delete": "remove"})),
]
