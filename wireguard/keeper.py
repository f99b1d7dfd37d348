"""What an agent in charge does: makes the interface what the database says, looks at it, and ends what differs."""

import logging
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from django.db import Error as DatabaseTrouble
from django.db import connection
from django.utils import timezone

from hubproject.statements import find
from wireguard.backends import BackendError, InterfaceMissing
from wireguard.configtext import Difference, WantedInterface
from wireguard.drift import Drift, Kind, peer_drift
from wireguard.dump import DumpError
from wireguard.hold import differences
from wireguard.interface import InterfaceRefused, Look, Repair, WireGuardService
from wireguard.keys import public_key_of
from wireguard.lease import Lease, LeaseLost
from wireguard.live_peers import Live, proven, read_live_peers, wanted_peer
from wireguard.models import HubConfig
from wireguard.observations import Observations
from wireguard.repairs import Pace
from wireguard.report import Report
from wireguard.sealing import SealingError
from wireguard.wanted import wanted_firewall, wanted_interface

LOOK_SECONDS = 10.0
# After a newcomer: somebody is watching the dashboard for its first handshake.
LOOK_AFTER_NEWCOMER_SECONDS = 2.0
RETRY_SECONDS = 1.0
UNMANAGED_RETRY_SECONDS = 10.0
# While a look is under way its result is fetched soon; otherwise the agent sleeps until somebody commits.
LOOK_POLL_SECONDS = 0.1

# By hand, for every registration comes through here.
_CHANGES = "SELECT public_key, allowed_ips, live_key FROM peers WHERE generation > %s AND generation <= %s"
_HOLD = "SELECT hold FROM agent_state WHERE id = 1"

log = logging.getLogger("wireguard.agent")

# What can be wrong with the machine or the configuration, as opposed to the database.
Hindrance = (BackendError, DumpError, SealingError)


@dataclass(frozen=True, slots=True)
class TakenLook:
    """What was on the interface, and the generation that had been applied before the look was taken."""

    look: Look
    applied: int
    at: datetime
    started: float  # by the agent's own clock


class Keeper:
    """Keeps one interface, for as long as its agent is in charge; the next time begins with a new keeper.

    Everything it remembers is what only the agent in charge can know. `looker` takes the looks, one at a time.
    """

    def __init__(
        self, service: WireGuardService, lease: Lease, looker: ThreadPoolExecutor, *, monotonic: Callable[[], float]
    ) -> None:
        self._service = service
        self._looker = looker
        self._monotonic = monotonic
        self._observations = Observations(lease.fence)
        self._report = Report(lease, monotonic=monotonic)
        self._look: Future[TakenLook] | None = None
        self._next_look = 0.0
        self._last_look: float | None = None
        self._look_hindrance: Exception | None = None
        self._brought_up: WantedInterface | None = None
        self._is_first_start = True
        self._is_held = False
        self._applied = 0
        self._live: Live | None = None
        self._pace = Pace(LOOK_SECONDS)

    def turn(self) -> None:
        """One round: makes the interface right as far as is known, and notes what hinders it."""
        hindrance = self._work_or_hindrance()
        is_up = self._brought_up is not None or (self._is_held and not hindrance)
        self._report.note(hindrance, interface_up=is_up, applied_generation=self._applied)

    @property
    def problem(self) -> str:
        """What hinders it, in a sentence; empty when nothing does."""
        return self._report.row.problem

    @property
    def condition(self) -> str:
        """How it is, in a line for the service manager."""
        if self.problem:
            return self.problem
        if self._is_held:
            return "on hold after a restore"
        return f"{self._brought_up.name} is up" if self._brought_up else "in charge, without an interface so far"

    def pause(self) -> float:
        """For how many seconds there is nothing to do, unless somebody commits."""
        if self.problem:
            return RETRY_SECONDS if self._report.row.is_managing else UNMANAGED_RETRY_SECONDS
        if self._look is not None:
            return LOOK_POLL_SECONDS
        if self._brought_up is None and not self._is_held:  # without a hub so far, there is nothing to look at
            return max(0.0, self._report.next_beat - self._monotonic())
        return max(0.0, min(self._next_look, self._report.next_beat) - self._monotonic())

    @property
    def is_looking(self) -> bool:
        """Whether a look is under way, or seen and not thought about."""
        return self._look is not None

    def wait_for_look(self) -> None:
        """Until the look under way has been taken; the next turn handles what it found."""
        if self._look is not None:
            self._look.exception()

    def distrust_database(self) -> None:
        """What answers next may be another database, and what was to be written down may not have been."""
        self._live = None
        self._next_look = 0.0
        self._report.hurry()

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
        was_there = self._service.is_there(wanted.name)
        if was_there:
            self._refuse_foreign(wanted)
        else:
            self._refuse_too_soon(wanted)
        self._brought_up = None
        live = self._live_peers()
        if _is_on_hold():
            return  # since just now, and then the peers just read are those of the backup
        repair = self._service.bring_up(wanted, live.peers, wanted_firewall(hub))
        self._note_bring_up(wanted, repair, live, was_there=was_there)
        if repair.failure:
            raise repair.failure
        self._brought_up, self._applied = wanted, hub.generation
        if self._is_held:
            self._look = None  # it saw what was before the release
        self._is_first_start = self._is_held = False
        log.info("%s is up with %d peers, generation %d", wanted.name, len(live.peers), hub.generation)

    def _note_bring_up(self, wanted: WantedInterface, repair: Repair, live: Live, *, was_there: bool) -> None:
        """What was put right in bringing it up counts as drift only where an agent had it right before."""
        if Drift(Kind.INTERFACE_GONE) in repair.done:
            self._report.row.interface_up_since = timezone.now()
            if not self._is_first_start:
                self._pace.note(Drift(Kind.INTERFACE_GONE), self._monotonic())
        was_right = not self._is_first_start or (was_there and self._report.row.synced_at is not None)
        if self._is_held or not was_right:
            return
        # What an agent before us had applied: whatever differs from that was somebody else.
        applied = self._report.row.applied_generation if self._is_first_start else self._applied
        # Of the interface's own settings nobody can tell here whether the configuration was changed.
        is_drift = [drift for drift in repair.done if drift.public_key or drift.kind is Kind.INTERFACE_GONE]
        self._report.record_repairs(wanted.name, proven(is_drift, live, applied))

    def _refuse_foreign(self, wanted: WantedInterface) -> None:
        """An interface with somebody else's key, found at the very first start, is not ours to take over."""
        if self._report.row.synced_at is not None:
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
            self._report.tell_differences(differences(peers_found, live.peers, taken.look.seen))
            failure = None
        else:
            found = proven([*taken.look.wrong, *peers_found], live, taken.applied)
            failure = self._repair(wanted, hub, live, found, taken.started)
        self._observations.write(taken.look.seen, live.ids, taken.at, self._seconds_before(taken))
        self._report.count_failures(taken.at)
        self._last_look = taken.started
        self._report.note_look(taken.at)
        problem = taken.look.problem or self._pace.stuck_sentence(wanted.name)
        self._look_hindrance = failure or (BackendError(problem) if problem else None)

    def _live_peers(self) -> Live:
        """Ten thousand rows are not read again while the generation stands still: with it moves every change of them.

        It is read before the rows. The other way round, rows could be older than they say.
        """
        generation = HubConfig.objects.values_list("generation", flat=True).get(id=1)
        if self._live is None or self._live.as_of != generation:
            self._live = read_live_peers(generation)
        return self._live

    def _seconds_before(self, taken: TakenLook) -> float | None:
        """How long before this look the one before it was, which may have been another agent's."""
        if self._last_look is not None:
            return taken.started - self._last_look
        synced_at = self._report.row.synced_at
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
        self._report.record_repairs(wanted.name, self._pace.done(repair.done, started))
        return repair.failure


def _is_on_hold() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_HOLD)
        return bool(cursor.fetchone() == (True,))
