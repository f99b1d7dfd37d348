"""Tokens on the admin site."""

from django.contrib import admin
from django.utils import timezone

from hubproject.readonly_admin import ReadOnlyAdmin
from tokens.models import InstallationToken


@admin.register(InstallationToken)
class InstallationTokenAdmin(ReadOnlyAdmin):
    list_display = [
        "spoke_name",
        "address",
        "token_prefix",
        "current_state",
        "created_at",
        "expires_at",
        "claimed_from",
    ]
    search_fields = ["spoke_name", "address", "address6"]
    exclude = ["token_hash"]

    @admin.display(description="state")
    def current_state(self, token: InstallationToken) -> str:
        return token.state_at(timezone.now()).label
