"""The frame's own pages on the admin site."""

import re
from collections.abc import Iterator
from typing import Any

import allauth.account.admin
import allauth.mfa.admin  # noqa: F401
import django.contrib.auth.admin  # noqa: F401
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from hubproject.access import revoke_api_key, role_of
from hubproject.api import caller, now
from hubproject.models import ApiKey, AuditEvent, Role
from hubproject.readonly_admin import ReadOnlyAdmin
from hubproject.user_admin import UserAdmin

# Django's and allauth's own pages walk past our verbs, and one shows the seeds of second factors. Their modules are
# imported first, else they would register them after this.
admin.site.unregister([User, Group, EmailAddress, Authenticator])
admin.site.register(User, UserAdmin)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The audit log, newest first. `manage.py verify_audit` tells whether it is whole."""

    list_display = ["when", "event", "object", "actor", "source_address", "facts"]
    list_filter = ["at", "event", "actor"]
    search_fields = ["object", "actor", "source_address", "user_agent", "details"]
    search_help_text = "Finds names, addresses, keys and token ids, in any part of them."
    readonly_fields = ["when", "facts"]
    fields = [
        "id",
        "when",
        "event",
        "object",
        "actor",
        "source_address",
        "user_agent",
        "facts",
        "previous_hash",
        "hash",
    ]
    show_full_result_count = False  # it would count a log of years twice

    @admin.display(description="at (UTC)", ordering="id")
    def when(self, event: AuditEvent) -> str:
        return f"{event.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="details")
    def facts(self, event: AuditEvent) -> str:
        return format_html_join(mark_safe("<br>"), "{}: {}", sorted(_as_words(event.details)))


def _as_words(details: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each detail that says something, in words: `cluster nodes`, `pve1, pve2`."""
    for name, value in details.items():
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        if value is not None and text:
            yield words, text


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = [
        "name",
        "prefix",
        "role",
        "created_by",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    ]
    exclude = ["key_hash"]
    actions = ["revoke"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return role_of(request.user) == Role.ADMIN

    @admin.action(description="Revoke the selected API keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        """Whoever uses one of them is refused from now on."""
        by, at = caller(request), now()
        revoked = [key.name for key in keys if revoke_api_key(key_id=key.pk, by=by, now=at)]
        self.message_user(request, f"Revoked: {', '.join(revoked)}." if revoked else "They were revoked before.")
