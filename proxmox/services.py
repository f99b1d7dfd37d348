"""The verbs of Proxmox clusters."""

from collections.abc import Sequence
from datetime import datetime

from proxmox.models import Cluster


def join_cluster(*, name: str, fingerprint: str | None, known_nodes: Sequence[str], now: datetime) -> Cluster:
    """The cluster a reporting node belongs to, made when there is none; in the caller's transaction, under its lock.

    `fingerprint` is 64 hex digits or None when the node could not read it.
    """
    cluster = _by_fingerprint(name, fingerprint) if fingerprint else _by_name(name)
    if cluster is None:
        cluster = Cluster(cluster_name=name, created_at=now)
    if fingerprint:
        cluster.fingerprint = fingerprint
    if known_nodes:
        cluster.known_nodes = list(known_nodes)
    cluster.updated_at = now
    cluster.save()
    return cluster


def _by_fingerprint(name: str, fingerprint: str) -> Cluster | None:
    same_name_unproven = Cluster.objects.filter(cluster_name=name, fingerprint=None)
    return Cluster.objects.filter(fingerprint=fingerprint).first() or same_name_unproven.first()


def _by_name(name: str) -> Cluster | None:
    """The only cluster of that name; of several, the one that nobody has proven to be another."""
    candidates = list(Cluster.objects.filter(cluster_name=name)[:2])
    if len(candidates) == 1:
        return candidates[0]
    return Cluster.objects.filter(cluster_name=name, fingerprint=None).first()
