"""What the agent tells the rest of the hub: its row in `agent_state`, and the events of its repairs."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from wireguard import repairs
from wireguard.backends import PrivilegeMissing
from wireguard.drift import Drift, Kind
from wireguard.handshakes import failures_between
from wireguard.lease import Lease
from wireguard.models import AgentState

BEAT_SECONDS = 3.0

log = logging.getLogger("wireguard.agent")


class Report:
    """One agent's, while it is in charge. Whatever it writes raises LeaseLost once another one is."""

    def __init__(self, lease: Lease, *, monotonic: Callable[[], float]) -> None:
        self._lease = lease
        self._monotonic = monotonic
        self._row: AgentState | None = None
        self.next_beat = 0.0  # by the agent's own clock

    @property
    def row(self) -> AgentState:
        """What stands there, and what is to be written there at the next beat."""
        if self._row is None:
            self._row = AgentState.objects.get(id=1)
        return self._row

    def hurry(self) -> None:
        """The next turn is a beat."""
        self.next_beat = 0.0

    def note(self, hindrance: Exception | None, *, interface_up: bool, applied_generation: int) -> None:
        """Writes the row when something of this is news, and every few seconds as a sign of life."""
        known = self.row
        news: dict[str, Any] = {
            "problem": str(hindrance or ""),
            "is_managing": not isinstance(hindrance, PrivilegeMissing),
            "interface_up": interface_up,
            "applied_generation": applied_generation,
        }
        if news["problem"] and news["problem"] != known.problem:
            log.error("%s", news["problem"])
        is_news = any(getattr(known, name) != value for name, value in news.items())
        if not is_news and self._monotonic() < self.next_beat:
            return
        for name, value in news.items():
            setattr(known, name, value)
        carried = ("synced_at", "interface_up_since", "handshake_failures", "failures_counted_until")
        self._lease.renew(**news, **{name: getattr(known, name) for name in carried})
        self.next_beat = self._monotonic() + BEAT_SECONDS

    def note_look(self, at: datetime) -> None:
        """The interface was looked at; written with the next beat, which comes at once."""
        self.row.synced_at = at
        self.hurry()

    def count_failures(self, until: datetime) -> None:
        """Written with the next beat, count and moment together: killed before, an agent counts the same again."""
        if self.row.failures_counted_until:
            self.row.handshake_failures += failures_between(self.row.failures_counted_until, until)
        self.row.failures_counted_until = until

    def tell_differences(self, sentences: list[str]) -> None:
        """Writes down what an admin has to decide on, unless that was done just now."""
        with transaction.atomic():
            self._lease.fence()
            AgentState.objects.filter(id=1, hold=True).exclude(differences=sentences).update(differences=sentences)

    def record_repairs(self, interface: str, drifts: Collection[Drift]) -> None:
        """Counts them and writes an audit event for each kind."""
        if not drifts:
            return
        by_kind: dict[Kind, list[Drift]] = defaultdict(list)
        for drift in drifts:
            by_kind[drift.kind].append(drift)
        sentences = [repairs.sentence(kind, same) for kind, same in by_kind.items()]
        log.warning("repaired %s: %s", interface, "; ".join(sentences))
        now, row = timezone.now(), self.row
        row.drift_repairs = dict(Counter(row.drift_repairs) + Counter(drift.kind.value for drift in drifts))
        row.last_repair, row.last_repair_at = sentences[-1], now
        with transaction.atomic():
            self._lease.fence()
            row.save(update_fields=["drift_repairs", "last_repair", "last_repair_at"])
            for kind, same in by_kind.items():
                repairs.record(interface, kind, same, now)
