"""The REST calls of Proxmox clusters."""

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from hubproject.api import body_of, caller, now, page_of, without_unchanged
from hubproject.models import Role
from proxmox.models import Cluster
from proxmox.serializers import (
    ClusterListParameters,
    ClusterOut,
    ClusterPage,
    ClusterWithNodes,
    DescribeCluster,
    DescribedCluster,
)
from proxmox.services import delete_cluster, describe_cluster, get_cluster


class ClusterViewSet(ViewSet):
    """Clusters as their nodes reported them."""

    roles = {"list": Role.VIEWER, "one": Role.VIEWER, "describe": Role.OPERATOR, "delete": Role.OPERATOR}

    def list(self, request: Request) -> Response:
        """The clusters by name, a page at a time, with node counts and health."""
        parameters, at = ClusterListParameters.read(request), now()
        total = Cluster.objects.count()
        clusters, page = page_of(Cluster.objects.with_counts(at).order_by("cluster_name", "id"), total, parameters)
        nodes = Cluster.objects.filter(nodes__isnull=False).count()
        answer = {"clusters": clusters, "totalClusters": total, "totalNodes": nodes, **page}
        return Response(ClusterPage(answer).data)

    def one(self, request: Request, cluster_id: UUID) -> Response:
        """One cluster and its nodes."""
        at = now()
        cluster = get_cluster(cluster_id, now=at)
        nodes = cluster.nodes.live().with_status(at).order_by("name", "id")
        return Response(ClusterWithNodes({"cluster": cluster, "nodes": nodes}).data)

    def describe(self, request: Request, cluster_id: UUID) -> Response:
        """Sets datacentre and description."""
        shown = ClusterOut(get_cluster(cluster_id, now=now())).data
        words = DescribeCluster(data=without_unchanged(body_of(request), shown, DescribeCluster)).values()
        cluster = describe_cluster(cluster_id=cluster_id, by=caller(request), now=now(), **words)
        return Response(DescribedCluster({"success": True, "cluster": cluster}).data)

    def delete(self, request: Request, cluster_id: UUID) -> Response:
        """Forgets a cluster without nodes."""
        delete_cluster(cluster_id=cluster_id, by=caller(request), now=now())
        return Response({"success": True, "message": "Cluster deleted."})
