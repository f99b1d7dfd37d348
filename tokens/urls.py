from django.urls import path

from tokens import schema  # noqa: F401 - importing it describes the calls
from tokens.views import InstallationTokenViewSet

view = InstallationTokenViewSet.as_view

urlpatterns = [
    path("api/installation/token", view({"post": "issue"})),
    path("api/installation/tokens", view({"get": "list"})),
    path("api/installation/token/<uuid:token_id>", view({"get": "one", "delete": "revoke"})),
    path("api/installation/token/<uuid:token_id>/reissue", view({"post": "reissue"})),
    path("api/installation/uninstall", view({"get": "uninstall"})),
    path("api/installation/script/<str:token>", view({"get": "script"})),
]
