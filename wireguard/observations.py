"""What the agent saw of the peers, written in bulk: changed rows only, in short transactions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F

from hubproject.liveness import ACTIVE_WITHIN
from wireguard.dump import SeenInterface, SeenPeer
from wireguard.models import PeerStatus, TrafficSample

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

    def after(self, seen: SeenPeer, at: datetime, seconds: float | None) -> "Observed":
        """This row once the peer was seen like that, so many seconds after it was seen last.

        What was heard stays heard, and what was counted stays counted, when the interface's counters start anew. When
        the clock was set back, what lies in the future is no sign of life: whoever is there is heard again soon.
        """
        handshake_at = _handshake_at(seen.latest_handshake, at)
        received, sent = _grown(self.seen_rx, seen.transfer_rx), _grown(self.seen_tx, seen.transfer_tx)
        heard_before = _unless_future(self.heard_at, at, at - ACTIVE_WITHIN)
        # After a longer absence of the agent, nobody knows when the bytes came.
        is_heard = received and seconds is not None and seconds < ACTIVE_WITHIN.total_seconds()
        return Observed(
            self.peer_id,
            seen.endpoint,
            _newer(_unless_future(self.latest_handshake_at, at, at - ACTIVE_WITHIN), handshake_at),
            _newer(_newer(heard_before, handshake_at), at if is_heard else None),
            self.transfer_rx + received,
            self.transfer_tx + sent,
            min(seen.transfer_rx, _LARGEST),
            min(seen.transfer_tx, _LARGEST),
            _rate(received, seconds, self.rate_rx),
            _rate(sent, seconds, self.rate_tx),
        )


def _handshake_at(stamp: int, at: datetime) -> datetime | None:
    if not 0 < stamp <= (at + _SLACK).timestamp():
        return None
    return min(datetime.fromtimestamp(stamp, UTC), at)


def _newer(first: datetime | None, second: datetime | None) -> datetime | None:
    return max((moment for moment in (first, second) if moment), default=None)


def _unless_future(moment: datetime | None, at: datetime, instead: datetime) -> datetime | None:
    return instead if moment and moment > at + _SLACK else moment


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
        self._sampled: datetime | None = None

    def write(self, seen: SeenInterface, ids: Mapping[str, int], at: datetime, seconds: float | None) -> int:
        """Writes the rows that changed; `ids` are the live peers by public key. Returns how many rows changed.

        `seconds`: how long ago the look before was; None when there was none.
        """
        written = self._known()
        changed = []
        for key, peer_id in ids.items():
            if (peer := seen.peers.get(key)) is None:
                continue
            before = written.get(peer_id) or Observed(peer_id)
            after = before.after(peer, at, seconds)
            if after != before:
                changed.append(after)
        for chunk in _chunks(changed):
            self._write_chunk(chunk, written, at)
        if not changed:
            self._write_chunk((), written, at)
        self._written = {peer_id: written[peer_id] for peer_id in ids.values() if peer_id in written}
        return len(changed)

    def _known(self) -> dict[int, Observed]:
        if self._written is None:
            rows = PeerStatus.objects.filter(peer__live_key__isnull=False).values_list(*_COLUMNS)
            self._written = {row[0]: Observed(*row) for row in rows}
        return self._written

    def _write_chunk(self, rows: Sequence[Observed], written: dict[int, Observed], at: datetime) -> None:
        """Rows and the traffic they brought in one transaction: whatever is cut short, nothing is counted twice."""
        before = [written.get(row.peer_id) or Observed(row.peer_id) for row in rows]
        received = sum(row.transfer_rx for row in rows) - sum(row.transfer_rx for row in before)
        sent = sum(row.transfer_tx for row in rows) - sum(row.transfer_tx for row in before)
        minute = at.replace(second=0, microsecond=0)
        if not rows and minute == self._sampled:
            return
        with transaction.atomic():
            self._fence()
            if rows:
                _upsert_rows(rows)
            _add_to_sample(minute, received, sent)
        written.update((row.peer_id, row) for row in rows)
        self._sampled = minute


def _chunks(rows: Sequence[Observed]) -> Iterator[Sequence[Observed]]:
    return (rows[start : start + ROWS_PER_TRANSACTION] for start in range(0, len(rows), ROWS_PER_TRANSACTION))


def _add_to_sample(minute: datetime, received: int, sent: int) -> None:
    """A minute comes again when the clock is set back, and several times in each look."""
    sample, is_new = TrafficSample.objects.get_or_create(at=minute, defaults={"received": received, "sent": sent})
    if is_new:
        # A little at a time: registrations wait for the same lock.
        old = TrafficSample.objects.filter(at__lt=minute - SAMPLES_KEPT).order_by("at").values_list("id", flat=True)
        TrafficSample.objects.filter(id__in=list(old[:SAMPLES_PER_DELETION])).delete()
    elif received or sent:
        TrafficSample.objects.filter(id=sample.id).update(received=F("received") + received, sent=F("sent") + sent)


def _upsert_rows(rows: Sequence[Observed]) -> None:
    """Django's own bulk calls cost seconds of CPU at ten thousand rows."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_upsert(_ROWS_FROM_ARRAYS), [list(column) for column in zip(*rows, strict=True)])
        else:
            cursor.executemany(_upsert(_ONE_ROW), [tuple(map(_for_sqlite, row)) for row in rows])


_ONE_ROW = f"(SELECT {', '.join(f'%s AS {name}' for name in _COLUMNS)}) AS seen"
_ROWS_FROM_ARRAYS = (
    f"unnest({', '.join(f'%s::{name}[]' for name in _POSTGRES_TYPES.values())}) AS seen ({', '.join(_COLUMNS)})"
)


def _upsert(rows: str) -> str:
    """Only for peers that are live at this moment: one removed since the look is not brought back."""
    columns = ", ".join(_COLUMNS)
    replaced = ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS[1:])
    return (
        f"INSERT INTO peer_status ({columns}) SELECT {columns} FROM {rows}"  # noqa: S608 - our own names
        " WHERE EXISTS (SELECT 1 FROM peers WHERE peers.id = seen.peer_id AND live_key IS NOT NULL)"
        f" ON CONFLICT (peer_id) DO UPDATE SET {replaced}"
    )


def _for_sqlite(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
