"""Proxmox VE clusters, as their nodes report them. A cluster's nodes are `cluster.nodes`."""

import uuid

from django.db import models


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

    class Meta:
        db_table = "proxmox_clusters"
        ordering = ["cluster_name", "created_at"]

    def __str__(self) -> str:
        return self.cluster_name
