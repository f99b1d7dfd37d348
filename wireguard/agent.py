"""The only writer of the interface: makes it what the database says, and writes down what it sees.

It keeps nothing that it could not read again: killed at any instant, the next start compares and puts right.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, connection
from django.utils import timezone

from hubproject import audit
from hubproject.audit import Caller
from wireguard.backends import BackendError, InterfaceMissing, PrivilegeMissing
from wireguard.configtext import Difference, WantedInterface, WantedPeer, difference
from wireguard.dump import DumpError, SeenInterface
from wireguard.interface import WireGuardService
from wireguard.keys import public_key_of
from wireguard.models import AgentState, HubConfig, Peer
from wireguard.observations import Observations
from wireguard.sealing import SealingError
from wireguard.services import wanted_firewall, wanted_interface
from wireguard.wakeup import Wakeup

LOOK_SECONDS = 10.0
# After a newcomer: somebody is watching the dashboard for its first handshake.
LOOK_AFTER_NEWCOMER_SECONDS = 2.0
BEAT_SECONDS = 5.0
RETRY_SECONDS = 1.0
UNMANAGED_RETRY_SECONDS = 10.0
# While a look is under way its result is fetched soon; otherwise the agent sleeps until somebody commits.
LOOK_POLL_SECONDS = 0.1
_AGENT = Caller(actor="agent")
# An audit row names at most so many keys; the counts beside them are whole.
_KEYS_IN_AUDIT = 20

log = logging.getLogger(__name__)

# What can be wrong with the machine or the configuration, as opposed to the database.
Hindrance = (BackendError, DumpError, SealingError)


@dataclass(frozen=True, slots=True)
class Look:
    """What was on the interface, and the generation that had been applied before the dump was taken."""

    seen: SeenInterface
    wrong: list[str]
    applied: int
    at: datetime


class Agent:
    """One interface's keeper. `run` until told to stop, or `run_once`."""

    def __init__(
        self,
        service: WireGuardService,
        wakeup: Wakeup,
        stop: threading.Event,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._wakeup = wakeup
        self._stop = stop
        self._monotonic = monotonic
        self._observations = Observations()
        self._looker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="look")
        self._look: Future[Look] | None = None
        self._next_look = self._next_beat = 0.0
        self._brought_up: WantedInterface | None = None
        self._is_first_start = True
        self._applied = 0
        self._report: AgentState | None = None

    # --- The loop -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Turns until `stop` is set. The interface stays as it is: tunnels outlive the agent."""
        log.info("agent started")
        while not self._stop.is_set():
            try:
                self.turn()
                self._wakeup.wait(self._pause(), self._stop)
            except DatabaseError as failure:
                log.warning("the database does not answer, trying again: %s", str(failure).strip())
                connection.close()
                self._next_beat = 0.0  # what was to be written down may not have been
                self._stop.wait(RETRY_SECONDS)
        self._looker.shutdown()
        self._wakeup.close()
        log.info("agent stopped; the interface stays up")

    def run_once(self) -> str:
        """Brings the interface up, looks once, and returns what hinders it: an empty text when nothing does."""
        self.turn()
        if self._look is not None:
            self._look.exception()  # waits for it; the next turn handles what it found
            self.turn()
        self._looker.shutdown()
        return self._state().problem

    def turn(self) -> None:
        """One round: makes the interface right as far as is known, and notes what hinders it."""
        try:
            self._work()
            problem, is_managing = "", True
        except Hindrance as hindrance:
            if isinstance(hindrance, InterfaceMissing):
                self._brought_up = None
            problem, is_managing = str(hindrance), not isinstance(hindrance, PrivilegeMissing)
        self._note(problem, is_managing=is_managing)

    def _pause(self) -> float:
        if self._state().problem:
            return RETRY_SECONDS if self._state().is_managing else UNMANAGED_RETRY_SECONDS
        if self._look is not None:
            return LOOK_POLL_SECONDS
        return max(0.0, min(self._next_look, self._next_beat) - self._monotonic())

    def _work(self) -> None:
        hub = HubConfig.objects.filter(id=1).first()
        if hub is None:
            return
        wanted = wanted_interface(hub)
        if self._brought_up != wanted or not self._service.is_there(wanted.name):
            self._bring_up(wanted, hub)
        elif hub.generation > self._applied:
            self._apply_changes(hub)
        if self._look is not None and self._look.done():
            self._finish_look(wanted, hub)
        if self._look is None and self._monotonic() >= self._next_look:
            self._next_look = self._monotonic() + LOOK_SECONDS
            self._look = self._looker.submit(self._take_look, wanted, self._applied)

    # --- Making it so ---------------------------------------------------------------------------------------------

    def _bring_up(self, wanted: WantedInterface, hub: HubConfig) -> None:
        is_repair = not self._is_first_start and not self._service.is_there(wanted.name)
        self._brought_up = None
        self._refuse_foreign(wanted)
        peers = {key: peer for key, (_, peer, _) in _live_peers().items()}
        self._service.bring_up(wanted, peers, wanted_firewall(hub))
        self._brought_up, self._applied, self._is_first_start = wanted, hub.generation, False
        log.info("%s is up with %d peers, generation %d", wanted.name, len(peers), hub.generation)
        if is_repair:
            self._record_repair(wanted, ["interface"], Difference((), ()))

    def _refuse_foreign(self, wanted: WantedInterface) -> None:
        """An interface with somebody else's key, found at the very first start, is not ours to take over."""
        if self._state().synced_at is not None or not self._service.is_there(wanted.name):
            return
        key = self._service.observe(wanted.name).public_key
        if key is not None and key != public_key_of(wanted.private_key):
            raise BackendError(
                f"There is an interface {wanted.name} already, with another key: it belongs to something else. "
                "Take that one down, or set the hub up with another name (init_hub --interface)."
            )

    def _apply_changes(self, hub: HubConfig) -> None:
        """Applies the rows that changed since, many in one go. A key that was removed and came back is put, not cut."""
        rows = Peer.objects.filter(generation__gt=self._applied, generation__lte=hub.generation)
        changes = list(rows.values_list("public_key", "allowed_ips", "live_key"))
        put = {key: _wanted_peer(key, ips) for key, ips, live_key in changes if live_key}
        remove = tuple({key for key, _, live_key in changes if not live_key} - put.keys())
        if self._brought_up is not None:
            # In this order an address that changes hands never takes what its last holder might with it.
            self._service.apply(self._brought_up.name, Difference(remove, ()))
            if not self._service.has_applied(firewall := wanted_firewall(hub)):
                self._service.apply_firewall(firewall)
            self._service.apply(self._brought_up.name, Difference((), tuple(put.values())))
        if put:
            self._next_look = min(self._next_look, self._monotonic() + LOOK_AFTER_NEWCOMER_SECONDS)
        self._applied = hub.generation

    # --- Looking --------------------------------------------------------------------------------------------------

    def _take_look(self, wanted: WantedInterface, applied: int) -> Look:
        """In a thread of its own: a dump of ten thousand peers must not hold up the next registration."""
        at = timezone.now()
        seen = self._service.observe(wanted.name)
        return Look(seen, self._service.is_right(wanted, seen), applied, at)

    def _finish_look(self, wanted: WantedInterface, hub: HubConfig) -> None:
        """Repairs what differs and writes what was seen.

        The database is read after the dump was taken. The other way round, a peer registered in between would look
        foreign and be cut.
        """
        finished, self._look = self._look, None
        assert finished is not None  # noqa: S101 - the caller has just looked
        look = finished.result()
        live = _live_peers()
        change = _proven(difference({key: peer for key, (_, peer, _) in live.items()}, look.seen), live, look.applied)
        if look.wrong:
            self._service.bring_up(wanted, {key: peer for key, (_, peer, _) in live.items()}, wanted_firewall(hub))
        else:
            self._service.apply(wanted.name, change)
        if change or look.wrong:
            self._record_repair(wanted, look.wrong, change)
        self._observations.write(look.seen, {key: peer_id for key, (peer_id, _, _) in live.items()}, look.at)
        self._state().synced_at = look.at
        self._next_beat = 0.0

    def _record_repair(self, wanted: WantedInterface, wrong: list[str], change: Difference) -> None:
        put = [peer.public_key for peer in change.put]
        log.warning(
            "repaired %s: %s, %d peers off, %d put",
            wanted.name,
            wrong or "peers",
            len(change.remove),
            len(put),
        )
        audit.record(
            "drift.repaired",
            by=_AGENT,
            about=wanted.name,
            now=timezone.now(),
            wrong=wrong,
            removedCount=len(change.remove),
            putCount=len(put),
            removed=list(change.remove[:_KEYS_IN_AUDIT]),
            put=put[:_KEYS_IN_AUDIT],
        )

    # --- Reporting ------------------------------------------------------------------------------------------------

    def _state(self) -> AgentState:
        if self._report is None:
            self._report, _ = AgentState.objects.get_or_create(id=1)
        return self._report

    def _note(self, problem: str, *, is_managing: bool) -> None:
        """Writes the report when something in it has changed, and every 5 s as a sign of life."""
        news = (problem, is_managing, self._brought_up is not None, self._applied)
        known = self._state()
        is_news = news != (known.problem, known.is_managing, known.interface_up, known.applied_generation)
        if problem and problem != known.problem:
            log.error("%s", problem)
        if not is_news and self._monotonic() < self._next_beat:
            return
        known.problem, known.is_managing, known.interface_up, known.applied_generation = news
        known.alive_at = timezone.now()
        known.save()
        self._next_beat = self._monotonic() + BEAT_SECONDS


def _live_peers() -> dict[str, tuple[int, WantedPeer, int]]:
    """Row id, wanted peer and generation of every live peer, by public key."""
    rows = Peer.objects.filter(live_key__isnull=False).values_list("id", "public_key", "allowed_ips", "generation")
    return {key: (peer_id, _wanted_peer(key, ips), generation) for peer_id, key, ips, generation in rows}


def _wanted_peer(public_key: str, allowed_ips: str) -> WantedPeer:
    return WantedPeer(public_key, tuple(allowed_ips.split(",")))


def _proven(change: Difference, live: dict[str, tuple[int, WantedPeer, int]], applied: int) -> Difference:
    """Leaves out the peers that had not been applied when the dump was taken: they are not drift, only newer."""
    return Difference(change.remove, tuple(peer for peer in change.put if live[peer.public_key][2] <= applied))
