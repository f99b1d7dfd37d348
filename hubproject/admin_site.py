"""The one admin site. In a module of its own: Django imports it before any `admin` module can register with it."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import path, reverse

from hubproject.guide import guide


class HubAdminSite(admin.AdminSite):
    """Signing in and out and changing a password have one door, allauth's, whose second factor nothing walks past.

    allauth's `secure_admin_login` would still hand a signed-in user on to Django's form, which takes another user's
    name and password and asks for no second factor.
    """

    site_header = site_title = "WireGuard hub"
    index_title = "Overview"
    site_url = None
    enable_nav_sidebar = False  # the frame brings its own

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        from hubproject.navigation import frame_of  # needs the models, which are loaded after this module

        return super().each_context(request) | frame_of(request)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Of one app only: the frame has its own navigation, and the list of all costs queries on every page."""
        return super().get_app_list(request, app_label) if app_label else []

    def get_urls(self) -> list[Any]:
        from tokens import pages  # needs the models, which are loaded after this module

        return [*self._frames_urls(), *pages.urls(), *super().get_urls()]

    def _frames_urls(self) -> list[Any]:
        return [
            path("frame", self.admin_view(self.frame), name="frame"),
            path("guide", self.admin_view(self.guide), name="guide"),
        ]

    def guide(self, request: HttpRequest) -> HttpResponse:
        context = {"title": "User guide", "guide": guide(), "pictures": static("user-guide/")}
        return TemplateResponse(request, "admin/guide.html", self.each_context(request) | context)

    def index(  # type: ignore[override] # without a hub it leads elsewhere
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        from hubproject.overview import overview  # needs the models, which are loaded after this module

        return overview(request)

    def frame(self, request: HttpRequest) -> HttpResponse:
        """The parts of the frame that move, as open pages ask for them every quarter of a minute."""
        return TemplateResponse(request, "admin/frame.html", self.each_context(request))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index"))

    def logout(  # type: ignore[override] # the stubs know of Django's own page only
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        from allauth.account import views  # needs the models, which are loaded after this module

        answer: HttpResponse = views.logout(request)
        return answer

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_change_password")
