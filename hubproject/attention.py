"""What needs somebody: the hub, its clusters, installs that stopped, machines that went dark, what the timers found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse

from hubproject.certificate import SHORT
from hubproject.models import TimerReport
from hubproject.navigation import ClusterNow
from hubproject.pool_use import PoolUse
from hubproject.timer_reports import reports
from proxmox.models import Health
from tokens.models import InstallationToken
from tokens.progress import has_stopped
from wireguard.models import AgentState, HubConfig

POOL_IS_TIGHT = 0.8
DARK_SHOWN = 5
# A new hub has a day to be backed up; a backup every night may take its time.
BACKUP_IS_DUE = timedelta(days=1)
BACKUP_IS_OLD = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that needs somebody: a fact in bold, the rest of the sentence, what is known, where to go.

    `reissues` is the token whose install stopped; `since` a moment that is told as an age behind the sentence.
    """

    tone: str
    shape: str
    fact: str
    rest: str = ""
    detail: str = ""
    link: str = ""
    words: str = ""
    since: datetime | None = None
    reissues: InstallationToken | None = None


def attention_of(
    hub: HubConfig,
    agent: AgentState,
    *,
    clusters: Sequence[ClusterNow],
    installs: Sequence[InstallationToken],
    dark: Sequence[dict[str, Any]],
    pool: PoolUse,
    at: datetime,
) -> list[Attention]:
    """Everything that needs somebody, the worse first."""
    found = [
        *_hub_trouble(hub, agent, at),
        *_timers_trouble(reports(), hub, at),
        *_cluster_trouble(clusters, dark),
        *_install_trouble(installs, at),
        *_dark_trouble(dark, clusters),
        *_pool_trouble(pool),
    ]
    return sorted(found, key=lambda item: item.tone != "bad")


def _hub_trouble(hub: HubConfig, agent: AgentState, at: datetime) -> Iterator[Attention]:
    word = agent.word(generation=hub.generation, now=at)
    if word == "down":
        told = "It has never reported." if agent.alive_at is None else "Tunnels keep running; nothing new is applied."
        yield Attention("bad", "diamond", "The agent is silent", detail=told, since=agent.alive_at)
        return
    if agent.hold:
        number = len(agent.differences)
        detail = f"{number} differences wait for an admin's decision. No peer is cut or revived until then."
        yield Attention("bad", "diamond", "The hub is on hold", "after a restore", detail)
    if word == "unmanaged":
        yield Attention("bad", "diamond", "The agent may not change the interface", detail=agent.problem)
    elif agent.problem:
        yield Attention("bad", "diamond", "The agent cannot do its work", detail=agent.problem)
    elif not agent.interface_up:
        yield Attention("bad", "diamond", f"{hub.interface_name} is down", detail="The agent is trying to bring it up.")
    elif word == "behind":
        behind = hub.generation - agent.applied_generation
        yield Attention("warn", "triangle", "The agent is behind:", f"{behind} changes are not on the interface yet")


def _cluster_trouble(clusters: Sequence[ClusterNow], dark: Sequence[dict[str, Any]]) -> Iterator[Attention]:
    words = {Health.DOWN: "is all inactive:", Health.CRITICAL: "is critical:", Health.DEGRADED: "is degraded:"}
    marks = {Health.DOWN: ("bad", "square"), Health.CRITICAL: ("bad", "diamond"), Health.DEGRADED: ("warn", "triangle")}
    for health, said in words.items():
        for cluster in clusters:
            if cluster.health == health:
                silent = [row["name"] for row in dark if row["cluster"] == cluster.id]
                yield Attention(
                    *marks[health],
                    fact=f"{cluster.name} {said}",
                    rest=f"{cluster.active} of {cluster.nodes} nodes connected",
                    detail=f"Went dark today: {', '.join(silent)}" if silent else "",
                    link=reverse("admin:proxmox_cluster_change", args=[cluster.id]),
                    words="View cluster",
                )


def _install_trouble(installs: Sequence[InstallationToken], at: datetime) -> Iterator[Attention]:
    for token in installs:
        if has_stopped(token, at):
            yield Attention(
                "warn",
                "triangle",
                fact=f"{token.spoke_name} stopped half way:",
                rest="script fetched, never registered",
                detail=f"Fetched from {token.claimed_from or 'somewhere'} at {token.claimed_at:%H:%M}. "
                f"That command is spent; a new one keeps {token.address}.",
                reissues=token,
            )


def _dark_trouble(dark: Sequence[dict[str, Any]], clusters: Sequence[ClusterNow]) -> Iterator[Attention]:
    """Nodes of a cluster that is told of above are not told of again."""
    told = {cluster.id for cluster in clusters if cluster.health != Health.HEALTHY}
    alone = [row for row in dark if row["cluster"] not in told]
    for row in alone[:DARK_SHOWN]:
        yield Attention(
            "warn",
            "triangle",
            fact=f"{row['name']} went dark",
            since=row["heard_at"],
            link=reverse("admin:spokes_spoke_change", args=[row["spoke"]]),
            words="View spoke",
        )
    if len(dark) > DARK_SHOWN:
        inactive = f"{reverse('admin:spokes_spoke_changelist')}?status=inactive"
        yield Attention("warn", "triangle", "More went dark", "in the last 24 hours", link=inactive, words="View all")


def _pool_trouble(pool: PoolUse) -> Iterator[Attention]:
    if pool.share >= POOL_IS_TIGHT:
        tone, shape = ("bad", "diamond") if pool.used >= pool.size else ("warn", "triangle")
        detail = f"{pool.sentence}. Remove spokes that are gone, or set up a larger network."
        yield Attention(tone, shape, f"The address pool is {pool.percent} % full", detail=detail)


# What a check that failed is called, by its errand.
_FAILED = {
    TimerReport.Errand.BACKUP: "The last backup failed",
    TimerReport.Errand.BACKUP_CHECK: "The last backup does not restore",
    TimerReport.Errand.AUDIT_CHECK: "The audit log is broken",
    TimerReport.Errand.CERTIFICATE_CHECK: "The certificate check failed",
    TimerReport.Errand.PERMISSIONS_CHECK: "Files of the hub are open to others",
}


def _timers_trouble(found: Mapping[str, TimerReport], hub: HubConfig, at: datetime) -> Iterator[Attention]:
    backup = found.get(TimerReport.Errand.BACKUP)
    was_backed_up = backup is not None and backup.last_good_at is not None
    for errand, fact in _FAILED.items():
        last = found.get(errand)
        if errand == TimerReport.Errand.BACKUP_CHECK and not was_backed_up:
            continue  # there is none to restore, which is told below
        if last is not None and not last.is_good:
            yield Attention("bad", "diamond", fact, detail=last.sentence, since=last.ran_at)
    if backup is None or backup.last_good_at is None:
        if backup is None and at - hub.created_at > BACKUP_IS_DUE:
            yield Attention("warn", "triangle", "No backup was ever made", detail=_ON_THE_HUB)
    elif backup.is_good and at - backup.last_good_at > BACKUP_IS_OLD:
        yield Attention("warn", "triangle", "The last backup is old", detail=_ON_THE_HUB, since=backup.last_good_at)
    yield from _short_certificate(found.get(TimerReport.Errand.CERTIFICATE_CHECK), at)


_ON_THE_HUB = f"Run {settings.PROGRAM} backup on the hub, and see whether its timer is enabled."


def _short_certificate(last: TimerReport | None, at: datetime) -> Iterator[Attention]:
    """One that was long enough when it was looked at, some time ago."""
    if last is not None and last.is_good and last.expires_at and last.expires_at - at < SHORT:
        ends = f"It ends on {last.expires_at:%Y-%m-%d}."
        yield Attention("bad", "diamond", "The certificate ends soon", detail=ends)
