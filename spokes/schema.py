"""The calls of spokes, as /api/schema tells them."""

from typing import Any

from rest_framework import serializers

from hubproject.api import Done, DoneWithMessage, NoFields
from hubproject.errors import RateLimited
from hubproject.schema import (
    EXAMPLE_ID,
    EXAMPLE_KEY,
    EXAMPLE_TIME,
    KEY_PATTERN,
    NO_STORE,
    PLATFORMS,
    SPOKE_STATUS,
    Choices,
    answer,
    call,
    declare,
    describe,
    field,
    path_id,
)
from proxmox.schema import CLUSTER_ID, EXAMPLE_CLUSTER
from spokes.errors import PublicKeyInUse, SpokeNotFound
from spokes.filters import ORDERING_NAMES
from spokes.serializers import ListParameters, RegisterSpoke, SpokeOut, SpokePage
from spokes.views import SpokeViewSet
from tokens.errors import InvalidTokenFormat, TokenAlreadyUsed, TokenExpired, TokenNotFound, TokenRevoked
from wireguard.errors import HubNotInitialized, InvalidPublicKey

EXAMPLE_FINGERPRINT = "3f" * 32
SPOKE_ID = path_id("spoke_id", "The spoke's id.", EXAMPLE_ID)


class HubOfSpoke(serializers.Serializer[Any]):
    """What a machine needs to know of the hub. These values are current and win over those of its script."""

    publicKey = serializers.CharField()
    endpoint = serializers.CharField()
    networkCIDR = serializers.CharField()
    networkCIDR6 = serializers.CharField(allow_null=True)
    dns = serializers.ListField(child=serializers.CharField())
    dnsDomains = serializers.ListField(child=serializers.CharField())
    mtu = serializers.IntegerField()
    persistentKeepalive = serializers.IntegerField()


class Registered(Done):
    """The answer to a register call."""

    spoke = SpokeOut()
    spokeId = serializers.UUIDField()
    spokeName = serializers.CharField()
    allowedIPs = serializers.ListField(child=serializers.CharField())
    status = serializers.CharField()
    hub = HubOfSpoke()
    peerApplied = serializers.BooleanField()


class PeerOfSpoke(serializers.Serializer[Any]):
    """A spoke's entry on the interface, as the agent last saw it."""

    endpoint = serializers.CharField(allow_null=True)
    latestHandshake = serializers.DateTimeField(allow_null=True)
    transferRx = serializers.IntegerField(min_value=0)
    transferTx = serializers.IntegerField(min_value=0)
    persistentKeepalive = serializers.IntegerField()


class SpokeWithPeer(serializers.Serializer[Any]):
    """The answer of GET /api/spoke/{id}/status."""

    spoke = SpokeOut()
    wireguardPeer = PeerOfSpoke()


class Removed(DoneWithMessage):
    """The answer of DELETE /api/spoke/{id}."""

    peerRemoved = serializers.BooleanField()


METADATA = {
    "wireguardVersion": "1.0.20210914",
    "kernelVersion": "6.1.0-18-amd64",
    "isClustered": True,
    "clusterNodes": ["pve1", "pve2", "pve3"],
    "quorate": True,
}
describe(
    RegisterSpoke,
    "RegisterSpoke",
    token=field("The token's secret.", "q1Zb3nZ0Jm5wVtY8xPz2aKs7dLf4gHc6eRi9oUy-TbE", pattern="^[A-Za-z0-9_-]{43}$"),
    publicKey=field("The public key made on the machine, as `wg pubkey` prints it.", EXAMPLE_KEY, pattern=KEY_PATTERN),
    os=field(f"What the machine is, in any case: {', '.join(PLATFORMS.values)}.", "linux"),
    isProxmox=field("Whether it is a Proxmox VE node; by default when `os` is proxmox.", True),
    proxmoxNodeName=field("What the node calls itself.", "pve1"),
    proxmoxClusterName=field("The cluster it is a member of.", "pve-berlin"),
    proxmoxClusterFingerprint=field(
        "SHA-256 of the cluster's CA: 64 hex digits, colons allowed.",
        EXAMPLE_FINGERPRINT,
        pattern="^([0-9A-Fa-f]:*){64}$",
    ),
    proxmoxVersion=field("The version of Proxmox VE.", "8.2.4"),
    metadata=field("Whatever else the machine says of itself: at most 8 KiB, at most 4 levels deep.", METADATA),
)
describe(
    SpokeOut,
    "Spoke",
    id=field("The spoke's id.", EXAMPLE_ID),
    tokenId=field("The id of the token it registered with.", EXAMPLE_ID),
    name=field("Its name.", "laptop-001"),
    publicKey=field("Its public key. Its private key never left it.", EXAMPLE_KEY, pattern=KEY_PATTERN),
    allowedIPs=field(
        "Its address with the network's prefix length; a second one where the hub has an IPv6 prefix.", ["10.0.1.5/24"]
    ),
    registeredAt=field("When it registered.", EXAMPLE_TIME),
    lastHandshake=field("Its latest handshake; null when there was none.", EXAMPLE_TIME),
    status=field("Whether it was heard within 180 s; `pending` when it never was.", "active", choices=SPOKE_STATUS),
    os=field("What the machine is.", "linux", choices=PLATFORMS),
    isProxmox=field("Whether it is a Proxmox VE node.", False),
    proxmoxClusterId=field("The cluster it says it is a node of; null when there is none.", None),
    proxmoxNodeName=field("What the node calls itself; null when it is none.", None),
    proxmoxVersion=field("The version of Proxmox VE; null when there is none.", None),
    metadata=field("Whatever else the machine said of itself.", METADATA),
)
describe(
    HubOfSpoke,
    "HubOfSpoke",
    publicKey=field("The hub's public key.", EXAMPLE_KEY, pattern=KEY_PATTERN),
    endpoint=field("`host:port` to connect to.", "hub.example.com:51820"),
    networkCIDR=field("What to route through the tunnel.", "10.0.1.0/24"),
    networkCIDR6=field("The same for IPv6; null while there is no such prefix.", None),
    dns=field("DNS servers, if any.", []),
    dnsDomains=field("The domains to ask them for; all when there is none.", []),
    mtu=field("The MTU of the tunnel.", 1420),
    persistentKeepalive=field("Seconds between keepalives; 0 for none.", 25),
)
describe(
    Registered,
    "Registered",
    spoke=field("The spoke."),
    spokeId=field("Its id.", EXAMPLE_ID),
    spokeName=field("Its name.", "laptop-001"),
    allowedIPs=field("The machine's own addresses, with prefix length.", ["10.0.1.5/24", "fd00::5/64"]),
    status=field("`pending` until it is heard for the first time.", "pending", choices=SPOKE_STATUS),
    hub=field("What to write into the machine's [Peer]."),
    peerApplied=field("Whether the hub lets the machine in already; else it does in a moment.", True),
)
describe(
    PeerOfSpoke,
    "PeerOfSpoke",
    endpoint=field("Where it was last heard from; null when it never was.", "198.51.100.7:51820"),
    latestHandshake=field("Its latest handshake; null when there was none.", EXAMPLE_TIME),
    transferRx=field("Bytes received from it.", 18_244),
    transferTx=field("Bytes sent to it.", 9_120),
    persistentKeepalive=field("Seconds between keepalives, as the spoke's side has it.", 25),
)
describe(SpokeWithPeer, "SpokeWithPeer", spoke=field("The spoke."), wireguardPeer=field("Its peer."))
describe(
    SpokePage,
    "SpokeList",
    spokes=field("The spokes of this page."),
    totalCount=field("How many spokes fit all parameters.", 1),
    activeCount=field("How many of those that fit all but `status` are active.", 1),
    inactiveCount=field("How many are inactive.", 0),
    pendingCount=field("How many were never heard.", 0),
)
describe(Removed, "Removed", peerRemoved=field("Whether the agent has confirmed that its peer is off.", True))
describe(
    ListParameters,
    "SpokeListParameters",
    status=field("Only spokes of this status.", "active", choices=SPOKE_STATUS),
    os=field("Only machines of this platform.", "linux", choices=PLATFORMS),
    search=field(
        "A part of the name or the node's name, the start of the address or the endpoint, or the public key.", "laptop"
    ),
    cluster=field("Only nodes of the cluster with this id.", EXAMPLE_CLUSTER),
    ordering=field(
        "What to order by; a minus in front turns it round. Spokes without a value come last.",
        "name",
        choices=Choices("SpokeOrdering", tuple(ORDERING_NAMES)),
    ),
)

declare(
    SpokeViewSet,
    tag="Spokes",
    register=call(
        "registerSpoke",
        "Register a machine",
        {
            201: answer("It is a spoke now.", Registered),
            200: answer("It was one before: the same token with the same key.", Registered),
        },
        description="Turns a token and a public key into a spoke. The same pair again gets the same answer, so that a "
        "lost answer strands nobody. Whatever is refused for its content leaves the token as it was.",
        body=RegisterSpoke,
        parameters=[NO_STORE],
        refuses=[
            HubNotInitialized,
            InvalidPublicKey,
            InvalidTokenFormat,
            PublicKeyInUse,
            RateLimited,
            TokenAlreadyUsed,
            TokenExpired,
            TokenNotFound,
            TokenRevoked,
        ],
    ),
    list=call(
        "listSpokes",
        "List spokes",
        {200: answer("A page of spokes.", SpokePage)},
        query=ListParameters,
    ),
    status=call(
        "getSpokeStatus",
        "Show a spoke",
        {200: answer("The spoke and its peer.", SpokeWithPeer)},
        parameters=[SPOKE_ID],
        refuses=[SpokeNotFound],
    ),
    remove=call(
        "removeSpoke",
        "Cut a machine off",
        {
            200: answer("It is removed, and its peer is off.", Removed),
            202: answer("It is removed; the agent has not confirmed yet that its peer is off.", Removed),
        },
        parameters=[SPOKE_ID],
        refuses=[SpokeNotFound],
    ),
)
declare(
    SpokeViewSet,
    tag="Proxmox",
    confirm=call(
        "confirmNode",
        "Confirm a node",
        {200: answer("It is confirmed.", Done)},
        description="Confirms that a spoke is the node of the cluster it says it is; only then may the cluster's nodes "
        "talk to it.",
        parameters=[CLUSTER_ID, SPOKE_ID],
        body=NoFields,
        refuses=[HubNotInitialized, SpokeNotFound],
    ),
    unconfirm=call(
        "unconfirmNode",
        "Take a node's confirmation back",
        {200: answer("It is not confirmed any more.", Done)},
        description="The cluster's nodes may no longer talk to it.",
        parameters=[CLUSTER_ID, SPOKE_ID],
        refuses=[HubNotInitialized, SpokeNotFound],
    ),
)
