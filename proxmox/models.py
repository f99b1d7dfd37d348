"""Proxmox VE clusters, as their nodes report them. A cluster's nodes are `cluster.nodes`."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Count, Q

from hubproject.liveness import Status, condition_of


class Health(models.TextChoices):
    """How a cluster is, by how many of its nodes are active; pending ones count as not active."""

    HEALTHY = "healthy", "All Active"
    DEGRADED = "degraded", "Degraded"
    CRITICAL = "critical", "Critical"
    DOWN = "down", "All Inactive"
    EMPTY = "empty", "No nodes"

    @classmethod
    def of(cls, *, nodes: int, active: int) -> "Health":
        if nodes == 0:
            return cls.EMPTY
        if active == 0:
            return cls.DOWN
        if active == nodes:
            return cls.HEALTHY
        return cls.CRITICAL if (nodes - active) * 2 > nodes else cls.DEGRADED


class ClusterQuerySet(models.QuerySet["Cluster"]):
    def with_counts(self, now: datetime) -> "ClusterQuerySet":
        """Adds `node_count` and `active_count` as of `now`, in one query."""
        is_active = condition_of(Status.ACTIVE, now, heard_at="nodes__peer__status__heard_at")
        is_live = Q(nodes__removed_at=None)
        return self.annotate(  # type: ignore[no-redef]
            node_count=Count("nodes", filter=is_live), active_count=Count("nodes", filter=is_live & is_active)
        )


class Cluster(models.Model):
    """One cluster: known by the fingerprint of its CA, or by its name until a node could read the fingerprint."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    cluster_name = models.CharField(max_length=63, db_index=True)
    fingerprint = models.CharField(max_length=64, unique=True, null=True, help_text="SHA-256 of the CA, in hex.")
    datacenter = models.CharField(max_length=100, default="", blank=True)
    description = models.CharField(max_length=500, default="", blank=True)
    known_nodes = models.JSONField(default=list, help_text="Member names, as the latest report had them.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    # Not columns: `with_counts` reads them.
    node_count: int
    active_count: int

    objects = ClusterQuerySet.as_manager()

    class Meta:
        db_table = "proxmox_clusters"
        ordering = ["cluster_name", "created_at"]

    def __str__(self) -> str:
        return self.cluster_name

    @property
    def forwarding_group(self) -> int:
        """The number that the peers of its confirmed nodes bear: 63 bits of its random id."""
        return self.id.int >> 65

    @property
    def health(self) -> Health:
        """From a row that `with_counts` has read."""
        return Health.of(nodes=self.node_count, active=self.active_count)
