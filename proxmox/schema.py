"""The calls of Proxmox clusters, as /api/schema tells them."""

from hubproject.api import DoneWithMessage
from hubproject.schema import (
    EXAMPLE_ID,
    EXAMPLE_KEY,
    EXAMPLE_TIME,
    KEY_PATTERN,
    SPOKE_STATUS,
    Choices,
    answer,
    call,
    declare,
    describe,
    field,
    path_id,
)
from proxmox.errors import ClusterNotEmpty, ClusterNotFound
from proxmox.models import Health
from proxmox.serializers import (
    ClusterListParameters,
    ClusterOut,
    ClusterPage,
    ClusterWithNodes,
    DescribeCluster,
    DescribedCluster,
    NodeOut,
)
from proxmox.views import ClusterViewSet

EXAMPLE_CLUSTER = "5d3c1e0a-2b4f-4f0e-9a61-7c2d9f8b1e55"
CLUSTER_ID = path_id("cluster_id", "The cluster's id.", EXAMPLE_CLUSTER)

describe(
    ClusterOut,
    "Cluster",
    id=field("The cluster's id.", EXAMPLE_CLUSTER),
    clusterName=field("Its name, as its nodes report it; two clusters may have the same.", "pve-berlin"),
    datacenter=field("Where it stands; empty until somebody writes it.", "Berlin, hall 2"),
    description=field("What an operator wrote about it; may be empty.", "Customer machines"),
    nodeCount=field("How many of its nodes are spokes.", 3),
    activeNodes=field("How many of those were heard within 180 s.", 2),
    inactiveNodes=field("How many were not, pending ones included.", 1),
    knownNodes=field(
        "The names of all its members, as the latest report of a node had them.", ["pve1", "pve2", "pve3"]
    ),
    health=field(
        "`healthy`: all nodes active; `degraded`: some are not; `critical`: more than half are not; `down`: none is; "
        "`empty`: no node is a spoke.",
        "degraded",
        choices=Choices("ClusterHealth", tuple(Health.values)),
    ),
    createdAt=field("When its first node reported it.", EXAMPLE_TIME),
    updatedAt=field("When a node last reported it, or somebody last described it.", EXAMPLE_TIME),
)
describe(
    NodeOut,
    "Node",
    id=field("The spoke's id.", EXAMPLE_ID),
    name=field("The spoke's name.", "pve1-berlin"),
    publicKey=field("The spoke's public key.", EXAMPLE_KEY, pattern=KEY_PATTERN),
    allowedIPs=field("The spoke's address with the network's prefix length.", ["10.0.1.5/24"]),
    proxmoxNodeName=field("What the node calls itself; may be empty.", "pve1"),
    proxmoxVersion=field("The version of Proxmox VE; may be empty.", "8.2.4"),
    status=field("Whether it was heard within 180 s; `pending` when it never was.", "active", choices=SPOKE_STATUS),
    lastHandshake=field("Its latest handshake; null when there was none.", EXAMPLE_TIME),
    confirmed=field("Whether an operator has confirmed that it is a node of this cluster.", True),
)
describe(
    DescribeCluster,
    "DescribeCluster",
    datacenter=field("Where it stands; an empty text clears it.", "Berlin, hall 2"),
    description=field("Anything worth knowing; an empty text clears it.", "Customer machines"),
)
describe(
    ClusterPage,
    "ClusterList",
    clusters=field("The clusters of this page, by name."),
    totalClusters=field("How many clusters there are.", 1),
    totalNodes=field("How many nodes are spokes, over all clusters.", 3),
)
describe(
    ClusterWithNodes,
    "ClusterWithNodes",
    cluster=field("The cluster."),
    nodes=field("Those of its nodes that are spokes, by name."),
)
describe(DescribedCluster, "DescribedCluster", cluster=field("The cluster, as it is now."))
describe(ClusterListParameters, "ClusterListParameters")

declare(
    ClusterViewSet,
    tag="Proxmox",
    list=call(
        "listClusters",
        "List clusters",
        {200: answer("A page of clusters.", ClusterPage)},
        query=ClusterListParameters,
    ),
    one=call(
        "getCluster",
        "Show a cluster",
        {200: answer("The cluster and its nodes.", ClusterWithNodes)},
        parameters=[CLUSTER_ID],
        refuses=[ClusterNotFound],
    ),
    describe=call(
        "describeCluster",
        "Describe a cluster",
        {200: answer("The cluster, as it is now.", DescribedCluster)},
        description="Sets where a cluster stands and what it is for. Other fields of a cluster may be sent along as "
        "they are.",
        parameters=[CLUSTER_ID],
        body=DescribeCluster,
        refuses=[ClusterNotFound],
    ),
    delete=call(
        "deleteCluster",
        "Forget a cluster",
        {200: answer("It is forgotten.", DoneWithMessage)},
        description="Forgets a cluster that has no nodes any more. A node that reports it brings it back.",
        parameters=[CLUSTER_ID],
        refuses=[ClusterNotFound, ClusterNotEmpty],
    ),
)
