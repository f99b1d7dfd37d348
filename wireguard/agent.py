"""The only writer of the interface: makes it what the database says, and writes down what it sees.

It keeps nothing that it could not read again: killed at any instant, the next start compares and puts right.
"""

import gc
import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import Error as DatabaseTrouble
from django.db import connection, transaction
from django.utils import timezone

from hubproject.service_manager import Liveness
from hubproject.statements import find
from wireguard import repairs
from wireguard.backends import Backend, BackendError, InterfaceMissing, PrivilegeMissing
from wireguard.configtext import Difference, WantedInterface
from wireguard.drift import Drift, Kind, peer_drift
from wireguard.dump import DumpError
from wireguard.handshakes import failures_between
from wireguard.hold import differences
from wireguard.interface import InterfaceRefused, Look, Repair, WireGuardService
from wireguard.keys import public_key_of
from wireguard.lease import Lease, LeaseLost
from wireguard.live_peers import Live, proven, read_live_peers, wanted_peer
from wireguard.models import AgentState, HubConfig
from wireguard.observations import Observations
from wireguard.repairs import Pace
from wireguard.sealing import SealingError
from wireguard.services import wanted_firewall, wanted_interface
from wireguard.wakeup import Wakeup

LOOK_SECONDS = 10.0
# After a newcomer: somebody is watching the dashboard for its first handshake.
LOOK_AFTER_NEWCOMER_SECONDS = 2.0
BEAT_SECONDS = 3.0
RETRY_SECONDS = 1.0
STANDBY_SECONDS = 1.0
UNMANAGED_RETRY_SECONDS = 10.0
# While a look is under way its result is fetched soon; otherwise the agent sleeps until somebody commits.
LOOK_POLL_SECONDS = 0.1

# By hand, for every registration comes through here.
_CHANGES = "SELECT public_key, allowed_ips, live_key FROM peers WHERE generation > %s AND generation <= %s"
_HOLD = "SELECT hold FROM agent_state WHERE id = 1"

log = logging.getLogger(__name__)

# What can be wrong with the machine or the configuration, as opposed to the database.
Hindrance = (BackendError, DumpError, SealingError)


@dataclass(frozen=True, slots=True)
class TakenLook:
    """What was on the interface, and the generation that had been applied before the look was taken."""

    look: Look
    applied: int
    at: datetime
    started: float  # by the agent's own clock


class Agent:
    """One interface's keeper. `run` until told to stop, or `run_once`; `take_down` undoes it all."""

    def __init__(
        self,
        backend: Backend,
        wakeup: Wakeup,
        stop: threading.Event,
        *,
        lease: Lease | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        liveness: Callable[[str], None] | None = None,
    ) -> None:
        self._lease = lease or Lease()
        self._service = WireGuardService(backend, may_write=self._lease.check)
        self._wakeup = wakeup
        self._stop = stop
        self._monotonic = monotonic
        self._liveness = liveness or Liveness()
        self._looker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="look")
        self._waits_for = ""
        self._start_over()

    def _start_over(self) -> None:
        """Forgets everything that only the agent in charge can know."""
        self._observations = Observations(self._lease.fence)
        self._look: Future[TakenLook] | None = None
        self._next_look = self._next_beat = 0.0
        self._last_look: float | None = None
        self._look_hindrance: Exception | None = None
        self._brought_up: WantedInterface | None = None
        self._is_first_start = True
        self._is_held = False
        self._applied = 0
        self._live: Live | None = None
        self._report: AgentState | None = None
        self._pace = Pace(LOOK_SECONDS)

    # --- The loop -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Turns until `stop` is set. The interface stays as it is: tunnels outlive the agent."""
        log.info("agent started")
        is_database_there = True
        while not self._stop.is_set():
            try:
                self.turn()
                if not is_database_there:
                    log.info("the database answers again")
                is_database_there = True
                self._liveness(self._condition())
                self._wakeup.wait(self._pause(), self._stop)
            except DatabaseTrouble as failure:
                if is_database_there:
                    log.warning("the database does not answer, trying again: %s", str(failure).strip())
                is_database_there = False
                self._liveness("waits for its database")
                connection.close()
                self._live = None  # what answers next may be another database
                self._next_beat = self._next_look = 0.0  # what was to be written down may not have been
                self._stop.wait(RETRY_SECONDS)
        self._close()
        log.info("agent stopped; the interface stays up")

    def run_once(self) -> str:
        """Brings the interface up, looks once, and returns what hinders it: an empty text when nothing does."""
        self.turn()
        if not self._lease.is_held:
            return f"Another agent is in charge: {self._waits_for}."
        while self._look is not None:
            self._look.exception()  # waits for it; the next turn handles what it found
            self.turn()
        problem = self._state().problem
        self._close()
        return problem

    def take_down(self) -> str:
        """Ends the interface with all its tunnels and puts back what was changed for it: firewall, forwarding.

        Returns what hinders it: an empty text when nothing does.
        """
        problem = ""
        if not self._is_in_charge():
            problem = f"Another agent is in charge, and would bring it up again: {self._waits_for}."
        elif hub := HubConfig.objects.filter(id=1).first():
            try:
                self._take_down(hub)
            except Hindrance as hindrance:
                problem = str(hindrance)
        self._close()
        return problem

    def _take_down(self, hub: HubConfig) -> None:
        name = hub.interface_name
        if self._service.is_there(name) and self._service.observe(name).public_key not in {None, hub.public_key}:
            raise InterfaceRefused(f"{name} has another key: it belongs to something else.")
        self._service.tear_down(name)
        self._lease.renew(interface_up=False, interface_up_since=None)

    def turn(self) -> None:
        """One round: makes the interface right as far as is known, and notes what hinders it."""
        try:
            if self._is_in_charge():
                hindrance = self._work_or_hindrance()
                self._note(hindrance)
        except LeaseLost:
            log.warning("another agent has taken over; this one writes nothing more and stands by")
            self._start_over()

    def _close(self) -> None:
        self._looker.shutdown()
        try:
            self._lease.release()
        except DatabaseTrouble:
            log.warning("the lease could not be given back: a successor waits until it has run out")
        self._wakeup.close()

    def _is_in_charge(self) -> bool:
        if self._lease.is_held:
            return True
        waits_for = self._lease.acquire()
        if waits_for and waits_for != self._waits_for:
            log.info("standing by: %s is in charge", waits_for)
        elif not waits_for:
            log.info("in charge")
        self._waits_for = waits_for
        return not waits_for

    def _condition(self) -> str:
        """What the service manager shows."""
        if not self._lease.is_held:
            return f"stands by: {self._waits_for} is in charge"
        if problem := self._state().problem:
            return problem
        if self._is_held:
            return "on hold after a restore"
        return f"{self._brought_up.name} is up" if self._brought_up else "in charge, without an interface so far"

    def _pause(self) -> float:
        if not self._lease.is_held:
            return STANDBY_SECONDS
        if self._state().problem:
            return RETRY_SECONDS if self._state().is_managing else UNMANAGED_RETRY_SECONDS
        if self._look is not None:
            return LOOK_POLL_SECONDS
        if self._brought_up is None and not self._is_held:  # without a hub so far, there is nothing to look at
            return max(0.0, self._next_beat - self._monotonic())
        return max(0.0, min(self._next_look, self._next_beat) - self._monotonic())

    def _work_or_hindrance(self) -> Exception | None:
        try:
            self._work()
        except Hindrance as hindrance:
            if isinstance(hindrance, InterfaceMissing):
                self._brought_up = None
            return hindrance
        except (DatabaseTrouble, LeaseLost):
            raise
        except Exception as fault:  # a loop that ends would start anew and end again, and nothing else would be kept
            log.exception("a fault of the agent's own")
            return BackendError(f"The agent met a fault of its own ({type(fault).__name__}): its log says where.")
        return self._look_hindrance

    def _work(self) -> None:
        hub = find(HubConfig, "id", 1)
        if hub is None:
            return
        wanted = wanted_interface(hub)
        hindrance = None
        try:
            self._make_right(wanted, hub)
        except InterfaceRefused:
            raise
        except BackendError as failure:
            # What is there already is looked after as far as possible.
            if not self._service.is_there(wanted.name):
                raise
            hindrance = failure
        if self._look is not None and self._look.done():
            self._finish_look(wanted, hub)
        if self._look is None and self._monotonic() >= self._next_look:
            self._next_look = self._monotonic() + LOOK_SECONDS
            self._look = self._looker.submit(self._take_look, wanted, self._applied, self._monotonic())
        if hindrance:
            raise hindrance

    # --- Making it so ---------------------------------------------------------------------------------------------

    def _make_right(self, wanted: WantedInterface, hub: HubConfig) -> None:
        if _is_on_hold():
            self._hold(wanted)
            return
        is_another_history = hub.generation < self._applied  # a backup was restored
        if self._brought_up != wanted or is_another_history or not self._service.is_there(wanted.name):
            self._bring_up(wanted, hub)
        elif hub.generation > self._applied:
            self._apply_changes(hub)

    def _hold(self, wanted: WantedInterface) -> None:
        """After a restore nobody is cut or revived until an admin says so. A missing interface comes up without peers,
        closed; whatever is there stays as it is."""
        if not self._is_held:
            log.warning("on hold after a restore: no peer is changed until release-hold")
        self._is_held, self._brought_up, self._applied, self._live = True, None, 0, None
        if not self._service.is_there(wanted.name):
            self._refuse_too_soon(wanted)
            self._service.bring_up(wanted, {})
            self._pace.note(Drift(Kind.INTERFACE_GONE), self._monotonic())

    def _bring_up(self, wanted: WantedInterface, hub: HubConfig) -> None:
        is_there = self._service.is_there(wanted.name)
        if is_there:
            self._refuse_foreign(wanted)
        else:
            self._refuse_too_soon(wanted)
        self._brought_up = None
        live = self._live_peers()
        if _is_on_hold():
            return  # since just now, and then the peers just read are those of the backup
        # What an agent before us had applied: whatever differs from that was somebody else.
        applied = self._state().applied_generation if self._is_first_start else self._applied
        repair = self._service.bring_up(wanted, live.peers, wanted_firewall(hub))
        if Drift(Kind.INTERFACE_GONE) in repair.done:
            self._state().interface_up_since = timezone.now()
            if not self._is_first_start:
                self._pace.note(Drift(Kind.INTERFACE_GONE), self._monotonic())
        if not self._is_held and (not self._is_first_start or (is_there and self._state().synced_at)):
            # Of the interface's own settings nobody can tell here whether the configuration was changed.
            is_drift = [drift for drift in repair.done if drift.public_key or drift.kind is Kind.INTERFACE_GONE]
            self._record(wanted, proven(is_drift, live, applied))
        if repair.failure:
            raise repair.failure
        self._brought_up, self._applied = wanted, hub.generation
        if self._is_held:
            self._look = None  # it saw what was before the release
        self._is_first_start = self._is_held = False
        log.info("%s is up with %d peers, generation %d", wanted.name, len(live.peers), hub.generation)

    def _refuse_foreign(self, wanted: WantedInterface) -> None:
        """An interface with somebody else's key, found at the very first start, is not ours to take over."""
        if self._state().synced_at is not None:
            return
        key = self._service.observe(wanted.name).public_key
        if key is not None and key != public_key_of(wanted.private_key):
            raise InterfaceRefused(
                f"There is an interface {wanted.name} already, with another key: it belongs to something else. "
                "Take that one down, or set the hub up with another name (init_hub --interface)."
            )

    def _refuse_too_soon(self, wanted: WantedInterface) -> None:
        """Who takes the interface away again and again is not fought more than once an interval."""
        if self._pace.is_too_soon(Drift(Kind.INTERFACE_GONE), self._monotonic()):
            raise InterfaceRefused(f"{wanted.name} is gone again, right after it was made: something takes it away.")

    def _apply_changes(self, hub: HubConfig) -> None:
        """Applies the rows that changed since, many in one go. A key that was removed and came back is put, not cut."""
        with connection.cursor() as cursor:
            cursor.execute(_CHANGES, [self._applied, hub.generation])
            changes = cursor.fetchall()
        if _is_on_hold():
            return
        put = {key: wanted_peer(key, ips) for key, ips, live_key in changes if live_key}
        remove = tuple({key for key, _, live_key in changes if not live_key} - put.keys())
        # In this order an address that changes hands never takes what its last holder might with it.
        self._service.apply(hub.interface_name, Difference(remove, ()))
        if not self._service.has_applied(firewall := wanted_firewall(hub)):
            self._service.apply_firewall(firewall)
        self._service.apply(hub.interface_name, Difference((), tuple(put.values())))
        if put:
            self._next_look = min(self._next_look, self._monotonic() + LOOK_AFTER_NEWCOMER_SECONDS)
        self._applied = hub.generation

    # --- Looking --------------------------------------------------------------------------------------------------

    def _take_look(self, wanted: WantedInterface, applied: int, started: float) -> TakenLook:
        """In a thread of its own: a dump of ten thousand peers must not hold up the next registration."""
        at = timezone.now()
        return TakenLook(self._service.look(wanted), applied, at, started)

    def _finish_look(self, wanted: WantedInterface, hub: HubConfig) -> None:
        """Repairs what differs and writes what was seen.

        The database is read after the dump was taken. The other way round, a peer registered in between would look
        foreign and be cut.
        """
        finished, self._look = self._look, None
        assert finished is not None  # noqa: S101 - the caller has just looked
        try:
            taken = finished.result()
        except Hindrance as hindrance:
            self._look_hindrance = hindrance
            return
        live = self._live_peers()
        peers_found = peer_drift(live.peers, taken.look.seen)
        if self._is_held or _is_on_hold():
            self._tell(differences(peers_found, live.peers, taken.look.seen))
            failure = None
        else:
            found = proven([*taken.look.wrong, *peers_found], live, taken.applied)
            failure = self._repair(wanted, hub, live, found, taken.started)
        self._observations.write(taken.look.seen, live.ids, taken.at, self._seconds_before(taken))
        self._count_failures(taken.at)
        self._last_look = taken.started
        self._state().synced_at = taken.at
        self._next_beat = 0.0
        problem = taken.look.problem or self._pace.stuck_sentence(wanted.name)
        self._look_hindrance = failure or (BackendError(problem) if problem else None)

    def _count_failures(self, at: datetime) -> None:
        """Written with the next report, count and moment together: killed before, an agent counts the same again."""
        state = self._state()
        if state.failures_counted_until:
            state.handshake_failures += failures_between(state.failures_counted_until, at)
        state.failures_counted_until = at

    def _live_peers(self) -> Live:
        """Ten thousand rows are not read again while the generation stands still: with it moves every change of them.

        It is read before the rows. The other way round, rows could be older than they say.
        """
        generation = HubConfig.objects.values_list("generation", flat=True).get(id=1)
        if self._live is None or self._live.as_of != generation:
            self._live = read_live_peers(generation)
        return self._live

    def _tell(self, sentences: list[str]) -> None:
        """Writes down what an admin has to decide on, unless that was done just now."""
        with transaction.atomic():
            self._lease.fence()
            AgentState.objects.filter(id=1, hold=True).exclude(differences=sentences).update(differences=sentences)

    def _seconds_before(self, taken: TakenLook) -> float | None:
        """How long before this look the one before it was, which may have been another agent's."""
        if self._last_look is not None:
            return taken.started - self._last_look
        synced_at = self._state().synced_at
        return (taken.at - synced_at).total_seconds() if synced_at and synced_at < taken.at else None

    def _repair(
        self,
        wanted: WantedInterface,
        hub: HubConfig,
        live: Live,
        found: Collection[Drift],
        started: float,
    ) -> BackendError | None:
        """Ends what is due, and looks again at once to see whether that has had an effect."""
        due = self._pace.due(found, started)
        repair = self._service.repair(wanted, due, live.peers, wanted_firewall(hub)) if due else Repair()
        if repair.done:
            self._next_look = self._monotonic()
        self._record(wanted, self._pace.done(repair.done, started))
        return repair.failure

    def _record(self, wanted: WantedInterface, drifts: Collection[Drift]) -> None:
        """Counts the repairs and writes an audit event for each kind."""
        if not drifts:
            return
        by_kind: dict[Kind, list[Drift]] = defaultdict(list)
        for drift in drifts:
            by_kind[drift.kind].append(drift)
        sentences = [repairs.sentence(kind, same) for kind, same in by_kind.items()]
        log.warning("repaired %s: %s", wanted.name, "; ".join(sentences))
        now, state = timezone.now(), self._state()
        state.drift_repairs = dict(Counter(state.drift_repairs) + Counter(drift.kind.value for drift in drifts))
        state.last_repair, state.last_repair_at = sentences[-1], now
        with transaction.atomic():
            self._lease.fence()
            state.save(update_fields=["drift_repairs", "last_repair", "last_repair_at"])
            for kind, same in by_kind.items():
                repairs.record(wanted.name, kind, same, now)

    # --- Reporting ------------------------------------------------------------------------------------------------

    def _state(self) -> AgentState:
        """What stands in the report, and what is to be written there at the next beat."""
        if self._report is None:
            self._report = AgentState.objects.get(id=1)
        return self._report

    def _note(self, hindrance: Exception | None) -> None:
        """Writes the report when something in it has changed, and every few seconds as a sign of life."""
        known = self._state()
        news: dict[str, Any] = {
            "problem": str(hindrance or ""),
            "is_managing": not isinstance(hindrance, PrivilegeMissing),
            "interface_up": self._brought_up is not None or (self._is_held and not hindrance),
            "applied_generation": self._applied,
        }
        if news["problem"] and news["problem"] != known.problem:
            log.error("%s", news["problem"])
        is_news = any(getattr(known, name) != value for name, value in news.items())
        if not is_news and self._monotonic() < self._next_beat:
            return
        for name, value in news.items():
            setattr(known, name, value)
        carried = ("synced_at", "interface_up_since", "handshake_failures", "failures_counted_until")
        self._lease.renew(**news, **{name: getattr(known, name) for name in carried})
        self._next_beat = self._monotonic() + BEAT_SECONDS


def keep_garbage_collection_rare() -> None:
    """For the process of an agent. A look makes thousands of objects and no cycles of them; left alone, Python would
    search everything ever imported for garbage several times a look, which was a third of its cost."""
    gc.freeze()
    gc.set_threshold(50_000)


def _is_on_hold() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_HOLD)
        return bool(cursor.fetchone() == (True,))
