"""The hub's settings on the admin site: facts for everybody, a form for admins."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path

from hubproject.api import caller, now
from hubproject.confirmation import recently_confirmed
from hubproject.errors import HubError
from hubproject.models import Role, TimerReport
from hubproject.page_roles import role_required
from hubproject.readonly_admin import ReadOnlyAdmin
from hubproject.timer_reports import reports
from wireguard.forms import HubSettings
from wireguard.models import AgentState, HubConfig
from wireguard.services import get_hub, release_hold, update_hub

SETTINGS = "admin:wireguard_hubconfig_changelist"


@admin.register(HubConfig)
class HubConfigAdmin(ReadOnlyAdmin):
    """One row, so its list is its page."""

    def get_urls(self) -> list[Any]:
        edit = role_required(Role.ADMIN)(recently_confirmed(self.edit_view))
        release = role_required(Role.ADMIN)(recently_confirmed(self.release_view))
        mine = [path("edit", edit, name="edit_hub"), path("release", release, name="release_hold")]
        return mine + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return role_required(Role.VIEWER)(self._facts_view)(request)

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return role_required(Role.VIEWER)(lambda _: redirect(SETTINGS))(request)

    def _facts_view(self, request: HttpRequest) -> HttpResponse:
        hub, agent = HubConfig.objects.filter(id=1).first(), AgentState.current()
        behind = max(0, hub.generation - agent.applied_generation) if hub else 0
        context = {"title": "Hub settings", "hub": hub, "agent": agent, "behind": behind}
        backup = reports().get(TimerReport.Errand.BACKUP)
        return self._page(request, "facts", **context, backup=backup, agent_is_alive=agent.is_alive(now()))

    def edit_view(self, request: HttpRequest) -> HttpResponse:
        hub = get_hub()
        are_fixed = hub.tokens.filter(lease_host__isnull=False).exists()
        form = HubSettings(request.POST or None, hub=hub, networks_are_fixed=are_fixed)
        if request.method == "POST" and form.is_valid() and self._is_changed(request, form):
            return redirect(SETTINGS)
        return self._page(request, "edit", title="Edit hub settings", form=form, hub=hub, networks_are_fixed=are_fixed)

    def _is_changed(self, request: HttpRequest, form: HubSettings) -> bool:
        try:
            update_hub(**form.changes(), by=caller(request), now=now())
        except HubError as refusal:
            form.refuse(refusal)
            return False
        messages.success(request, "Saved. The agent brings the interface in line within a second.")
        return True

    def release_view(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            released = release_hold(by=caller(request), now=now())
            messages.success(request, "The hold is released." if released else "There was no hold any more.")
            return redirect(SETTINGS)
        return self._page(request, "release", title="Release the hold", agent=AgentState.current())

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        site = self.admin_site.each_context(request)
        return TemplateResponse(request, f"admin/wireguard/hubconfig/{template}.html", {**site, **context})
