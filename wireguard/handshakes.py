"""How tunnels fare, counted once whichever agent looks: handshakes that stayed away, and the time between two."""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from hubproject.liveness import ACTIVE_WITHIN
from wireguard.models import Peer, PeerStatus

# A machine that registered and was not heard within this long has failed to connect.
PENDING_AT_MOST = timedelta(minutes=5)
# Upper bounds in seconds. Peers that talk shake hands every 120 s, and at the latest after 180 s.
BOUNDS = (30, 60, 110, 120, 125, 130, 140, 160, 180, 240, 300, 600, 1800, 3600)


def add_intervals(histogram: dict[str, Any], intervals: Iterable[float]) -> dict[str, Any]:
    """`{"counts": [in each of BOUNDS, and above], "sum": seconds}` with these intervals, in seconds, added."""
    counts = [*histogram.get("counts", ())] or [0] * (len(BOUNDS) + 1)
    total = histogram.get("sum", 0.0)
    for seconds in intervals:
        counts[bisect_left(BOUNDS, seconds)] += 1
        total += seconds
    return {"counts": counts, "sum": round(total, 3)}


def failures_between(since: datetime, until: datetime) -> int:
    """How many live peers turned inactive, or pending for too long, after `since` and not after `until`.

    Derived from moments that are stored, so that every moment is counted once, also those when no agent ran.
    """
    fell_silent = PeerStatus.objects.filter(
        heard_at__gt=since - ACTIVE_WITHIN, heard_at__lte=until - ACTIVE_WITHIN, peer__live_key__isnull=False
    )
    never_heard = Peer.objects.filter(
        spoke__registered_at__gt=since - PENDING_AT_MOST,
        spoke__registered_at__lte=until - PENDING_AT_MOST,
        live_key__isnull=False,
        status__heard_at=None,
    )
    return fell_silent.count() + never_heard.count()
