"""The hub's rows on the admin site."""

from django.contrib import admin

from hubproject.readonly_admin import ReadOnlyAdmin
from wireguard.models import AgentState, HubConfig


@admin.register(HubConfig)
class HubConfigAdmin(ReadOnlyAdmin):
    list_display = [
        "interface_name",
        "interface_address",
        "endpoint",
        "listen_port",
        "public_key",
        "generation",
    ]
    exclude = ["sealed_private_key"]


@admin.register(AgentState)
class AgentStateAdmin(ReadOnlyAdmin):
    list_display = ["interface_up", "applied_generation", "alive_at", "synced_at", "problem"]
