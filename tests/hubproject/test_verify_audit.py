"""What `verify_audit` finds in a log that somebody changed after taking the triggers away."""

import random
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from hubproject import audit
from hubproject.audit import GENESIS_HASH, Breach, Caller, hash_of, record, verify_audit
from hubproject.models import AuditEvent, AuditHead
from tests.conftest import NOW

pytestmark = pytest.mark.django_db
EVENTS = 30
# How a column is changed, by its name: the row as it is, then the new value.
OTHER_VALUES: dict[str, Callable[[AuditEvent], object]] = {
    "at": lambda row: row.at + timedelta(microseconds=1),
    "event": lambda row: row.event + " ",
    "actor": lambda row: row.actor.upper(),
    "object": lambda row: "",
    "source_address": lambda row: None if row.source_address else "192.0.2.99",
    "user_agent": lambda row: row.user_agent + "x",
    "details": lambda row: row.details | {"size": row.details["size"] + 1},
    "previous_hash": lambda row: "f" * 64,
    "hash": lambda row: "f" * 64,
}


@pytest.fixture
def log(db: None) -> None:
    """Thirty events, and no trigger any more."""
    for number in range(1, EVENTS + 1):
        address = f"192.0.2.{number}" if number % 3 else None
        by = Caller(actor="spoke", address=address, user_agent="curl")
        details = {"size": number, "text": "ä" * number}
        record("test.noted", by=by, about=f"spoke-{number}", now=NOW + timedelta(seconds=number), **details)
    drop_triggers()


def drop_triggers() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP FUNCTION refuse_audit_change CASCADE")
            return
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {name}")


def sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def renumber(number: int, to: int) -> None:
    sql("UPDATE audit_events SET id = %s WHERE id = %s", to, number)


def forge(number: int, previous_hash: str) -> None:
    """A row that never happened, with a hash that fits it."""
    row = AuditEvent(id=number, at=NOW, event="test.noted", actor="spoke", object="forged", previous_hash=previous_hash)
    row.hash = hash_of(row)
    row.save(force_insert=True)


def hash_at(number: int) -> str:
    return AuditEvent.objects.get(id=number).hash if number else GENESIS_HASH


# --- Ways to tamper: each gives the number that has to be named ---------------------------------------------------


def change_a_column(dice: random.Random) -> int:
    number, (column, other) = dice.randint(1, EVENTS), dice.choice(list(OTHER_VALUES.items()))
    row = AuditEvent.objects.filter(id=number)
    row.update(**{column: other(row.get())})
    return number


def change_a_number(dice: random.Random) -> int:
    number = dice.randint(1, EVENTS)
    renumber(number, dice.choice([-number, 0, EVENTS + number]))
    return number


def rewrite(dice: random.Random) -> int:
    """Another text and, by one who knows how, the hash that fits it."""
    row = AuditEvent.objects.get(id=dice.randint(1, EVENTS))
    row.actor = "nobody"
    AuditEvent.objects.filter(id=row.id).update(actor=row.actor, hash=hash_of(row))
    return row.id


def delete_a_row(dice: random.Random) -> int:
    number = dice.randint(1, EVENTS)
    sql("DELETE FROM audit_events WHERE id = %s", number)
    return number


def delete_a_row_and_close_the_gap(dice: random.Random) -> int:
    number = delete_a_row(dice)
    for later in range(number + 1, EVENTS + 1):
        renumber(later, later - 1)
    return number


def swap_two_rows(dice: random.Random) -> int:
    one, other = sorted(dice.sample(range(1, EVENTS + 1), 2))
    renumber(one, 0)
    renumber(other, one)
    renumber(0, other)
    return one


def insert_a_forged_row(dice: random.Random) -> int:
    number = dice.randint(1, EVENTS)
    for later in range(EVENTS, number - 1, -1):
        renumber(later, later + 1)
    forge(number, hash_at(number - 1))
    return number


def replace_a_row(dice: random.Random) -> int:
    number = delete_a_row(dice)
    forge(number, hash_at(number - 1))
    return number


def add_a_forged_row(dice: random.Random) -> int:
    number = dice.choice([0, -5, EVENTS + 1, EVENTS + 9])
    forge(number, hash_at(EVENTS))
    return number


def cut_the_tail(dice: random.Random) -> int:
    number = dice.randint(1, EVENTS)
    sql("DELETE FROM audit_events WHERE id >= %s", number)
    return number


def cut_the_tail_and_set_the_head_back(dice: random.Random) -> int:
    """To a number whose hash the attacker does not put beside it: what is left does not fit."""
    number = cut_the_tail(dice) - 1
    AuditHead.objects.update(number=number)
    return number


def move_the_head(dice: random.Random) -> int:
    to = dice.choice([number for number in range(EVENTS + 9) if number != EVENTS])
    AuditHead.objects.update(number=to)
    return min(to, EVENTS + 1)


def change_the_heads_hash(dice: random.Random) -> int:
    AuditHead.objects.update(hash=hash_at(dice.randint(0, EVENTS - 1)))
    return EVENTS


def delete_the_head(dice: random.Random) -> int:
    sql("DELETE FROM audit_head")
    return 0


WAYS = [
    change_a_column,
    change_a_number,
    rewrite,
    delete_a_row,
    delete_a_row_and_close_the_gap,
    swap_two_rows,
    insert_a_forged_row,
    replace_a_row,
    add_a_forged_row,
    cut_the_tail,
    cut_the_tail_and_set_the_head_back,
    move_the_head,
    change_the_heads_hash,
    delete_the_head,
]


def found_after(tamper: Callable[[random.Random], int], dice: random.Random) -> tuple[int, Breach | None]:
    """The number that should be named, and the breach that is; the log is whole again afterwards."""
    with transaction.atomic():
        expected, found = tamper(dice), verify_audit()
        transaction.set_rollback(True)
    return expected, found


# --- The tests ----------------------------------------------------------------------------------------------------


def test_an_untouched_log_is_intact(log):
    assert verify_audit() is None


def test_an_empty_log_is_intact(db):
    assert verify_audit() is None


@pytest.mark.parametrize("batch", [1000, 7])
def test_of_a_hundred_random_tamperings_each_is_named_with_the_right_row(log, monkeypatch, batch):
    monkeypatch.setattr(audit, "_BATCH", batch)
    dice = random.Random(batch)  # noqa: S311 - dice, no secret
    for number in range(100):
        way = WAYS[number % len(WAYS)]
        expected, found = found_after(way, dice)
        assert found is not None, f"{number}: {way.__name__} of {expected} was not noticed"
        assert found.number == expected, f"{number}: {way.__name__} of {expected} was taken for: {found}"
    assert verify_audit() is None


@pytest.mark.parametrize("column", sorted(OTHER_VALUES))
@pytest.mark.parametrize("number", [1, 17, EVENTS])
def test_a_change_of_any_column_is_named(log, column, number):
    row = AuditEvent.objects.filter(id=number)
    row.update(**{column: OTHER_VALUES[column](row.get())})
    assert verify_audit() == Breach(number, "has been altered: it does not match its hash.")


def test_every_column_of_the_table_is_tried():
    assert OTHER_VALUES.keys() | {"id"} == {field.name for field in AuditEvent._meta.get_fields()}


def said_after(statement: str, *values: object) -> str:
    sql(statement, *values)
    return str(verify_audit())


def test_it_says_what_is_wrong_with_a_missing_row(log):
    assert said_after("DELETE FROM audit_events WHERE id IN (7, 8)") == ("Event 7 is missing: event 9 follows event 6.")


def test_it_says_what_is_wrong_with_a_cut_log(log):
    assert said_after("DELETE FROM audit_events WHERE id > 20") == (
        "Event 21 is missing: the log was cut off, it went on to event 30."
    )


def test_it_says_where_a_moved_row_was(log):
    renumber(4, 0)
    renumber(19, 4)
    renumber(0, 19)
    assert str(verify_audit()) == "Event 4 is out of order: it was written as event 19."


def test_it_says_that_a_rewritten_row_is_not_what_the_next_was_chained_to(log):
    number = rewrite(random.Random(3))  # noqa: S311 - dice, no secret
    assert number < EVENTS
    assert str(verify_audit()) == f"Event {number} has been written anew: event {number + 1} was chained to another."


def test_a_missing_head_is_named(log):
    assert said_after("DELETE FROM audit_head") == "The head of the log is missing."


def test_the_first_of_several_is_named(log):
    sql("DELETE FROM audit_events WHERE id = 20")
    sql("UPDATE audit_events SET actor = 'nobody' WHERE id IN (11, 25)")
    assert verify_audit().number == 11


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL keeps no such value in such a column")
@pytest.mark.parametrize(
    "change",
    ["at = 'yesterday'", "at = 5", "details = 'NaN'", "details = '{'", "details = '\"\\ud800\"'", "actor = x'ff'"],
)
def test_a_row_that_cannot_be_read_is_named(log, change):
    sql("PRAGMA ignore_check_constraints = on")
    try:
        sql(f"UPDATE audit_events SET {change} WHERE id = 12")  # noqa: S608 - ours
        assert verify_audit().number == 12
    finally:
        sql("PRAGMA ignore_check_constraints = off")


def test_what_is_appended_while_it_walks_is_walked_too(log, monkeypatch):
    monkeypatch.setattr(audit, "_BATCH", 10)
    seen: list[str] = []

    def append_now_and_then(execute, statement, params, many, context):
        if '"audit_events"' in statement and len(seen) < 3 and statement.startswith("SELECT"):
            seen.append(statement)
            record("test.noted", by=Caller(actor="spoke"), about="late", now=NOW)
        return execute(statement, params, many, context)

    with connection.execute_wrapper(append_now_and_then):
        assert verify_audit() is None
    assert AuditEvent.objects.count() == EVENTS + 3


def test_it_holds_one_batch_of_rows_at_a_time(log, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(audit, "_BATCH", 10)
    with django_assert_num_queries(3 + 3):  # three batches; the head, the head again, what lies beyond it
        assert verify_audit() is None


def test_the_command_counts_the_events_of_a_whole_log(log):
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert out.getvalue() == "30 events, chain intact\n"


def test_the_command_fails_with_one_line_that_names_the_row(log):
    sql("UPDATE audit_events SET object = 'other' WHERE id = 17")
    with pytest.raises(CommandError) as refusal:
        call_command("verify_audit")
    assert (str(refusal.value), refusal.value.returncode) == (
        "Event 17 has been altered: it does not match its hash.",
        1,
    )
