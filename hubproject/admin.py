"""The frame's own pages on the admin site."""

from django.contrib import admin

from hubproject.models import ApiKey, AuditEvent
from hubproject.readonly_admin import ReadOnlyAdmin


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "event", "object", "actor", "source_address"]
    list_filter = ["event"]
    search_fields = ["object", "actor", "source_address"]


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
