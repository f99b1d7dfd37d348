"""Filters of the lists: one select each, whose choice stands in the address."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone


class ChoiceFilter(SimpleListFilter):
    """`everything` stands for no filter; `conditions` maps each choice to its words and its rows."""

    everything: str
    conditions: dict[str, tuple[str, Callable[[], Q]]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, words) for value, (words, _) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.conditions.get(self.value() or "")
        return queryset.filter(chosen[1]()) if chosen else queryset


def _since(**span: int) -> Callable[[], Q]:
    return lambda: Q(at__gte=timezone.now() - timedelta(**span))


def _about(*starts: str) -> Callable[[], Q]:
    found = Q()
    for start in starts:
        found |= Q(event__startswith=start)
    return lambda: found


class When(ChoiceFilter):
    title, parameter_name, everything = "time", "since", "Any time"
    conditions = {
        "hour": ("The last hour", _since(hours=1)),
        "day": ("The last 24 hours", _since(days=1)),
        "week": ("The last 7 days", _since(days=7)),
        "month": ("The last 30 days", _since(days=30)),
    }


class Subject(ChoiceFilter):
    title, parameter_name, everything = "subject", "subject", "Any subject"
    conditions = {
        "tokens": ("Install commands", _about("token.", "tokens.")),
        "spokes": ("Spokes and clusters", _about("spoke.", "node.", "cluster.")),
        "hub": ("The hub", _about("hub.", "drift.", "setup")),
        "sign-in": ("Signing in", _about("sign_in.", "signed_out", "second_factor.", "password.", "recovery_codes.")),
        "users": ("Users and API keys", _about("user.", "api_key.")),
    }


class KeyState(ChoiceFilter):
    title, parameter_name, everything = "state", "state", "Any state"
    conditions = {
        "live": ("Valid", lambda: Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))),
        "ended": ("Expired or revoked", lambda: Q(revoked_at__isnull=False) | Q(expires_at__lte=timezone.now())),
    }


class UserRole(ChoiceFilter):
    title, parameter_name, everything = "role", "role", "Any role"
    conditions = {
        "viewer": ("Viewers", lambda: Q(groups__name="viewer", is_superuser=False)),
        "operator": ("Operators", lambda: Q(groups__name="operator", is_superuser=False)),
        "admin": ("Admins", lambda: Q(groups__name="admin") | Q(is_superuser=True)),
    }


class UserState(ChoiceFilter):
    title, parameter_name, everything = "state", "state", "Any state"
    conditions = {
        "active": ("May sign in", lambda: Q(is_active=True)),
        "inactive": ("Shut out", lambda: Q(is_active=False)),
    }
