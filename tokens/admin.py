"""Tokens on the admin site: where each is in its life. What can be done with one is on its page."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse

from hubproject.api import now
from hubproject.readonly_admin import ReadOnlyAdmin
from tokens.models import InstallationToken, State, TokenQuerySet
from tokens.pages import token_page
from tokens.progress import has_stopped, stopped


class TokenList(ChangeList):
    """Each token with its state of this moment."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        at = now()
        for token in self.result_list:
            token.shown_state = "stopped" if has_stopped(token, at) else token.state_at(at).value


class StateFilter(admin.SimpleListFilter):
    """The words are those of the column beside it."""

    title, parameter_name, everything = "state", "state", "Any state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        words = ("Waiting", "Fetched", "Registered", "Expired", "Revoked")
        return [("stopped", "Stopped"), *zip((state.value for state in State), words, strict=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        assert isinstance(queryset, TokenQuerySet)  # noqa: S101 - see get_queryset below
        chosen, at = self.value(), now()
        if chosen == "stopped":
            return queryset.filter(stopped(at))
        if chosen in State.values:
            return queryset.in_states([State(chosen)], at).exclude(stopped(at))
        return queryset


@admin.register(InstallationToken)
class InstallationTokenAdmin(ReadOnlyAdmin):
    list_display = ["spoke", "state", "address", "prefix", "issued", "expires", "fetched_from"]
    column_classes = {"prefix": "rates", "fetched_from": "endpoint"}
    list_filter = [StateFilter]
    search_fields = ["spoke_name", "address", "address6", "token_prefix", "issued_by"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[InstallationToken]:
        others = InstallationToken.objects.filter(spoke_id=OuterRef("spoke_id")).exclude(pk=OuterRef("pk"))
        is_newer = Q(created_at__gt=OuterRef("created_at")) | Q(lease_host__isnull=False)
        return InstallationToken.objects.annotate(has_successor=Exists(others.filter(is_newer)))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TokenList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        words = {"search_words": "Name, address, first letters or issuer"}
        return super().changelist_view(request, words | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """How far it is, and what can be done with it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            return token_page(request, UUID(object_id))
        except ValueError:
            raise Http404 from None

    @admin.display(description="Spoke", ordering="spoke_name")
    def spoke(self, token: InstallationToken) -> None: ...

    @admin.display(description="State")
    def state(self, token: InstallationToken) -> None: ...

    @admin.display(description="Address", ordering="host")
    def address(self, token: InstallationToken) -> None: ...

    @admin.display(description="Begins with")
    def prefix(self, token: InstallationToken) -> None: ...

    @admin.display(description="Issued", ordering="created_at")
    def issued(self, token: InstallationToken) -> None: ...

    @admin.display(description="Expires", ordering="expires_at")
    def expires(self, token: InstallationToken) -> None: ...

    @admin.display(description="Fetched from")
    def fetched_from(self, token: InstallationToken) -> None: ...
