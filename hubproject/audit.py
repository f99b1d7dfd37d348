"""The append-only record of who did what, from where. Actor and object are text: rows outlive what they name.

Each row holds the hash of the row before it, and the head (AuditHead) knows the last. What is changed, deleted, moved,
slipped in or cut off afterwards is noticed by `verify_audit`. Whoever can write to the database without its triggers
can also compute a whole new chain; against that only a hash helps that was noted elsewhere.
"""

import hashlib
import ipaddress
import json
import os
import pwd
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, Subquery

from hubproject.models import AuditEvent, AuditHead
from hubproject.statements import find, insert_all, update

# What the first row names as the hash before it.
GENESIS_HASH = "0" * 64
# What PostgreSQL's text and JSON cannot hold: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# How many rows `verify_audit` holds at a time.
_BATCH = 1000
# What reading a row can raise when a column was overwritten with what is no time or no JSON; SQLite keeps anything.
_UNREADABLE = (ValueError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an actor in words (`admin`, `api-key:ci`, `spoke`), the true client address, the user agent."""

    actor: str
    address: str | None = None
    user_agent: str = ""


def command_caller() -> Caller:
    """Who runs a command on the host, by the name of the system's user."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return Caller(actor=f"command:{name}")


# --- Append -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Happening:
    """What is to be recorded: an event about something, by its name. Details hold at most a token's prefix."""

    event: str
    by: Caller
    about: str
    now: datetime
    details: dict[str, Any]


def record(event: str, *, by: Caller, about: str, now: datetime, **details: Any) -> None:
    """Appends one event; see `record_all`."""
    record_all(Happening(event, by, about, now, details))


def record_all(*happenings: Happening) -> None:
    """Appends events inside the transaction of the act itself, last in it.

    It locks the head until that transaction ends. Locks are taken in this order: the HubConfig row, the rows of the
    act, the head; a transaction that locks another row after its event may run into a deadlock.
    """
    with transaction.atomic(savepoint=False):
        head = find(AuditHead, "id", 1, locked=True)
        if head is None:
            raise AuditHead.DoesNotExist
        counts, rows = head.counts or {}, list[AuditEvent]()
        for happening in happenings:
            row = _chained(happening, head)
            head.number, head.hash = row.id, row.hash
            counts[row.event] = counts.get(row.event, 0) + 1
            rows.append(row)
        insert_all(rows)
        update(AuditHead, {"number": head.number, "hash": head.hash, "counts": counts}, where={"id": 1})


def _chained(happening: Happening, last: AuditHead) -> AuditEvent:
    row = AuditEvent(
        id=last.number + 1,
        at=happening.now,
        event=_fit(happening.event, 60),
        actor=_fit(happening.by.actor, 200),
        object=_fit(happening.about, 200),
        source_address=happening.by.address or None,
        user_agent=_fit(happening.by.user_agent, 300),
        details=_storable(happening.details),
        previous_hash=last.hash,
    )
    row.hash = hash_of(row)
    return row


def _fit(text: str, length: int) -> str:
    return _UNSTORABLE.sub("\ufffd", text)[:length]


def _storable(value: Any) -> Any:
    """The value as both engines give it back: fractions become text, for each database has its own idea of them."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, dict):
        return {_storable(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_storable(item) for item in value]
    return _UNSTORABLE.sub("\ufffd", str(value))


def hash_of(row: Any) -> str:
    """What `row.hash` has to be; AuditEvent says how it is made."""
    return _sha256(row.id, _text_after_number(row))


def _sha256(number: int, rest: str) -> str:
    return hashlib.sha256(f"[{number},{rest}".encode("utf-8", "surrogatepass")).hexdigest()


def _text_after_number(row: Any) -> str:
    """The hashed text from the second column on. Numbers stand first so that another one is quickly tried."""
    address = _canonical_address(row.source_address)
    columns = [row.previous_hash, row.at, row.event, row.actor, row.object, address, row.user_agent, row.details]
    return _JSON.encode(columns)[1:]


def _as_text(value: Any) -> str:
    """A moment, or whatever else somebody put into a column of SQLite: it will not match any hash."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return repr(value)


_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_as_text)


def _canonical_address(text: str | None) -> str | None:
    try:
        return str(ipaddress.ip_address(text)) if text else None
    except ValueError:
        return text


# --- Verify -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Breach:
    """The first event of the log that is not as it was written, or is not there; number 0 is the head itself."""

    number: int
    problem: str

    def __str__(self) -> str:
        return f"Event {self.number} {self.problem}" if self.number else f"The head of the log {self.problem}"


@dataclass(frozen=True, slots=True)
class _Link:
    """How far the walk has come: a row that is what its hash says, and what it names as the hash before it."""

    number: int = 0
    hash: str = GENESIS_HASH
    previous_hash: str | None = None


def verify_audit() -> Breach | None:
    """The first event that was altered, moved, slipped in, deleted or cut off; None when the chain is whole.

    Takes no lock and holds a batch of rows at a time. Events appended meanwhile are walked as well.
    """
    last = _Link()
    while head := AuditHead.objects.filter(id=1).first():
        found = _walk(last, head)
        if isinstance(found, Breach):
            return found
        if found.number == last.number:
            return _beyond_the_head()
        last = found
    return Breach(0, "is missing.")


def _walk(last: _Link, head: AuditHead) -> _Link | Breach:
    """Goes on from `last` to the event the head names."""
    for number, row in _rows(last.number, head.number):
        if number != last.number + 1:
            return Breach(last.number + 1, f"is missing: event {number} follows event {last.number}.")
        if problem := _breach_at(number, row, last, head):
            return problem
        assert row is not None  # noqa: S101 - an unreadable row is a breach
        last = _Link(number, row.hash, row.previous_hash)
    if last.number < head.number:
        return Breach(last.number + 1, f"is missing: the log was cut off, it went on to event {head.number}.")
    if last.number == head.number and last.hash != head.hash:
        return Breach(last.number, "is not the one that the head of the log names as the last.")
    return last


def _rows(after: int, until: int) -> Iterator[tuple[int, AuditEvent | None]]:
    """Number and row, in order; None for a row that cannot be read."""
    while after < until:
        rows = AuditEvent.objects.filter(id__gt=after, id__lte=until).order_by("id")[:_BATCH]
        try:
            batch: list[tuple[int, AuditEvent | None]] = [(row.id, row) for row in rows]
        except _UNREADABLE:
            batch = [(number, _readable(number)) for number in rows.values_list("id", flat=True)]
        if not batch:
            return
        yield from batch
        after = batch[-1][0]


def _readable(number: int) -> AuditEvent | None:
    try:
        return AuditEvent.objects.get(id=number)
    except _UNREADABLE:
        return None


def _breach_at(number: int, row: AuditEvent | None, last: _Link, head: AuditHead) -> Breach | None:
    """What is wrong with this row or, as only the next row can tell, with the one before it."""
    if row is None:
        return Breach(number, "has been altered: it cannot be read any more.")
    if row.hash != hash_of(row):
        return _altered_or_moved(number, row, last, head)
    if row.previous_hash == last.hash:
        return None
    if last.number == 0:
        return Breach(number, "has been written anew: the first event follows no other.")
    return Breach(last.number, f"has been written anew: event {number} was chained to another.")


def _altered_or_moved(number: int, row: AuditEvent, last: _Link, head: AuditHead) -> Breach:
    was = _number_when_written(row, head)
    if was is None:
        return Breach(number, "has been altered: it does not match its hash.")
    if was == number - 1 and row.previous_hash == last.previous_hash:
        return Breach(last.number, f"was slipped in: what is now event {number} was written in its place.")
    return Breach(number, f"is out of order: it was written as event {was}.")


def _number_when_written(row: AuditEvent, head: AuditHead) -> int | None:
    """The number with which the row matches its hash; None when its text was altered. Tries them all."""
    rest = _text_after_number(row)
    return next((number for number in range(1, head.number + 1) if _sha256(number, rest) == row.hash), None)


def _beyond_the_head() -> Breach | None:
    """A row that no head ever counted. One statement, so that an event appended at this moment is not taken for one."""
    end = Subquery(AuditHead.objects.filter(id=1).values("number"))
    stray = AuditEvent.objects.filter(Q(id__lt=1) | Q(id__gt=end)).order_by("id").values_list("id", flat=True).first()
    return None if stray is None else Breach(stray, "was slipped in: it lies outside what the head of the log counts.")
