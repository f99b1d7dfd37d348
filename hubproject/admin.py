"""The frame's own pages on the admin site."""

import re
from collections.abc import Iterator
from typing import Any

import allauth.account.admin
import allauth.mfa.admin  # noqa: F401
import django.contrib.auth.admin  # noqa: F401
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.views.decorators.debug import sensitive_variables

from hubproject.access import create_api_key, revoke_api_key, role_of
from hubproject.api import caller, now
from hubproject.confirmation import recently_confirmed
from hubproject.errors import HubError
from hubproject.event_words import words_of
from hubproject.forms import NewApiKey
from hubproject.list_filters import KeyState, Subject, When
from hubproject.models import ApiKey, AuditEvent, Role
from hubproject.page_roles import role_required
from hubproject.readonly_admin import ReadOnlyAdmin
from hubproject.user_admin import UserAdmin

# Django's and allauth's own pages walk past our verbs, and one shows the seeds of second factors. Their modules are
# imported first, else they would register them after this.
admin.site.unregister([User, Group, EmailAddress, Authenticator])
admin.site.register(User, UserAdmin)


class AuditLog(ChangeList):
    """Each event with its words and its facts."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        for event in self.result_list:
            event.words, facts = words_of(event), sorted(_as_words(event.details))
            event.told = "; ".join(f"{name}: {value}" for name, value in facts)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The audit log, newest first. `manage.py verify_audit` tells whether it is whole."""

    list_display = ["when", "what", "event", "actor", "whence", "facts"]
    column_classes = {"event": "endpoint", "facts": "rates"}
    list_filter = [When, Subject]
    search_fields = ["object", "actor", "source_address", "user_agent", "details"]
    search_help_text = "Finds names, addresses, keys and token ids, in any part of them."
    show_full_result_count = False  # it would count a log of years twice

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AuditLog

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in {"event", "actor", "object", "at__gte", "at__lt"} or super().lookup_allowed(
            lookup, value, request
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        words = {"search_words": "Name, address, key or actor", "search_help_text": self.search_help_text}
        return super().changelist_view(request, words | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        event = kwargs["obj"]
        event.words, event.facts = words_of(event), sorted(_as_words(event.details))
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="Time (UTC)", ordering="id")
    def when(self, event: AuditEvent) -> None: ...

    @admin.display(description="What")
    def what(self, event: AuditEvent) -> None: ...

    @admin.display(description="From")
    def whence(self, event: AuditEvent) -> None: ...

    @admin.display(description="Details")
    def facts(self, event: AuditEvent) -> None: ...


def _as_words(details: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each detail that says something, in words: `cluster nodes`, `pve1, pve2`."""
    for name, value in details.items():
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        if value is not None and text:
            yield words, text


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys are made and revoked by admins; their secrets are shown once and kept nowhere."""

    list_display = ["name", "state", "role", "starts", "used", "ends", "made"]
    column_classes = {"made": "rates"}
    list_display_links = None
    list_filter = [KeyState]
    search_fields = ["name", "prefix", "created_by"]

    def get_urls(self) -> list[Any]:
        administers = role_required(Role.ADMIN)
        mine = [
            path("add/", administers(recently_confirmed(self.new_view)), name="new_api_key"),
            path("<int:key_id>/revoke", administers(self.revoke_view), name="revoke_api_key"),
        ]
        return mine + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        words = {"search_words": "Name, start of the key or maker", "has_add_permission": self._may_administer(request)}
        return super().changelist_view(request, words | (extra_context or {}))

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A key is one line of the list; there is nothing more to see."""
        return role_required(Role.VIEWER)(lambda _: redirect("admin:hubproject_apikey_changelist"))(request)

    def _may_administer(self, request: HttpRequest) -> bool:
        return role_of(request.user) == Role.ADMIN

    @sensitive_variables("secret")
    def new_view(self, request: HttpRequest) -> HttpResponse:
        form = NewApiKey(request.POST or None)
        context = self.admin_site.each_context(request) | {"title": "New API key", "form": form}
        if request.method == "POST" and form.is_valid():
            try:
                secret = create_api_key(**form.values(), by=caller(request), now=now())
            except HubError as refusal:
                form.refuse(refusal)
            else:
                made = {"title": form.cleaned_data["name"], "secret": secret}
                return TemplateResponse(request, "admin/hubproject/apikey/made.html", context | made)
        return TemplateResponse(request, "admin/hubproject/apikey/new.html", context)

    def revoke_view(self, request: HttpRequest, key_id: int) -> HttpResponse:
        key = get_object_or_404(ApiKey, pk=key_id)
        if request.method == "POST":
            done = revoke_api_key(key_id=key_id, by=caller(request), now=now())
            said = f"{key.name} revoked." if done else f"{key.name} was revoked before."
            messages.success(request, said)
            return redirect("admin:hubproject_apikey_changelist")
        context = self.admin_site.each_context(request) | {"title": f"Revoke {key.name}", "key": key}
        return TemplateResponse(request, "admin/hubproject/apikey/revoke.html", context)

    @admin.display(description="State")
    def state(self, key: ApiKey) -> None: ...

    @admin.display(description="Begins with")
    def starts(self, key: ApiKey) -> None: ...

    @admin.display(description="Last used", ordering="last_used_at")
    def used(self, key: ApiKey) -> None: ...

    @admin.display(description="Expires", ordering="expires_at")
    def ends(self, key: ApiKey) -> None: ...

    @admin.display(description="Made by")
    def made(self, key: ApiKey) -> None: ...
