"""Which spokes a list is about and in what order: the same for the REST list and for the dashboard's."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property, reduce
from operator import or_

import django_filters
from django.db.models import Count, F, OrderBy, Q

from hubproject.counting import count_of
from hubproject.liveness import ACTIVE_WITHIN, Status, condition_of, heard_lately
from spokes.models import OperatingSystem, Spoke, SpokeQuerySet
from wireguard.models import HubConfig, PeerStatus

# What a list can be ordered by, and where that is kept.
ORDERINGS = {
    "name": "name",
    "address": "token__host",
    "os": "os",
    "registeredAt": "registered_at",
    "lastHandshake": "peer__status__latest_handshake_at",
    "status": "peer__status__heard_at",
}
ORDERING_NAMES = [*ORDERINGS, *(f"-{name}" for name in ORDERINGS)]
# What a search looks at: parts of names, the start of an address or endpoint, a whole key.
_SEARCHED = [
    "name__icontains",
    "proxmox_node_name__icontains",
    "token__address__startswith",
    "token__address6__istartswith",
    "peer__status__endpoint__startswith",
    "peer__public_key",
]


class SpokeFilter(django_filters.FilterSet):  # type: ignore[misc] # the package has no types
    """The live spokes that `search`, `status`, `os` and `cluster` leave as of `now`; a wrong value is ignored."""

    search = django_filters.CharFilter(method="of_search", max_length=100)
    status = django_filters.ChoiceFilter(method="of_status", choices=Status.choices)
    os = django_filters.ChoiceFilter(choices=OperatingSystem.choices)
    cluster = django_filters.UUIDFilter(field_name="proxmox_cluster_id")

    def __init__(self, data: Mapping[str, object], *, now: datetime) -> None:
        super().__init__(data, Spoke.objects.live())
        self.now = now

    def of_search(self, spokes: SpokeQuerySet, name: str, text: str) -> SpokeQuerySet:
        return spokes.filter(reduce(or_, (Q(**{place: text}) for place in _SEARCHED)))

    def of_status(self, spokes: SpokeQuerySet, name: str, status: str) -> SpokeQuerySet:
        return spokes.filter(condition_of(Status(status), self.now))

    @cached_property
    def values(self) -> dict[str, str]:
        """What is filtered by, as text; nothing that is empty or wrong."""
        self.form.is_valid()
        return {name: str(value) for name, value in self.form.cleaned_data.items() if value not in {"", None}}

    @cached_property
    def of_any_status(self) -> SpokeQuerySet:
        """What every filter but `status` leaves."""
        spokes: SpokeQuerySet = self.queryset
        for name, value in self.values.items():
            if name != "status":
                spokes = self.filters[name].filter(spokes, value)
        return spokes

    @cached_property
    def counts(self) -> dict[Status, int]:
        """How many of `of_any_status` have each status, in one query that asks each row as little as it can."""
        if not self.values.keys() - {"status"}:
            return status_counts(self.now)
        found = self.of_any_status.aggregate(
            all=Count("*"),
            heard=Count("peer__status__heard_at"),
            active=Count("pk", filter=condition_of(Status.ACTIVE, self.now)),
        )
        return {
            Status.PENDING: found["all"] - found["heard"],
            Status.ACTIVE: found["active"],
            Status.INACTIVE: found["heard"] - found["active"],
        }

    @property
    def total(self) -> int:
        """How many spokes all filters leave."""
        status = self.values.get("status")
        return self.counts[Status(status)] if status else sum(self.counts.values())


def status_counts(now: datetime) -> dict[Status, int]:
    """How many spokes have each status: counted in one narrow index, less the removed. A join would cost more."""
    seen = PeerStatus.objects.all()
    # A range, for which SQLite uses the index; `IS NOT NULL` it takes for most rows.
    gone = Spoke.objects.filter(removed_at__gt=datetime.min.replace(tzinfo=UTC))
    gone_lately = gone.filter(removed_at__gt=now - ACTIVE_WITHIN)
    counts = {
        "live": count_of(Spoke.objects.live()),
        "active": count_of(seen.filter(heard_lately(now))),
        "heard": count_of(seen.filter(heard_at__isnull=False)),
        "active_gone": count_of(seen.filter(heard_lately(now), peer__in=gone_lately.values("peer"))),
        "heard_gone": count_of(seen.filter(heard_at__isnull=False, peer__in=gone.values("peer"))),
    }
    found = HubConfig.objects.filter(id=1).annotate(**counts).values(*counts).first() or dict.fromkeys(counts, 0)
    active, heard = found["active"] - found["active_gone"], found["heard"] - found["heard_gone"]
    return {
        Status.PENDING: max(0, found["live"] - heard),
        Status.ACTIVE: active,
        Status.INACTIVE: heard - active,
    }


def ordering_of(text: str) -> list[OrderBy | str]:
    """How to order by what was asked for; spokes without a value stand last, equal ones by id."""
    column = F(ORDERINGS[text.removeprefix("-")])
    is_descending = text.startswith("-")
    return [column.desc(nulls_last=True) if is_descending else column.asc(nulls_last=True), "id"]
