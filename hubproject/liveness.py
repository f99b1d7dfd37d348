"""When a machine counts as there: a function of the moment it was last heard, the same for every app."""

from datetime import datetime, timedelta

from django.db.models import Q, TextChoices

# Heard within this long: active. WireGuard shakes hands at least every 120 s while packets flow, and keepalives flow.
ACTIVE_WITHIN = timedelta(seconds=180)
# How far the clocks of web and agent may differ. A moment beyond that was written before a clock was set back.
CLOCKS_DIFFER = timedelta(seconds=60)


class Status(TextChoices):
    """What a spoke is. Never stored: a dead agent cannot leave a green light on."""

    PENDING = "pending"
    ACTIVE = "active"
    INACTIVE = "inactive"


def condition_of(status: Status, now: datetime, *, heard_at: str = "peer__status__heard_at") -> Q:
    """The rows that have this status at `now`; `heard_at` is the path to the moment from where one stands."""
    too_old, to_come = {f"{heard_at}__lte": now - ACTIVE_WITHIN}, {f"{heard_at}__gt": now + CLOCKS_DIFFER}
    return {
        Status.PENDING: Q(**{f"{heard_at}__isnull": True}),
        Status.ACTIVE: heard_lately(now, heard_at),
        Status.INACTIVE: Q(**too_old) | Q(**to_come),
    }[status]


def heard_lately(now: datetime, heard_at: str = "heard_at") -> Q:
    """One range of an index: after the moment that is too long ago, and not in the future."""
    return Q(**{f"{heard_at}__gt": now - ACTIVE_WITHIN, f"{heard_at}__lte": now + CLOCKS_DIFFER})
