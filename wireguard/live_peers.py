"""The peers that are wanted, as the database has them: what a look at the interface is compared with."""

from collections.abc import Iterable
from typing import NamedTuple

from wireguard.configtext import WantedPeer
from wireguard.drift import Drift, Kind
from wireguard.models import Peer


class Live(NamedTuple):
    """The peers that are wanted, each by its public key."""

    peers: dict[str, WantedPeer]
    ids: dict[str, int]
    generations: dict[str, int]
    as_of: int  # they are not older than this generation of the hub


def read_live_peers(as_of: int) -> Live:
    """All of them; `as_of` is the hub's generation as it was read before."""
    live = Live({}, {}, {}, as_of)
    rows = Peer.objects.filter(live_key__isnull=False).values_list("id", "public_key", "allowed_ips", "generation")
    for peer_id, key, allowed_ips, generation in rows.iterator():
        live.peers[key], live.ids[key] = wanted_peer(key, allowed_ips), peer_id
        live.generations[key] = generation
    return live


def wanted_peer(public_key: str, allowed_ips: str) -> WantedPeer:
    """A row's peer; `allowed_ips` is the column's text."""
    return WantedPeer(public_key, tuple(allowed_ips.split(",")))


def proven(found: Iterable[Drift], live: Live, applied: int) -> list[Drift]:
    """Leaves out the peers that had not been applied when the look was taken: they are not drift, only newer."""
    found = list(found)
    newer = {key for kind, key in found if live.generations.get(key, 0) > applied}
    if any(kind is Kind.PEER_FOREIGN for kind, _ in found):
        removed_since = Peer.objects.filter(live_key__isnull=True, generation__gt=applied)
        newer |= set(removed_since.values_list("public_key", flat=True))
    return [drift for drift in found if drift.public_key not in newer]
