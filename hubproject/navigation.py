"""What every page of the dashboard shows around its own matter: where one can go, how the hub is, what is wrong."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, QuerySet, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from hubproject.access import role_of
from hubproject.counting import count_of
from hubproject.liveness import Status, condition_of
from hubproject.models import Role
from proxmox.models import Health
from spokes.models import Spoke
from tokens.models import InstallationToken, RestingAddress
from wireguard.models import AgentState, HubConfig

Mark = tuple[str, str, str]  # shape, tone, what it says

MARKS: dict[Health, Mark] = {
    Health.DOWN: ("square", "bad", "A cluster is down"),
    Health.CRITICAL: ("diamond", "bad", "A cluster is critical"),
    Health.DEGRADED: ("triangle", "warn", "A cluster is degraded"),
}


@dataclass(frozen=True, slots=True)
class Link:
    """One line of the side navigation; `mark` only when something behind it is wrong."""

    name: str
    url: str
    icon: str
    is_current: bool
    count: int | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    links: list[Link]


@dataclass(frozen=True, slots=True)
class Pulse:
    """The state of the hub in two lines."""

    shape: str
    tone: str
    words: str
    interface: str
    synced_at: datetime | None


@dataclass(frozen=True, slots=True)
class Banner:
    """Something that outlasts an action: what is so, what it means, what to do."""

    tone: str
    shape: str
    fact: str
    meaning: str
    command: str = ""
    url: str = ""
    link: str = ""


def frame_of(request: HttpRequest) -> dict[str, Any]:
    """The context of the frame, read once a request: three queries, whatever the size of the fleet."""
    known: dict[str, Any] = _once(request, "_hub_frame", lambda: _read_frame(request))
    return known


def _read_frame(request: HttpRequest) -> dict[str, Any]:
    now, role = timezone.now(), role_of(request.user)
    if role is None:
        return {"navigation": [], "may": {}, "banners": []}
    hub, agent = hub_of(request), agent_of(request)
    return {
        "hub": hub,
        "agent": agent,
        "role": role,
        "may": {"operate": role.includes(Role.OPERATOR), "administer": role.includes(Role.ADMIN)},
        "navigation": list(_sections(request, role, hub, now)) if hub else [],
        "pulse": _pulse(hub, agent, now) if hub else None,
        "banners": list(_banners(hub, agent, now)) if hub else [],
    }


# --- Where one can go ---------------------------------------------------------------------------------------------


def _sections(request: HttpRequest, role: Role, hub: Any, now: datetime) -> Iterator[Section]:
    clusters = clusters_of(request, now)
    worst = min((cluster.health for cluster in clusters), key=_WORST_FIRST.index, default=Health.HEALTHY)
    spokes, tokens, path = hub.spoke_count, hub.token_count, request.path
    overview = reverse("admin:index")
    yield Section(
        "",
        [
            Link("Overview", overview, "overview", path == overview),
            _link(path, "Spokes", "spokes_spoke", "spokes", prefix=f"{overview}spokes/", count=spokes),
            _link(path, "Proxmox clusters", "proxmox_cluster", "clusters", count=len(clusters), mark=MARKS.get(worst)),
            _link(path, "Install tokens", "tokens_installationtoken", "tokens", count=tokens),
        ],
    )
    yield Section("Records", [_link(path, "Audit log", "hubproject_auditevent", "audit")])
    users = [_link(path, "Users", "auth_user", "users")] if role.includes(Role.ADMIN) else []
    keys = _link(path, "API keys", "hubproject_apikey", "key")
    settings = _link(path, "Hub settings", "wireguard_hubconfig", "settings")
    yield Section("Administration", [*users, keys, settings])


def _link(
    path: str, name: str, model: str, icon: str, *, prefix: str = "", count: int | None = None, mark: Mark | None = None
) -> Link:
    url = reverse(f"admin:{model}_changelist")
    return Link(name, url, icon, path.startswith(prefix or url), count or None, mark)


# --- What the frame and the overview read together ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClusterNow:
    """A cluster that has nodes, and how many of them are active."""

    id: UUID
    name: str
    nodes: int
    active: int

    @property
    def health(self) -> Health:
        return Health.of(nodes=self.nodes, active=self.active)


_WORST_FIRST = [Health.DOWN, Health.CRITICAL, Health.DEGRADED, Health.HEALTHY]


def hub_of(request: HttpRequest) -> Any:
    """The hub's row, or None; with `spoke_count`, `token_count` (open ones) and `resting_count`. Once a request."""
    return _once(request, "_hub_row", lambda: _read_hub(timezone.now()))


def agent_of(request: HttpRequest) -> AgentState:
    """The agent's report. Once a request."""
    report: AgentState = _once(request, "_hub_agent", AgentState.current)
    return report


def _read_hub(now: datetime) -> Any:
    counts = {
        "spoke_count": count_of(Spoke.objects.live()),
        "token_count": count_of(InstallationToken.objects.redeemable(now)),
        "resting_count": count_of(RestingAddress.objects.all()),
    }
    return HubConfig.objects.filter(id=1).annotate(**counts).first()


def clusters_of(request: HttpRequest, now: datetime) -> list[ClusterNow]:
    """The clusters that have nodes, by name. Once a request."""
    found: list[ClusterNow] = _once(request, "_hub_clusters", lambda: _read_clusters(now))
    return found


def _read_clusters(now: datetime) -> list[ClusterNow]:
    nodes: QuerySet[Any] = Spoke.objects.filter(proxmox_cluster__isnull=False).order_by()  # removed ones have none
    rows = nodes.values_list("proxmox_cluster", "proxmox_cluster__cluster_name").annotate(
        nodes=Count("*"), active=Count(Case(When(condition_of(Status.ACTIVE, now), then=1)))
    )
    return sorted((ClusterNow(*row) for row in rows), key=lambda cluster: (cluster.name, cluster.id))


def _once(request: HttpRequest, name: str, read: Callable[[], Any]) -> Any:
    """What was read for this request before, else what `read` finds; the request is where Django keeps such things."""
    if not hasattr(request, name):
        setattr(request, name, read())
    return getattr(request, name)


# --- How the hub is -----------------------------------------------------------------------------------------------


def _pulse(hub: HubConfig, agent: AgentState, now: datetime) -> Pulse:
    up = f"{hub.interface_name} {'up' if agent.interface_up else 'down'}"
    word = agent.word(generation=hub.generation, now=now)
    shape, tone, words = {
        "ok": ("disc", "ok", "Agent alive"),
        "behind": ("triangle", "warn", "Agent behind"),
        "unmanaged": ("triangle", "warn", "Agent may not act"),
        "down": ("diamond", "bad", "Agent silent"),
    }[word]
    return Pulse(shape, tone, words, hub.interface_name + " unknown" if word == "down" else up, agent.synced_at)


def _banners(hub: HubConfig, agent: AgentState, now: datetime) -> Iterator[Banner]:
    if agent.alive_at is None:
        yield Banner("bad", "diamond", "No agent has ever reported.", "Nothing reaches the interface. Check", _UNIT)
    elif not agent.is_alive(now):
        yield _silence(agent.alive_at, now)
    elif agent.hold:
        meaning = "The agent lists differences and neither cuts nor revives a peer until an admin releases it."
        where = reverse("admin:wireguard_hubconfig_changelist")
        yield Banner("warn", "triangle", "The hub is on hold after a restore.", meaning, url=where, link="See them")
    elif not agent.is_managing:
        meaning = "It lacks the privilege to change the interface, so nothing is applied."
        yield Banner("warn", "triangle", "The agent may only watch.", meaning)
    elif agent.problem:
        yield Banner("warn", "triangle", "The agent reports a problem.", agent.problem)


def _silence(alive_at: datetime, now: datetime) -> Banner:
    seconds = int((now - alive_at).total_seconds())
    if seconds < 0:
        fact = f"The agent's clock is {_span(-seconds)} ahead of this machine's."
        return Banner("bad", "diamond", fact, "Nothing it says can be believed until both are right. Check", _UNIT)
    meaning = f"What you see is as of {alive_at:%H:%M:%S}. Tunnels keep running. Check"
    return Banner("bad", "diamond", f"The agent has not reported for {_span(seconds)}.", meaning, _UNIT)


_UNIT = "systemctl status wireguard-hub-agent"


def _span(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 2 * 3600 else f"{seconds // 3600} h"
