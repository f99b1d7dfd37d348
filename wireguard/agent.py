"""The only writer of the interface, beside which others stand by: who is in charge takes turns until told to stop.

What a turn does is for `keeper` to say. An agent keeps nothing that it could not read again: killed at any instant, the
next start compares and puts right.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import Error as DatabaseTrouble
from django.db import connection

from hubproject.service_manager import Liveness
from wireguard.backends import Backend
from wireguard.interface import InterfaceRefused, WireGuardService
from wireguard.keeper import RETRY_SECONDS, Hindrance, Keeper
from wireguard.lease import Lease, LeaseLost
from wireguard.models import HubConfig
from wireguard.wakeup import Wakeup

STANDBY_SECONDS = 1.0
# Of `run_once`: one look, one more after each repair, and then it ends, whatever there is still to do.
MOST_TURNS_ONCE = 10

log = logging.getLogger(__name__)


class Agent:
    """One process that may act. `run` until told to stop, or `run_once`; `take_down` undoes it all."""

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
        self._keeper = self._new_keeper()

    def _new_keeper(self) -> Keeper:
        return Keeper(self._service, self._lease, self._looker, monotonic=self._monotonic)

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
                self._keeper.distrust_database()
                self._stop.wait(RETRY_SECONDS)
        self._close()
        log.info("agent stopped; the interface stays up")

    def run_once(self) -> str:
        """Brings the interface up, looks once, and returns what hinders it: an empty text when nothing does."""
        self.turn()
        if not self._lease.is_held:
            return f"Another agent is in charge: {self._waits_for}."
        for _ in range(MOST_TURNS_ONCE):
            if not self._keeper.is_looking:
                break
            self._keeper.wait_for_look()
            self.turn()  # may be hindered before it comes to the look, and that for good
        problem = self._keeper.problem
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
        """One round of whoever is in charge; who is not sees whether that has changed."""
        try:
            if self._is_in_charge():
                self._keeper.turn()
        except LeaseLost:
            log.warning("another agent has taken over; this one writes nothing more and stands by")
            self._keeper = self._new_keeper()

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
        return self._keeper.condition if self._lease.is_held else f"stands by: {self._waits_for} is in charge"

    def _pause(self) -> float:
        return self._keeper.pause() if self._lease.is_held else STANDBY_SECONDS


def keep_garbage_collection_rare() -> None:
    """For the process of an agent. A look makes thousands of objects and no cycles of them; left alone, Python would
    search everything ever imported for garbage several times a look, which was a third of its cost."""
    gc.freeze()
    gc.set_threshold(50_000)
