"""What the agent saw of the peers, written in bulk: changed rows only, in short transactions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from django.db import connection, transaction

from hubproject.liveness import ACTIVE_WITHIN
from wireguard.dump import SeenInterface, SeenPeer
from wireguard.handshakes import add_intervals
from wireguard.models import AgentState, PeerStatus, TrafficSample

ROWS_PER_TRANSACTION = 500
SAMPLES_KEPT = timedelta(days=7)
SAMPLES_PER_DELETION = 100
# A tunnel's own talk, handshakes and keepalives, is slower than this and counts as silence: else a row of every
# idle peer would change at every look.
TALK_BYTES_A_SECOND = 100
# Clocks that are kept right are moved by less.
_SLACK = timedelta(seconds=5)
# What a bigint holds, and what no interface moves between two looks.
_LARGEST = 2**63 - 1
_MOST_IN_A_LOOK = 2**53

_POSTGRES_TYPES = {
    "peer_id": "bigint",
    "endpoint": "varchar",
    "latest_handshake_at": "timestamptz",
    "heard_at": "timestamptz",
    "transfer_rx": "bigint",
    "transfer_tx": "bigint",
    "seen_rx": "bigint",
    "seen_tx": "bigint",
    "rate_rx": "bigint",
    "rate_tx": "bigint",
}
_COLUMNS = tuple(_POSTGRES_TYPES)


class Moment:
    """When a look was taken, and how long after the one before it, with what follows from that for every peer."""

    def __init__(self, at: datetime, seconds: float | None) -> None:
        self.at = at
        self.seconds = seconds
        self.is_soon = seconds is not None and seconds < ACTIVE_WITHIN.total_seconds()
        self._latest = at + _SLACK
        self._latest_stamp = self._latest.timestamp()
        self._stale = at - ACTIVE_WITHIN
        # Of thousands of peers many have shaken hands in the same second: one object, and one text of it, serves all.
        self._handshakes: dict[int, datetime | None] = {}

    def handshake_at(self, stamp: int) -> datetime | None:
        """The moment of a stamp, in seconds since the epoch; None for never and for the future."""
        if stamp not in self._handshakes:
            is_fit = 0 < stamp <= self._latest_stamp
            self._handshakes[stamp] = min(datetime.fromtimestamp(stamp, UTC), self.at) if is_fit else None
        return self._handshakes[stamp]

    def unless_future(self, then: datetime | None) -> datetime | None:
        """`then`, or a moment that is too old to matter."""
        return self._stale if then and then > self._latest else then


class Observed(NamedTuple):
    """One row of `peer_status`, in the order of its columns."""

    peer_id: int
    endpoint: str | None = None
    latest_handshake_at: datetime | None = None
    heard_at: datetime | None = None
    transfer_rx: int = 0
    transfer_tx: int = 0
    seen_rx: int = 0
    seen_tx: int = 0
    rate_rx: int | None = None
    rate_tx: int | None = None

    def after(self, seen: SeenPeer, moment: "Moment") -> "Observed":
        """This row once the peer was seen like that.

        What was heard stays heard, and what was counted stays counted, when the interface's counters start anew. When
        the clock was set back, what lies in the future is no sign of life: whoever is there is heard again soon.
        """
        peer_id, _, shaken_at, heard_at, rx, tx, seen_rx, seen_tx, rate_rx, rate_tx = self
        _, endpoint, _, handshake, transfer_rx, transfer_tx, _, _ = seen
        handshake_at = moment.handshake_at(handshake)
        received, sent = _grown(seen_rx, transfer_rx), _grown(seen_tx, transfer_tx)
        return Observed(
            peer_id,
            endpoint,
            _newer(moment.unless_future(shaken_at), handshake_at),
            # After a longer absence of the agent, nobody knows when the bytes came.
            moment.at if received and moment.is_soon else _newer(moment.unless_future(heard_at), handshake_at),
            rx + received,
            tx + sent,
            min(transfer_rx, _LARGEST),
            min(transfer_tx, _LARGEST),
            _rate(received, moment.seconds, rate_rx),
            _rate(sent, moment.seconds, rate_tx),
        )


_RECEIVED, _SENT = attrgetter("transfer_rx"), attrgetter("transfer_tx")


def _newer(first: datetime | None, second: datetime | None) -> datetime | None:
    return max(first, second) if first and second else first or second


def _grown(before: int, now: int) -> int:
    """What was counted since: a counter that is lower than before has begun anew. Petabytes in one look are a fault."""
    grown = now - before if now >= before else now
    return grown if grown < _MOST_IN_A_LOOK else 0


def _rate(count: int, seconds: float | None, before: int | None) -> int | None:
    """Bytes a second; unknown until there was traffic between two looks."""
    if not count:
        return before and 0
    if not seconds:
        return None
    rate = int(count / seconds)
    return rate if rate >= TALK_BYTES_A_SECOND else 0


class Observations:
    """Remembers what stands in the table, so that a look at ten thousand silent peers writes nothing.

    `fence` is called first in every transaction, and refuses by raising.
    """

    def __init__(self, fence: Callable[[], None]) -> None:
        self._fence = fence
        self._written: dict[int, Observed] | None = None
        self._seen: dict[str, SeenPeer] = {}
        self._seen_at: datetime | None = None
        self._moving: set[str] = set()  # whose rates are not zero: without news, they become so
        self._sampled: datetime | None = None

    def write(self, seen: SeenInterface, ids: Mapping[str, int], at: datetime, seconds: float | None) -> int:
        """Writes the rows that changed; `ids` are the live peers by public key. Returns how many rows changed.

        `seconds`: how long ago the look before was; None when there was none.
        """
        written, unchanged, moment = self._known(), self._seen_before(at), Moment(at, seconds)
        changed, moving = [], self._moving & seen.peers.keys()
        # What the last dump said word for word is mostly the same object: with nearly all of ten thousand, that is all.
        news = [key for key, peer in seen.peers.items() if unchanged.get(key) is not peer or key in moving]
        for key in news:
            peer, peer_id = seen.peers[key], ids.get(key)
            if peer_id is None:
                continue
            before = written.get(peer_id) or Observed(peer_id)
            after = before.after(peer, moment)
            if after != before:
                changed.append(after)
            if after.rate_rx or after.rate_tx:
                moving.add(key)
            else:
                moving.discard(key)
        changed.sort()  # by peer, as they lie in the table
        for chunk in _chunks(changed):
            self._write_chunk(chunk, written, moment)
        if not changed:
            self._write_chunk((), written, moment)
        self._written = {peer_id: written[peer_id] for peer_id in ids.values() if peer_id in written}
        self._seen, self._seen_at, self._moving = seen.peers, at, moving
        return len(changed)

    def _seen_before(self, at: datetime) -> dict[str, SeenPeer]:
        """The last look's peers; none when the clock was set back since: then every moment has to be judged anew."""
        return self._seen if self._seen_at and self._seen_at <= at else {}

    def _known(self) -> dict[int, Observed]:
        if self._written is None:
            rows = PeerStatus.objects.filter(peer__live_key__isnull=False).values_list(*_COLUMNS)
            self._written = {row[0]: Observed(*row) for row in rows}
        return self._written

    def _write_chunk(self, rows: Sequence[Observed], written: dict[int, Observed], moment: Moment) -> None:
        """Rows and the traffic they brought in one transaction: whatever is cut short, nothing is counted twice."""
        before = [written.get(row.peer_id) or Observed(row.peer_id) for row in rows]
        received = sum(map(_RECEIVED, rows)) - sum(map(_RECEIVED, before))
        sent = sum(map(_SENT, rows)) - sum(map(_SENT, before))
        minute = moment.at.replace(second=0, microsecond=0)
        if not rows and minute == self._sampled:
            return
        with transaction.atomic():
            self._fence()
            if rows:
                _write_rows(rows)
                _add_to_totals(received, sent, _intervals(before, rows) if moment.is_soon else [])
            _add_to_sample(minute, received, sent)
        written.update((row.peer_id, row) for row in rows)
        self._sampled = minute


def _chunks(rows: Sequence[Observed]) -> Iterator[Sequence[Observed]]:
    return (rows[start : start + ROWS_PER_TRANSACTION] for start in range(0, len(rows), ROWS_PER_TRANSACTION))


def _intervals(before: Sequence[Observed], after: Sequence[Observed]) -> list[float]:
    """Seconds between two handshakes of a peer, where a look saw the first and the next look the second."""
    return [
        (new.latest_handshake_at - old.latest_handshake_at).total_seconds()
        for old, new in zip(before, after, strict=True)
        if old.latest_handshake_at and new.latest_handshake_at and new.latest_handshake_at > old.latest_handshake_at
    ]


def _add_to_totals(received: int, sent: int, intervals: Sequence[float]) -> None:
    """In the row that the fence has locked."""
    if received or sent:
        with connection.cursor() as cursor:
            cursor.execute(_ADD_TO_TOTALS, [received, sent])
    if intervals:
        state = AgentState.objects.filter(id=1)
        known = state.values_list("handshake_intervals", flat=True).get()
        state.update(handshake_intervals=add_intervals(known, intervals))


def _add_to_sample(minute: datetime, received: int, sent: int) -> None:
    """A minute comes again when the clock is set back, and several times in each look."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD_TO_SAMPLE, [received, sent, connection.ops.adapt_datetimefield_value(minute)])
        is_new = not cursor.rowcount
    if is_new:
        TrafficSample.objects.create(at=minute, received=received, sent=sent)
        # A little at a time: registrations wait for the same lock.
        old = TrafficSample.objects.filter(at__lt=minute - SAMPLES_KEPT).order_by("at").values_list("id", flat=True)
        TrafficSample.objects.filter(id__in=list(old[:SAMPLES_PER_DELETION])).delete()


# By hand, for a look at ten thousand peers comes through here eight times and more.
_ADD_TO_TOTALS = "UPDATE agent_state SET received = received + %s, sent = sent + %s WHERE id = 1"
_ADD_TO_SAMPLE = "UPDATE traffic_samples SET received = received + %s, sent = sent + %s WHERE at = %s"


def _write_rows(rows: Sequence[Observed]) -> None:
    """Django's own bulk calls cost seconds of CPU at ten thousand rows. Most rows are there already."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_UPSERT_ARRAYS, [list(column) for column in zip(*rows, strict=True)])
            return
        cursor.executemany(_UPDATE_ONE, [_for_sqlite(*row) for row in rows])
        if cursor.rowcount < len(rows):
            cursor.executemany(_UPSERT_ONE, [_for_sqlite(*row) for row in rows])


_ONE_ROW = f"(SELECT {', '.join(f'%s AS {name}' for name in (*_COLUMNS[1:], _COLUMNS[0]))}) AS seen"
_ROWS_FROM_ARRAYS = (
    f"unnest({', '.join(f'%s::{name}[]' for name in _POSTGRES_TYPES.values())}) AS seen ({', '.join(_COLUMNS)})"
)


def _upsert(rows: str) -> str:
    """Only for peers that are live at this moment: one removed since the look is not brought back."""
    columns = ", ".join(_COLUMNS)
    return (
        f"INSERT INTO peer_status ({columns}) SELECT {columns} FROM {rows}"  # noqa: S608 - our own names
        " WHERE EXISTS (SELECT 1 FROM peers WHERE peers.id = seen.peer_id AND live_key IS NOT NULL)"
        f" ON CONFLICT (peer_id) DO UPDATE SET {_assigned('excluded.{}')}"
    )


def _assigned(value: str) -> str:
    return ", ".join(f"{column} = {value.format(column)}" for column in _COLUMNS[1:])


_UPSERT_ONE, _UPSERT_ARRAYS = _upsert(_ONE_ROW), _upsert(_ROWS_FROM_ARRAYS)
_UPDATE_ONE = (
    f"UPDATE peer_status SET {_assigned('%s')} WHERE peer_id = %s"  # noqa: S608 - our own names
    " AND EXISTS (SELECT 1 FROM peers WHERE peers.id = peer_id AND live_key IS NOT NULL)"
)


def _for_sqlite(
    peer_id: int, endpoint: str | None, shaken: datetime | None, heard: datetime | None, *numbers: int | None
) -> tuple[int | str | None, ...]:
    """The values of a row, its key last."""
    return (endpoint, _text(shaken), _text(heard), *numbers, peer_id)


@lru_cache(maxsize=1 << 12)
def _text(moment: datetime | None) -> str | None:
    """As Django writes it, which is in UTC and without saying so, at a tenth of the cost."""
    return moment.replace(tzinfo=None).isoformat(" ") if moment else None
