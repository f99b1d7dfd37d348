"""What the agent saw of the peers, written in bulk: changed rows only, in short transactions."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from wireguard.dump import SeenInterface, SeenPeer
from wireguard.models import PeerStatus

ROWS_PER_TRANSACTION = 500
_COLUMNS = (
    "peer_id",
    "endpoint",
    "latest_handshake_at",
    "heard_at",
    "transfer_rx",
    "transfer_tx",
    "seen_rx",
    "seen_tx",
)
_POSTGRES_TYPES = ("bigint", "varchar", "timestamptz", "timestamptz", "bigint", "bigint", "bigint", "bigint")


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

    def after(self, seen: SeenPeer, at: datetime) -> "Observed":
        """This row once the peer was seen like that. What was heard before stays heard when counters start anew."""
        handshake_at = datetime.fromtimestamp(seen.latest_handshake, UTC) if seen.latest_handshake else None
        has_received = seen.transfer_rx not in (0, self.seen_rx)
        return Observed(
            self.peer_id,
            seen.endpoint,
            _newer(self.latest_handshake_at, handshake_at),
            _newer(_newer(self.heard_at, handshake_at), at if has_received else None),
            self.transfer_rx + _grown(self.seen_rx, seen.transfer_rx),
            self.transfer_tx + _grown(self.seen_tx, seen.transfer_tx),
            seen.transfer_rx,
            seen.transfer_tx,
        )


def _grown(before: int, now: int) -> int:
    """What was counted since: a counter that is lower than before has begun anew."""
    return now - before if now >= before else now


def _newer(first: datetime | None, second: datetime | None) -> datetime | None:
    return max((moment for moment in (first, second) if moment), default=None)


class Observations:
    """Remembers what stands in the table, so that a look at ten thousand silent peers writes nothing."""

    def __init__(self) -> None:
        self._written: dict[int, Observed] | None = None

    def write(self, seen: SeenInterface, ids: Mapping[str, int], at: datetime) -> int:
        """Writes the rows that changed; `ids` are the live peers by public key. Returns how many rows changed."""
        written = self._known()
        changed = []
        for key, peer_id in ids.items():
            if (peer := seen.peers.get(key)) is None:
                continue
            before = written.get(peer_id) or Observed(peer_id)
            after = before.after(peer, at)
            if after != before:
                changed.append(after)
        for chunk in _chunks(changed):
            _write_rows(chunk)
            written.update((row.peer_id, row) for row in chunk)
        self._written = {peer_id: written[peer_id] for peer_id in ids.values() if peer_id in written}
        return len(changed)

    def _known(self) -> dict[int, Observed]:
        if self._written is None:
            rows = PeerStatus.objects.filter(peer__live_key__isnull=False).values_list(*_COLUMNS)
            self._written = {row[0]: Observed(*row) for row in rows}
        return self._written


def _chunks(rows: Sequence[Observed]) -> Iterator[Sequence[Observed]]:
    return (rows[start : start + ROWS_PER_TRANSACTION] for start in range(0, len(rows), ROWS_PER_TRANSACTION))


def _write_rows(rows: Sequence[Observed]) -> None:
    """One upsert; Django's own bulk calls cost seconds of CPU at ten thousand rows."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_upsert(_ROWS_FROM_ARRAYS), [list(column) for column in zip(*rows, strict=True)])
        else:
            cursor.executemany(_upsert(_ONE_ROW), [tuple(map(_for_sqlite, row)) for row in rows])


_ONE_ROW = f"VALUES ({', '.join(['%s'] * len(_COLUMNS))})"
_ROWS_FROM_ARRAYS = f"SELECT * FROM unnest({', '.join(f'%s::{name}[]' for name in _POSTGRES_TYPES)})"  # noqa: S608 - our own names


def _upsert(rows: str) -> str:
    replaced = ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS[1:])
    into = f"peer_status ({', '.join(_COLUMNS)})"
    return f"INSERT INTO {into} {rows} ON CONFLICT (peer_id) DO UPDATE SET {replaced}"


def _for_sqlite(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
