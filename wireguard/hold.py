"""On hold: whom a release would cut off, let in or change, in sentences for whoever decides."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from wireguard.configtext import WantedPeer
from wireguard.drift import Drift, Kind
from wireguard.dump import SeenInterface
from wireguard.models import Peer

MOST_SENTENCES = 200
_OUTCOMES = {Kind.PEER_FOREIGN: "cut off", Kind.PEER_MISSING: "let in"}


def differences(drifts: Sequence[Drift], wanted: Mapping[str, WantedPeer], seen: SeenInterface) -> list[str]:
    """A sentence for the counts, then one for each peer, at most 200 of them. Empty when no peer would change."""
    outcomes = {drift.public_key: _OUTCOMES.get(drift.kind, "changed") for drift in drifts if drift.public_key}
    if not outcomes:
        return []
    count = Counter(outcomes.values())
    counts = f"{count['cut off']} peers would be cut off, {count['let in']} let in, {count['changed']} changed."
    shown = list(outcomes)[:MOST_SENTENCES]
    names = _names(shown)
    told = [f"{_described(key, names, wanted, seen)}: would be {outcomes[key]}." for key in shown]
    more = len(outcomes) - len(shown)
    return [counts, *told, *([f"And {more} more."] if more else [])]


def _described(key: str, names: Mapping[str, str], wanted: Mapping[str, WantedPeer], seen: SeenInterface) -> str:
    peer = wanted.get(key) or seen.peers[key]
    return f"{names.get(key, 'Unknown to the database')} ({', '.join(peer.allowed_ips)}, key {key})"


def _names(public_keys: Collection[str]) -> dict[str, str]:
    """By public key the name of the spoke that has it, or had it last."""
    rows = Peer.objects.filter(public_key__in=public_keys, spoke__isnull=False).order_by("id")
    return {
        key: name if live_key else f"{name}, which was removed"
        for key, live_key, name in rows.values_list("public_key", "live_key", "spoke__name")
    }
