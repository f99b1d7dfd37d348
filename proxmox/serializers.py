"""Clusters on the wire."""

from typing import Any

from rest_framework import serializers

from hubproject.api import Done, PageOut, PageParameters, StrictSerializer
from proxmox.models import Cluster


class ClusterListParameters(PageParameters):
    """`?page=&pageSize=`."""


class DescribeCluster(StrictSerializer):
    """The body of PUT /api/proxmox/clusters/{id}. An empty text clears a field."""

    datacenter = serializers.CharField(max_length=100, required=False, allow_blank=True)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)


class ClusterOut(serializers.ModelSerializer[Cluster]):
    """cluster of API.md, from a row that `with_counts` has read."""

    clusterName = serializers.CharField(source="cluster_name")
    nodeCount = serializers.IntegerField(source="node_count")
    activeNodes = serializers.IntegerField(source="active_count")
    inactiveNodes = serializers.SerializerMethodField()
    knownNodes = serializers.ListField(source="known_nodes", child=serializers.CharField())
    health = serializers.CharField()
    createdAt = serializers.DateTimeField(source="created_at")
    updatedAt = serializers.DateTimeField(source="updated_at")

    class Meta:
        model = Cluster
        fields = [
            "id",
            "clusterName",
            "datacenter",
            "description",
            "nodeCount",
            "activeNodes",
            "inactiveNodes",
            "knownNodes",
            "health",
            "createdAt",
            "updatedAt",
        ]

    def get_inactiveNodes(self, cluster: Cluster) -> int:
        return cluster.node_count - cluster.active_count


class NodeOut(serializers.Serializer[Any]):
    """A node of a cluster, reached by the relation's name."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    publicKey = serializers.CharField(source="peer.public_key")
    allowedIPs = serializers.ListField(source="token.allowed_ips", child=serializers.CharField())
    proxmoxNodeName = serializers.CharField(source="proxmox_node_name")
    proxmoxVersion = serializers.CharField(source="proxmox_version")
    status = serializers.CharField()
    lastHandshake = serializers.DateTimeField(source="last_handshake", allow_null=True)
    confirmed = serializers.BooleanField()


class ClusterPage(PageOut):
    """The answer of GET /api/proxmox/clusters."""

    clusters = ClusterOut(many=True)
    totalClusters = serializers.IntegerField()
    totalNodes = serializers.IntegerField()


class ClusterWithNodes(serializers.Serializer[Any]):
    """The answer of GET /api/proxmox/clusters/{id}."""

    cluster = ClusterOut()
    nodes = NodeOut(many=True)


class DescribedCluster(Done):
    """The answer of PUT /api/proxmox/clusters/{id}."""

    cluster = ClusterOut()
