"""The overview: how the fleet is, what needs somebody, what happened last. As many queries for any fleet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.contrib import admin
from django.db.models import Exists, F, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from hubproject.access import role_of
from hubproject.accounts import first_admin_is_wanted
from hubproject.api import now
from hubproject.attention import DARK_SHOWN, attention_of
from hubproject.charts import Chart, traffic_chart
from hubproject.event_words import words_of
from hubproject.liveness import ACTIVE_WITHIN, Status
from hubproject.models import AuditEvent, Role
from hubproject.navigation import ClusterNow, agent_of, clusters_of, hub_of
from hubproject.pool_use import pool_use
from proxmox.models import Health
from spokes.filters import status_counts
from tokens.models import InstallationToken, State
from tokens.progress import has_stopped, stopped
from wireguard.models import PeerStatus, TrafficSample

DAY = timedelta(days=1)
EVENTS_SHOWN = 8
INSTALLS_SHOWN = 6
# A sample is of a minute, and the agent writes it when the minute is over.
SAMPLE_IS_FRESH = timedelta(minutes=3)
# The same moment as the spoke's registration, in other words.
UNTOLD_EVENTS = ["token.redeemed"]
BETWEEN_SPOKES = {
    "isolated": "Isolated",
    "cluster": "Within a cluster",
    "open": "Open",
}


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went through the hub in a day; the rates of this moment are None while nothing was counted lately."""

    chart: Chart
    received: int
    sent: int
    received_now: float | None
    sent_now: float | None
    last_hour: list[float]


def overview(request: HttpRequest) -> HttpResponse:
    """The page, or only what moves of it for a page that asks again."""
    at, hub = now(), hub_of(request)
    if hub is None:
        return _without_hub(request)
    context = _figures(request, hub, at)
    if "HX-Request" in request.headers:
        role = role_of(request.user)
        may = {"operate": role is not None and role.includes(Role.OPERATOR), "administer": role == Role.ADMIN}
        return TemplateResponse(request, "admin/overview.html", {**context, "may": may})
    return TemplateResponse(
        request, "admin/index.html", {**admin.site.each_context(request), "title": "Overview", **context}
    )


def _without_hub(request: HttpRequest) -> HttpResponse:
    if role_of(request.user) == Role.ADMIN or first_admin_is_wanted():
        return redirect("setup")
    return TemplateResponse(
        request, "admin/no_hub.html", {**admin.site.each_context(request), "title": "Not set up yet"}
    )


def _figures(request: HttpRequest, hub: Any, at: datetime) -> dict[str, Any]:
    agent, clusters, pool = agent_of(request), clusters_of(request, at), pool_use(hub)
    spokes, installs, dark = status_counts(at), _installs(at), _gone_dark(at)
    waiting = [token for token in installs if token.state_at(at) in {State.ISSUED, State.CLAIMED}]
    events = AuditEvent.objects.exclude(event__in=UNTOLD_EVENTS)[:EVENTS_SHOWN]
    attention = attention_of(hub, agent, clusters=clusters, installs=installs, dark=dark, pool=pool, at=at)
    return {
        "hub": hub,
        "agent": agent,
        "agent_word": agent.word(generation=hub.generation, now=at),
        "unapplied": max(0, hub.generation - agent.applied_generation),
        "between_spokes": BETWEEN_SPOKES.get(hub.spoke_to_spoke, hub.spoke_to_spoke),
        "hub_address": hub.interface_address.partition("/")[0],
        "hub_address6": (hub.interface_address6 or "").partition("/")[0],
        **_spoke_words(hub.spoke_count, spokes),
        **_cluster_words(clusters),
        "pool": pool,
        "traffic": _traffic(at),
        "attention": attention,
        "installs": waiting[:INSTALLS_SHOWN],
        "stopped_ids": {token.pk for token in waiting if has_stopped(token, at)},
        "events": [(event, words_of(event), _when(event.at, at)) for event in events],
        "is_empty": not hub.spoke_count and not waiting,
    }


def _when(moment: datetime, at: datetime) -> str:
    return f"{moment:%H:%M}" if moment.date() == at.date() else f"{moment.day} {moment:%b}"


# --- Figures ------------------------------------------------------------------------------------------------------


def _spoke_words(total: int, spokes: dict[Status, int]) -> dict[str, Any]:
    words = {
        status.value: f"{spokes[status]} {status.value}" for status in (Status.ACTIVE, Status.INACTIVE, Status.PENDING)
    }
    parts = [("ok", spokes[Status.ACTIVE]), ("off", spokes[Status.INACTIVE]), ("warn", spokes[Status.PENDING])]
    return {
        "spokes": {"total": total} | {status.value: number for status, number in spokes.items()},
        "spoke_words": words,
        "spoke_parts": parts,
        "spoke_sentence": ", ".join(words.values()),
    }


# The word and the colour of each health in the strip, the good first.
_HEALTHS = {
    Health.HEALTHY: ("healthy", "ok"),
    Health.DEGRADED: ("degraded", "warn"),
    Health.CRITICAL: ("critical", "bad"),
    Health.DOWN: ("all inactive", "bad"),
}


def _cluster_words(clusters: Sequence[ClusterNow]) -> dict[str, Any]:
    numbers = {health: sum(cluster.health == health for cluster in clusters) for health in _HEALTHS}
    words = [(health.value, f"{numbers[health]} {_HEALTHS[health][0]}") for health in _HEALTHS if numbers[health]]
    return {
        "clusters": {"total": len(clusters), "nodes": sum(cluster.nodes for cluster in clusters)},
        "cluster_words": words,
        "cluster_parts": [(_HEALTHS[health][1], number) for health, number in numbers.items()],
        "cluster_sentence": ", ".join(text for _, text in words) or "No clusters",
    }


def _traffic(at: datetime) -> Traffic:
    rows = list(
        TrafficSample.objects.filter(at__gt=at - DAY, at__lte=at).order_by("at").values_list("at", "received", "sent")
    )
    points = [(moment, received / 60, sent / 60) for moment, received, sent in rows]
    latest = points[-1] if points and at - points[-1][0] < SAMPLE_IS_FRESH else None
    return Traffic(
        chart=traffic_chart(points, start=at - DAY, end=at),
        received=sum(received for _, received, _ in rows),
        sent=sum(sent for _, _, sent in rows),
        received_now=latest and latest[1],
        sent_now=latest and latest[2],
        last_hour=[received for moment, received, _ in points if moment > at - timedelta(hours=1)],
    )


def _installs(at: datetime) -> list[InstallationToken]:
    """Those that wait or have stopped in the last day, without those that were reissued since; stopped ones first."""
    others = InstallationToken.objects.filter(spoke_id=OuterRef("spoke_id")).exclude(pk=OuterRef("pk"))
    is_replaced = Exists(others.filter(Q(created_at__gt=OuterRef("created_at")) | Q(lease_host__isnull=False)))
    is_open = Q(state=State.ISSUED, expires_at__gt=at) | Q(state=State.CLAIMED)
    stopped_lately = stopped(at) & Q(claimed_at__gt=at - DAY)
    rows = InstallationToken.objects.filter(is_open | stopped_lately).exclude(is_replaced)
    return list(rows.order_by(F("claimed_at").asc(nulls_last=True), "expires_at")[: 2 * INSTALLS_SHOWN])


def _gone_dark(at: datetime) -> list[dict[str, Any]]:
    """Spokes that were heard today and are not any more, the latest first; one more than are shown.

    Removed ones are left out here rather than by the database, which would otherwise read all peers to sort them.
    """
    lately = PeerStatus.objects.filter(heard_at__gt=at - DAY, heard_at__lte=at - ACTIVE_WITHIN).order_by("-heard_at")
    columns = {
        "key": F("peer__live_key"),
        "name": F("peer__spoke__name"),
        "spoke": F("peer__spoke__id"),
        "cluster": F("peer__spoke__proxmox_cluster"),
    }
    rows: Any = lately.values("heard_at", **columns).iterator(chunk_size=100)
    return list(islice((row for row in rows if row["key"]), DARK_SHOWN + 1))
