"""`GET /api/metrics`: what Prometheus asks for.

What this process counts itself (requests, queries) comes from prometheus_client, added up over all workers. Everything
else is read from the database, so that every worker and every web machine says the same, and a restart loses nothing.
As many queries for any fleet and any history.
"""

import ipaddress
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import HttpResponse
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest, multiprocess
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from hubproject.access import RoleRequired
from hubproject.api import QueryParameters, client_address, now
from hubproject.counting import count_of
from hubproject.errors import MethodNotAllowed
from hubproject.liveness import Status, condition_of
from hubproject.models import AuditHead, Role, TimerReport
from hubproject.prometheus_text import Labels, Number, escaped, family, histogram, sample
from hubproject.timer_reports import reports
from proxmox.models import Cluster
from spokes.filters import status_counts
from spokes.models import Spoke
from tokens.models import InstallationToken, RestingAddress
from tokens.pool import Pool
from wireguard.drift import Kind
from wireguard.handshakes import BOUNDS, add_intervals
from wireguard.models import AgentState, HubConfig

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# A check that is made daily and was not for so long says nothing any more: better no value than an old green one.
CHECK_IS_STALE = timedelta(days=3)
Rows = Iterable[tuple[Labels, Number]]


class FromHereOrViewer(RoleRequired):
    """Prometheus on the hub itself needs no key: whoever asks from its loopback address is let in."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return _is_from_here(request) or super().has_permission(request, view)


def _is_from_here(request: Request) -> bool:
    """Unknown is not here; nor is what a proxy hands on that nobody told us of, for then everybody would be."""
    if not settings.HUB_TRUSTED_PROXIES and ("X-Forwarded-For" in request.headers or "Forwarded" in request.headers):
        return False
    address = client_address(request)
    return address is not None and ipaddress.ip_address(address).is_loopback


class MetricsViewSet(ViewSet):
    """The figures of the hub, for Prometheus."""

    roles = {"metrics": Role.VIEWER}
    permission_classes = [FromHereOrViewer]

    def metrics(self, request: Request) -> HttpResponse:
        """All metrics as Prometheus' text."""
        if request.method != "GET":
            raise MethodNotAllowed
        QueryParameters.read(request)
        return HttpResponse(own_counters() + metrics_text(now()).encode(), content_type=CONTENT_TYPE)


def own_counters() -> bytes:
    """What the web processes of this machine have counted."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def metrics_text(at: datetime) -> str:
    """What the database knows as of `at`."""
    parts = [*_acts(), *_spokes(at), *_agent(at), *_pool(), _nodes(at), *_errands(at)]
    if settings.HUB_METRICS_PER_SPOKE:
        parts += _each_spoke()
    return "".join(parts)


def _gauge(name: str, told: str, value: Number | None) -> str:
    return family(name, "gauge", told, [] if value is None else [sample(name, value)])


def _counter(name: str, told: str, value: Number) -> str:
    return family(name, "counter", told, [sample(name, value)])


def _several(name: str, kind: str, told: str, rows: Rows) -> str:
    return family(name, kind, told, [sample(name, value, labels) for labels, value in rows])


def _seconds(of: timedelta) -> float:
    return round(of.total_seconds(), 3)


# --- What was done ------------------------------------------------------------------------------------------------


def _acts() -> Iterator[str]:
    counts = Counter(AuditHead.objects.values_list("counts", flat=True).filter(id=1).first() or {})
    issued = counts["token.issued"] + counts["token.reissued"]
    yield _counter("wireguard_tokens_generated_total", "Installation tokens issued and reissued.", issued)
    yield _counter("wireguard_tokens_claimed_total", "Install scripts fetched with a token.", counts["token.claimed"])
    yield _counter("wireguard_spokes_registered_total", "Spokes registered.", counts["spoke.registered"])


# --- Spokes -------------------------------------------------------------------------------------------------------


def _spokes(at: datetime) -> Iterator[str]:
    counts = status_counts(at)
    yield _gauge("wireguard_spokes_total", "Live spokes.", sum(counts.values()))
    for status, told in (
        (Status.ACTIVE, "Spokes heard within 180 s."),
        (Status.INACTIVE, "Spokes not heard for 180 s."),
        (Status.PENDING, "Spokes never heard."),
    ):
        yield _gauge(f"wireguard_spokes_{status.value}", told, counts[status])


_EACH = (
    ("wireguard_spoke_last_handshake_timestamp_seconds", "gauge", "When the last handshake was, in Unix time."),
    ("wireguard_spoke_received_bytes_total", "counter", "Bytes received from the spoke."),
    ("wireguard_spoke_transmitted_bytes_total", "counter", "Bytes sent to the spoke."),
)


def _each_spoke() -> list[str]:
    """Written by hand: through `sample`, ten thousand spokes would take twice as long."""
    (shaken, *_), (received, *_), (sent, *_) = _EACH
    lines: tuple[list[str], ...] = ([], [], [])
    seen = ("latest_handshake_at", "transfer_rx", "transfer_tx")
    rows = Spoke.objects.live().order_by().values_list("name", *(f"peer__status__{column}" for column in seen))
    for name, shaken_at, rx, tx in rows.iterator():
        spoke = f'{{spoke="{escaped(name)}"}}'
        if shaken_at is not None:
            lines[0].append(f"{shaken}{spoke} {shaken_at.timestamp():.0f}\n")
        lines[1].append(f"{received}{spoke} {rx or 0}\n")
        lines[2].append(f"{sent}{spoke} {tx or 0}\n")
    return [family(*told, found) for told, found in zip(_EACH, lines, strict=True)]


def _nodes(at: datetime) -> str:
    is_live = {"nodes__removed_at": None}
    heard_at = "nodes__peer__status__heard_at"
    counts = {status.value: Count("nodes", filter=condition_of(status, at, heard_at=heard_at)) for status in Status}
    clusters = Cluster.objects.filter(**is_live, nodes__isnull=False).annotate(**counts).order_by("created_at", "id")
    rows: list[tuple[Labels, int]] = []
    names: set[str] = set()
    for number, name, *found in clusters.values_list("id", "cluster_name", *counts):
        # Two clusters may bear one name: the older one keeps it.
        label = name if name not in names else f"{name} ({number})"
        names.add(label)
        rows += [({"cluster": label, "state": state}, count) for state, count in zip(counts, found, strict=True)]
    return _several("wireguard_proxmox_nodes", "gauge", "Nodes of each Proxmox cluster by state.", rows)


# --- The interface, as the agent saw it ---------------------------------------------------------------------------


def _agent(at: datetime) -> Iterator[str]:
    state = AgentState.current()
    wanted = HubConfig.objects.filter(id=1).values_list("generation", flat=True).first() or 0
    since = state.interface_up_since if state.interface_up else None
    behind = max(0, wanted - state.applied_generation)
    repairs = [({"kind": kind.value}, state.drift_repairs.get(kind.value, 0)) for kind in Kind]
    intervals = add_intervals(state.handshake_intervals, ())
    for name, told, value in (
        ("wireguard_agent_up", "1 while the agent gives signs of life.", int(state.is_alive(at))),
        ("wireguard_interface_up", "1 if the interface was up when the agent last said so.", int(state.interface_up)),
        ("wireguard_interface_up_since_seconds", "When the interface came up, in Unix time.", _stamp(since)),
        (
            "wireguard_sync_age_seconds",
            "Seconds since interface and database were compared.",
            _age(state.synced_at, at),
        ),
        ("wireguard_unapplied_changes", "Changes that the agent has not applied yet.", behind),
    ):
        yield _gauge(name, told, value)
    failures = "Spokes that fell silent, or were not heard within 5 minutes of their registration."
    yield _counter("wireguard_handshake_failures_total", failures, state.handshake_failures)
    told = "Seconds between two handshakes of a spoke."
    yield histogram("wireguard_handshake_interval_seconds", told, BOUNDS, intervals["counts"], intervals["sum"])
    yield _counter("wireguard_received_bytes_total", "Bytes received from all spokes.", state.received)
    yield _counter("wireguard_transmitted_bytes_total", "Bytes sent to all spokes.", state.sent)
    yield _several("wireguard_drift_repairs_total", "counter", "Repairs of what others had changed, by kind.", repairs)


def _stamp(moment: datetime | None) -> float | None:
    return round(moment.timestamp(), 3) if moment else None


def _age(moment: datetime | None, at: datetime) -> float | None:
    """Never below zero: a clock may have been set back."""
    return max(0.0, _seconds(at - moment)) if moment else None


# --- The pool -----------------------------------------------------------------------------------------------------


def _pool() -> Iterator[str]:
    counts = {
        "used": count_of(InstallationToken.objects.filter(lease_host__isnull=False)),
        "resting": count_of(RestingAddress.objects.all()),
    }
    found = HubConfig.objects.filter(id=1).annotate(**counts).first()
    if found is None:
        return
    states = {name: getattr(found, name) for name in counts}
    states["free"] = max(0, Pool(found.network).size - sum(states.values()))
    rows = [({"state": state}, count) for state, count in states.items()]
    yield _several("wireguard_pool_addresses", "gauge", "Addresses in use, resting after use, and never used.", rows)


# --- What the timers' commands found ------------------------------------------------------------------------------


def _errands(at: datetime) -> Iterator[str]:
    """A figure that nobody has found out is absent, so that alerts can tell it from a good one."""
    found, errand = reports(), TimerReport.Errand
    backup, certificate = found.get(errand.BACKUP), found.get(errand.CERTIFICATE_CHECK)
    age = _age(backup.last_good_at, at) if backup else None
    ends_at = certificate.expires_at if certificate else None
    expiry = _seconds(ends_at - at) if ends_at else None
    for name, told, value in (
        ("wireguard_backup_age_seconds", "Seconds since the last good backup.", age),
        ("wireguard_certificate_expiry_seconds", "Seconds until the certificate expires.", expiry),
        (
            "wireguard_audit_ok",
            "1 if the audit log was whole when last checked.",
            _word(found.get(errand.AUDIT_CHECK), at),
        ),
        (
            "wireguard_database_permissions_ok",
            "1 if database and keys were readable by their owners alone when last checked.",
            _word(found.get(errand.PERMISSIONS_CHECK), at),
        ),
    ):
        yield _gauge(name, told, value)


def _word(found: TimerReport | None, at: datetime) -> int | None:
    return int(found.is_good) if found and at - found.ran_at < CHECK_IS_STALE else None
