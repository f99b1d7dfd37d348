"""What can be wrong with an interface that was right: each thing of a kind, so that each gets the smallest repair."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from wireguard.configtext import Difference, WantedPeer
from wireguard.dump import SeenInterface, SeenPeer


class Kind(StrEnum):
    """The words of audit events and metrics."""

    INTERFACE_GONE = "interface_gone"
    PRIVATE_KEY = "private_key"
    LISTEN_PORT = "listen_port"
    ADDRESS = "address"
    MTU = "mtu"
    LINK_DOWN = "link_down"
    FIREWALL = "firewall"
    FORWARDING = "forwarding"
    PEER_MISSING = "peer_missing"
    PEER_FOREIGN = "peer_foreign"
    ALLOWED_IPS_WIDENED = "allowed_ips_widened"
    ALLOWED_IPS_STOLEN = "allowed_ips_stolen"
    KEEPALIVE = "keepalive"
    PRESHARED_KEY = "preshared_key"

    @property
    def sentence(self) -> str:
        """What was found, for a person."""
        return _SENTENCES[self]


_SENTENCES = {
    Kind.INTERFACE_GONE: "The interface was gone",
    Kind.PRIVATE_KEY: "The interface had another private key",
    Kind.LISTEN_PORT: "The interface listened on another port",
    Kind.ADDRESS: "The interface had other addresses",
    Kind.MTU: "The interface had another MTU",
    Kind.LINK_DOWN: "The interface was down",
    Kind.FIREWALL: "The firewall table was altered",
    Kind.FORWARDING: "Forwarding was switched off",
    Kind.PEER_MISSING: "Peers were missing",
    Kind.PEER_FOREIGN: "There were foreign peers",
    Kind.ALLOWED_IPS_WIDENED: "Peers had too many allowed-ips",
    Kind.ALLOWED_IPS_STOLEN: "Peers lacked allowed-ips",
    Kind.KEEPALIVE: "Peers had a keepalive",
    Kind.PRESHARED_KEY: "Peers had a preshared key",
}


class Drift(NamedTuple):
    """One thing that is wrong. `public_key` is the peer's; empty where the interface itself is meant."""

    kind: Kind
    public_key: str = ""


def peer_drift(wanted: Mapping[str, WantedPeer], seen: SeenInterface) -> list[Drift]:
    """Everything that is wrong with the peers; `wanted` by public key."""
    # All but a few are right, and there are ten thousand: a comprehension sorts those out in half of a loop's time.
    suspects = [
        key
        for key, present in seen.peers.items()
        if (peer := wanted.get(key)) is None
        or peer.allowed_ips != present.allowed_ips
        or present.has_preshared_key
        or present.persistent_keepalive is not None
    ]
    foreign = [key for key in suspects if key not in wanted]
    found = [Drift(Kind.PEER_FOREIGN, key) for key in foreign]
    found += (
        Drift(kind, key) for key in suspects if key in wanted for kind in _wrong_with(wanted[key], seen.peers[key])
    )
    if len(seen.peers) - len(foreign) < len(wanted):
        found += (Drift(Kind.PEER_MISSING, key) for key in wanted if key not in seen.peers)
    return found


def _wrong_with(peer: WantedPeer, present: SeenPeer) -> Iterable[Kind]:
    if set(present.allowed_ips) - set(peer.allowed_ips):
        yield Kind.ALLOWED_IPS_WIDENED
    elif set(peer.allowed_ips) - set(present.allowed_ips):
        yield Kind.ALLOWED_IPS_STOLEN
    if present.persistent_keepalive is not None:
        yield Kind.KEEPALIVE
    if present.has_preshared_key:
        yield Kind.PRESHARED_KEY


_PUT = {Kind.PEER_MISSING, Kind.ALLOWED_IPS_WIDENED, Kind.ALLOWED_IPS_STOLEN}


def repair_of(drifts: Iterable[Drift], wanted: Mapping[str, WantedPeer]) -> Difference:
    """The smallest change of peers that ends these drifts. Peers that are right are not in it: their sessions live."""
    drifts = list(drifts)
    return Difference(
        remove=tuple(key for kind, key in drifts if kind is Kind.PEER_FOREIGN),
        put=tuple(wanted[key] for kind, key in drifts if kind in _PUT),
        without_keepalive=tuple(key for kind, key in drifts if kind is Kind.KEEPALIVE),
        without_preshared_key=tuple(key for kind, key in drifts if kind is Kind.PRESHARED_KEY),
    )
