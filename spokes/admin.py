"""Spokes on the admin site."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from hubproject.readonly_admin import ReadOnlyAdmin
from spokes.models import Spoke


@admin.register(Spoke)
class SpokeAdmin(ReadOnlyAdmin):
    list_display = ["name", "status", "address", "os", "last_handshake", "registered_at"]
    list_filter = ["os"]
    search_fields = ["name", "token__address", "token__address6", "peer__public_key"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Spoke]:
        return Spoke.objects.live().with_status(timezone.now())

    @admin.display(ordering="token__host")
    def address(self, spoke: Spoke) -> str:
        return spoke.token.address

    @admin.display(ordering="peer__status__heard_at")
    def status(self, spoke: Spoke) -> str:
        return spoke.status

    @admin.display(ordering="peer__status__latest_handshake_at")
    def last_handshake(self, spoke: Spoke) -> object:
        return spoke.last_handshake
