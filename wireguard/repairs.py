"""How often drift is repaired, and what is told of it. What a repair is, `drift` and `interface` know."""

from collections.abc import Collection, Iterable
from datetime import datetime

from hubproject import audit
from hubproject.audit import Caller
from wireguard.drift import Drift, Kind
from wireguard.models import Peer

# What a repair did not end, although every program said it had, is tried ever less often, but at least so often.
STUCK_RETRY_SECONDS = 60.0
_AGENT = Caller(actor="agent")
# An audit row names at most so many peers, a sentence so many; the counts beside them are whole.
_PEERS_IN_AUDIT = 20
_PEERS_IN_SENTENCE = 3


class Pace:
    """Ends each drift at most once an interval, in seconds, and what comes back right after its repair ever less often.

    Moments are seconds of the agent's own clock.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        # When each thing was repaired last; and what was found again right after that, with the repairs since.
        self._repaired: dict[Drift, float] = {}
        self._stuck: dict[Drift, int] = {}

    def note(self, drift: Drift, at: float) -> None:
        """It was repaired outside a look."""
        self._repaired[drift] = at

    def is_too_soon(self, drift: Drift, at: float) -> bool:
        """Whether it was repaired less than an interval ago."""
        return at - self._repaired.get(drift, float("-inf")) < self._interval

    def due(self, found: Iterable[Drift], at: float) -> list[Drift]:
        """What of a look's findings is to be repaired now."""
        found = list(found)
        self._repaired = {drift: then for drift, then in self._repaired.items() if at - then <= STUCK_RETRY_SECONDS}
        self._stuck = {
            drift: self._stuck.get(drift, 0) for drift in found if drift in self._stuck or self.is_too_soon(drift, at)
        }
        return [drift for drift in found if drift not in self._repaired or self._waited(drift, at)]

    def _waited(self, drift: Drift, at: float) -> bool:
        pause = min(self._interval * max(1, self._stuck.get(drift, 1)), STUCK_RETRY_SECONDS)
        return at - self._repaired[drift] >= pause

    def done(self, drifts: Collection[Drift], at: float) -> list[Drift]:
        """Notes these repairs, and returns those that are news."""
        self._repaired |= dict.fromkeys(drifts, at)
        self._stuck |= {drift: self._stuck[drift] + 1 for drift in drifts if drift in self._stuck}
        return [drift for drift in drifts if drift not in self._stuck]

    def stuck_sentence(self, interface: str) -> str:
        """What no repair has ended; empty when there is nothing of the kind."""
        if not self._stuck:
            return ""
        kind = min(self._stuck).kind
        return (
            f"{sentence(kind, sorted(drift for drift in self._stuck if drift.kind is kind))}: putting that right has "
            f"no effect on {interface}, although every program says it had. Something else may be changing it."
        )


def record(interface: str, kind: Kind, drifts: Collection[Drift], now: datetime) -> None:
    """One event for repairs of one kind. `peers` are the names of spokes where they are known, else public keys."""
    names = _names(drifts, _PEERS_IN_AUDIT)
    audit.record(
        "drift.repaired",
        by=_AGENT,
        about=names[0] if len(drifts) == 1 and names else interface,
        now=now,
        interface=interface,
        kind=kind.value,
        count=len(drifts),
        peers=names,
    )


def sentence(kind: Kind, drifts: Collection[Drift]) -> str:
    """What was wrong, and with whom: "Peers were missing (laptop-7)"."""
    names = _names(drifts, _PEERS_IN_SENTENCE)
    more = [f"{len(drifts) - len(names)} more"] if names and len(drifts) > len(names) else []
    return f"{kind.sentence} ({', '.join(names + more)})" if names else kind.sentence


def _names(drifts: Collection[Drift], most: int) -> list[str]:
    keys = [drift.public_key for drift in drifts if drift.public_key][:most]
    spokes = dict(Peer.objects.filter(live_key__in=keys).values_list("public_key", "spoke__name"))
    return [spokes.get(key) or key for key in keys]
