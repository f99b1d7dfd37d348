"""What tests of the agent share: a backend in memory that notes what was done to it, clocks, and short ways."""

import threading
import time
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from hubproject.models import AuditEvent
from wireguard.agent import Agent
from wireguard.backends import MemoryBackend
from wireguard.configtext import Difference
from wireguard.dump import SeenPeer, parse_dump
from wireguard.keys import generate_private_key, public_key_of
from wireguard.models import Peer
from wireguard.services import add_peer, lock_hub, remove_peers


class RecordingBackend(MemoryBackend):
    """Notes every change of peers, and fails where a test says so."""

    def __init__(self, *, networks: tuple[str, ...] = ()) -> None:
        super().__init__(networks=networks)
        self.changes: list[Difference] = []
        self.fail_with: BaseException | None = None
        self.may_dump = threading.Event()
        self.may_dump.set()

    def _maybe_fail(self) -> None:
        if self.fail_with is not None:
            raise self.fail_with

    def set_peers(self, name: str, difference: Difference) -> None:
        self._maybe_fail()
        self.changes.append(difference)
        super().set_peers(name, difference)

    def create_interface(self, name: str) -> None:
        self._maybe_fail()
        super().create_interface(name)

    def dump(self, name: str) -> str:
        self.may_dump.wait(120)
        self._maybe_fail()
        return super().dump(name)


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class NoWakeup:
    def wait(self, seconds: float, stop: threading.Event) -> None:
        stop.wait(min(seconds, 0.01))

    def close(self) -> None:
        pass


def want_peer(host: int, key: str = "") -> Peer:
    with transaction.atomic():
        lock_hub()
        return add_peer(public_key=key or public_key_of(generate_private_key()), allowed_ips=f"10.0.1.{host}/32")


def unwant(*peers: Peer) -> int:
    with transaction.atomic():
        lock_hub()
        return remove_peers([peer.id for peer in peers], now=timezone.now())


def live(backend: MemoryBackend) -> dict[str, tuple[str, ...]]:
    return {key: peer.allowed_ips for key, peer in parse_dump(backend.dump("wg0")).peers.items()}


def wanted() -> dict[str, tuple[str, ...]]:
    rows = Peer.objects.filter(live_key__isnull=False)
    return {peer.public_key: tuple(peer.allowed_ips.split(",")) for peer in rows}


def repairs() -> list[str]:
    """The kinds of drift that the audit log names, in order."""
    return [event.details["kind"] for event in AuditEvent.objects.filter(event="drift.repaired").order_by("id")]


def look(agent: Agent, ticks: Ticks) -> None:
    """Lets the next look come due, be taken and be finished."""
    ticks.now += 10
    agent.turn()
    finish_look(agent)


def finish_look(agent: Agent) -> None:
    while agent._keeper.is_looking:
        time.sleep(0.001)
        agent.turn()


def heard(peer: Peer, *, at: datetime, rx: int = 0, tx: int = 0) -> SeenPeer:
    stamp = int(at.timestamp())
    return SeenPeer(peer.public_key, "198.51.100.7:40000", (peer.allowed_ips,), stamp, rx, tx, None, False)
