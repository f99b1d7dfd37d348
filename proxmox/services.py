"""The verbs of Proxmox clusters."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from hubproject import audit
from hubproject.audit import Caller
from proxmox.errors import ClusterNotEmpty, ClusterNotFound
from proxmox.models import Cluster


def join_cluster(
    *, name: str, fingerprint: str | None, known_nodes: Sequence[str], by: Caller, now: datetime
) -> Cluster:
    """The cluster a reporting node belongs to, made when there is none; in the caller's transaction, under its lock.

    `fingerprint` is 64 hex digits or None when the node could not read it.
    """
    cluster = _by_fingerprint(name, fingerprint) if fingerprint else _by_name(name)
    is_new = cluster is None
    if cluster is None:
        cluster = Cluster(cluster_name=name, created_at=now)
    if fingerprint:
        cluster.fingerprint = fingerprint
    if known_nodes:
        cluster.known_nodes = list(known_nodes)
    cluster.updated_at = now
    cluster.save()
    if is_new:
        audit.record("cluster.found", by=by, about=name, now=now, cluster=str(cluster.id), fingerprint=fingerprint)
    return cluster


def _by_fingerprint(name: str, fingerprint: str) -> Cluster | None:
    # Locked until it is written: an operator may be describing it at this moment.
    clusters = Cluster.objects.select_for_update()
    same_name_unproven = clusters.filter(cluster_name=name, fingerprint=None)
    return clusters.filter(fingerprint=fingerprint).first() or same_name_unproven.first()


def _by_name(name: str) -> Cluster | None:
    """The only cluster of that name; of several, the one that nobody has proven to be another."""
    clusters = Cluster.objects.select_for_update().filter(cluster_name=name)  # likewise
    candidates = list(clusters[:2])
    if len(candidates) == 1:
        return candidates[0]
    return clusters.filter(fingerprint=None).first()


def get_cluster(cluster_id: UUID, *, now: datetime) -> Cluster:
    """The cluster with its counts; raises ClusterNotFound."""
    cluster = Cluster.objects.with_counts(now).filter(id=cluster_id).first()
    if cluster is None:
        raise ClusterNotFound
    return cluster


def describe_cluster(*, cluster_id: UUID, by: Caller, now: datetime, **words: str) -> Cluster:
    """Sets `datacenter` and `description`, whichever is given and new. Raises ClusterNotFound."""
    with transaction.atomic():
        cluster = Cluster.objects.select_for_update().filter(id=cluster_id).first()
        if cluster is None:
            raise ClusterNotFound
        changed = {name: word for name, word in words.items() if getattr(cluster, name) != word}
        if changed:
            Cluster.objects.filter(id=cluster_id).update(updated_at=now, **changed)
            about = {"about": cluster.cluster_name, "cluster": str(cluster_id)}
            audit.record("cluster.changed", by=by, now=now, **about, **changed)
        return get_cluster(cluster_id, now=now)


def delete_cluster(*, cluster_id: UUID, by: Caller, now: datetime) -> None:
    """Forgets a cluster that has no nodes left. Raises ClusterNotFound or ClusterNotEmpty."""
    with transaction.atomic():
        cluster = Cluster.objects.select_for_update().filter(id=cluster_id).first()
        if cluster is None:
            raise ClusterNotFound
        if cluster.nodes.exists():
            raise ClusterNotEmpty
        cluster.delete()
        audit.record("cluster.deleted", by=by, about=cluster.cluster_name, now=now, cluster=str(cluster_id))
