"""The calls of the hub, as /api/schema tells them."""

from hubproject.api import Done, NoFields
from hubproject.schema import (
    EXAMPLE_KEY,
    EXAMPLE_TIME,
    KEY_PATTERN,
    Choices,
    Schema,
    answer,
    call,
    declare,
    describe,
    field,
)
from wireguard.errors import HubAlreadyInitialized, HubNotInitialized, NetworkInUse, SealingKeyUnusable
from wireguard.firewall import MODES
from wireguard.serializers import HubConfigOut, HubStatusOut, InitializeHub, PeerOut, StatusParameters, UpdateHub
from wireguard.views import HubViewSet

SPOKE_TO_SPOKE = Choices("SpokeToSpoke", MODES)
AGENT_WORD = Choices("AgentWord", ("ok", "behind", "down", "unmanaged"))
PORT: Schema = {"minimum": 1, "maximum": 65535}
MTU: Schema = {"minimum": 1280, "maximum": 65456}
KEEPALIVE: Schema = {"minimum": 0, "maximum": 65535}


class HubConfigured(Done):
    """The answer of calls that set or change the configuration."""

    hubConfig = HubConfigOut()


WRITABLE = {
    "networkCIDR": field("The VPN's network, /8 to /30; the hub takes its first address.", "10.0.1.0/24"),
    "endpoint": field("`host:port` that spokes connect to.", "hub.example.com:51820"),
    "listenPort": field("The UDP port the hub listens on.", 51820, **PORT),
    "dns": field("DNS servers the spokes are told; none by default.", ["10.0.1.1"], maxItems=8),
    "dnsDomains": field("Domains to ask them for; all when there is none.", ["corp.example.com"], maxItems=8),
    "mtu": field("The MTU of the tunnel.", 1420, **MTU),
    "persistentKeepalive": field("Seconds between keepalives, set on the spokes' side; 0 for none.", 25, **KEEPALIVE),
    "networkCIDR6": field(
        "An IPv6 prefix for the VPN as well, /64 to /112; a spoke has the same host number in both networks. Null "
        "while there is none.",
        "fd12:3456:789a::/64",
    ),
    "spokeToSpoke": field(
        "Whether spokes reach each other: not at all (`isolated`), the confirmed nodes of one Proxmox cluster "
        "(`cluster`), or all (`open`).",
        "isolated",
        choices=SPOKE_TO_SPOKE,
    ),
}
describe(
    InitializeHub,
    "InitializeHub",
    **WRITABLE
    | {
        "listenPort": field("The UDP port the hub listens on.", 51820, default=51820, **PORT),
        "mtu": field("The MTU of the tunnel.", 1420, default=1420, **MTU),
        "persistentKeepalive": WRITABLE["persistentKeepalive"] | {"default": 25},
        "spokeToSpoke": WRITABLE["spokeToSpoke"] | {"default": "isolated"},
    },
)
describe(UpdateHub, "UpdateHub", **WRITABLE)
describe(
    HubConfigOut,
    "HubConfig",
    id=field("Always 1: there is one hub.", 1),
    interfaceName=field("The name of the interface on the hub.", "wg0"),
    interfaceAddress=field("The hub's own address in the network, with prefix length.", "10.0.1.1/24"),
    interfaceAddress6=field("The same in the IPv6 prefix; null while there is none.", None),
    publicKey=field("The hub's public key. Its private key is in no answer.", EXAMPLE_KEY, pattern=KEY_PATTERN),
    createdAt=field("When the hub was set up.", EXAMPLE_TIME),
    updatedAt=field("When its configuration last changed.", EXAMPLE_TIME),
    **WRITABLE,
)
describe(HubConfigured, "HubConfigured", hubConfig=field("The configuration, as it is now."))
describe(
    PeerOut,
    "Peer",
    publicKey=field("The peer's public key.", EXAMPLE_KEY, pattern=KEY_PATTERN),
    endpoint=field("Where it was last heard from; null when it never was.", "198.51.100.7:51820"),
    allowedIPs=field("What the hub routes to this peer.", ["10.0.1.5/32"]),
    latestHandshake=field("Its latest handshake; null when there was none.", EXAMPLE_TIME),
    transferRx=field("Bytes received from it.", 18_244, minimum=0),
    transferTx=field("Bytes sent to it.", 9_120, minimum=0),
    persistentKeepalive=field("Seconds between keepalives, as the spoke's side has it.", 25),
)
describe(
    HubStatusOut,
    "HubStatus",
    interface=field("The name of the interface on the hub.", "wg0"),
    interfaceUp=field("Whether it is up, as far as a living agent says.", True),
    publicKey=field("The hub's public key.", EXAMPLE_KEY, pattern=KEY_PATTERN),
    listenPort=field("The UDP port the hub listens on.", 51820, **PORT),
    peerCount=field("How many peers should be on the interface.", 1),
    generation=field("Counts the changes of what should be.", 7),
    appliedGeneration=field("The latest of them that the agent has applied.", 7),
    syncedAt=field(
        "When the agent last compared the interface with what should be; null when it never did.", EXAMPLE_TIME
    ),
    agent=field(
        "`ok`; `behind`: something is not applied yet; `down`: silent for 20 s; `unmanaged`: it lacks the privilege.",
        "ok",
        choices=AGENT_WORD,
    ),
    hold=field("Whether changes wait for an admin, as after a restore.", False),
    differences=field(
        "In sentences: what hinders the agent, and on hold whom it would cut off, let in or change once released.", []
    ),
    peers=field("The peers of this page."),
)
describe(StatusParameters, "StatusParameters")

declare(
    HubViewSet,
    tag="Hub",
    initialize=call(
        "initializeHub",
        "Set the hub up",
        {201: answer("The hub is set up.", HubConfigured)},
        description="Makes the hub's keys and its configuration, once.",
        body=InitializeHub,
        refuses=[HubAlreadyInitialized, SealingKeyUnusable],
        takes_setup_code=True,
    ),
    config=call(
        "getHubConfig",
        "Show the configuration",
        {200: answer("The configuration.", HubConfigOut)},
        refuses=[HubNotInitialized],
    ),
    update=call(
        "updateHubConfig",
        "Change the configuration",
        {200: answer("The configuration, as it is now.", HubConfigured)},
        description="Changes the fields that are sent. Other fields of the configuration may be sent along as they "
        "are. The networks can change only while nothing has an address in them; adding the IPv6 prefix is such a "
        "change.",
        body=UpdateHub,
        refuses=[HubNotInitialized, NetworkInUse],
    ),
    status=call(
        "getHubStatus",
        "Show interface and peers",
        {200: answer("The interface, the agent, and a page of peers.", HubStatusOut)},
        query=StatusParameters,
        refuses=[HubNotInitialized],
    ),
    release=call(
        "releaseHold",
        "Release the hold after a restore",
        {200: answer("The interface becomes what the database says. It is the same when there was no hold.", Done)},
        description="After a restore the agent lists in `differences` of the hub's status whom it would cut off and "
        "whom it would let in, and changes no peer before this call.",
        body=NoFields,
    ),
)
