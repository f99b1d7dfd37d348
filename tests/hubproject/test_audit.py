"""The audit log as it is written: what a row holds, that rows are chained, and that nothing can take one back."""

import hashlib
import itertools
import subprocess
import sys
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from hubproject.access import create_api_key, make_setup_code
from hubproject.accounts import create_admin
from hubproject.audit import GENESIS_HASH, Caller, Happening, record, record_all, verify_audit
from hubproject.models import AuditEvent, AuditHead, Role, Setup
from tests.conftest import BY_TEST, NOW, is_anywhere, issue, new_key, register
from tests.copies import database_url
from tokens.services import reissue_token, revoke_token

pytestmark = pytest.mark.django_db
SPOKE = Caller(actor="spoke", address="192.0.2.50", user_agent="curl/7.88.1")
# Whatever a caller may hand in, and what is read back.
AWKWARD = {
    "fraction": 1e22,
    "minus": -0.0,
    "endless": float("nan"),
    "big": 2**70,
    "no": None,
    "yes": True,
    "uuid": UUID(int=7),
    "role": Role.ADMIN,
    "nul": "a\0b",
    "half": "a\ud800b",
    "umlaut": "Zürich 🦊",
    "nested": {"z": [1, (2, 3)], "a": {4: "four"}},
}
AS_READ = {
    **AWKWARD,
    "fraction": "1e+22",
    "minus": "-0.0",
    "endless": "nan",
    "uuid": str(UUID(int=7)),
    "role": "admin",
    "nul": "a\ufffdb",
    "half": "a\ufffdb",
    "nested": {"z": [1, [2, 3]], "a": {"4": "four"}},
}


def note(event="test.noted", *, by=SPOKE, about="alpha", now=NOW, **details) -> AuditEvent:
    """Records an event and gives its row as it is read back."""
    record(event, by=by, about=about, now=now, **details)
    return AuditEvent.objects.get(id=AuditHead.objects.get().number)


def chain() -> list[tuple[int, str, str]]:
    return list(AuditEvent.objects.order_by("id").values_list("id", "previous_hash", "hash"))


# --- What a row holds ---------------------------------------------------------------------------------------------


def test_a_row_says_who_did_what_to_what_and_from_where():
    row = note("spoke.registered", address="10.0.1.5", os="linux")
    assert (row.at, row.event, row.actor, row.object) == (NOW, "spoke.registered", "spoke", "alpha")
    assert (row.source_address, row.user_agent) == ("192.0.2.50", "curl/7.88.1")
    assert row.details == {"address": "10.0.1.5", "os": "linux"}


def test_the_hash_is_made_of_the_documented_text():
    before = note()
    row = note(
        "name.änderung", by=Caller(actor="ä", address="2001:DB8::1"), now=NOW + timedelta(microseconds=7), b=[1], a="é"
    )
    text = (
        f'[2,"{before.hash}","2026-03-01T12:00:00.000007+00:00","name.änderung","ä","alpha",'
        '"2001:db8::1","",{"a":"é","b":[1]}]'
    )
    assert row.hash == hashlib.sha256(text.encode()).hexdigest()


def test_the_same_text_is_read_as_was_written_whatever_a_caller_hands_in():
    row = note(**AWKWARD)
    assert row.details == AS_READ
    assert verify_audit() is None


@pytest.mark.parametrize(
    "address", [None, "", "192.0.2.1", "2001:0DB8:0::00:1", "::ffff:192.0.2.1", "::192.0.2.1", "fe80::1"]
)
def test_every_spelling_of_an_address_can_be_read_back(address):
    note(by=Caller(actor="spoke", address=address))
    assert verify_audit() is None


def test_a_moment_may_come_in_any_time_zone_and_to_the_microsecond():
    east = timezone(timedelta(hours=5, minutes=30))
    row = note(now=datetime(2026, 3, 1, 17, 30, 0, 123456, tzinfo=east))
    assert row.at == NOW + timedelta(microseconds=123456)
    assert verify_audit() is None


def test_what_is_too_long_is_cut_rather_than_refused():
    row = note("e" * 61, by=Caller(actor="a" * 201, user_agent="u" * 301), about="o" * 201)
    assert [len(text) for text in (row.event, row.actor, row.object, row.user_agent)] == [60, 200, 200, 300]
    assert verify_audit() is None


def test_details_never_hold_a_secret(hub):
    secrets = [issued.secret for issued in (issue("alpha"), issue("beta"), issue("gamma"))]
    key = create_api_key(name="ci", role=Role.VIEWER, by=BY_TEST, now=NOW)
    code = make_setup_code(by=BY_TEST, now=NOW)
    create_admin(username="alice", password="correct horse battery", by=BY_TEST, now=NOW)
    assert register(secrets[0]).status_code == 201
    assert register(secrets[0], new_key()).status_code == 410
    tokens = {token.spoke_name: token for token in hub.tokens.all()}
    revoke_token(token_id=tokens["beta"].id, by=BY_TEST, now=NOW)
    assert register(secrets[1]).status_code == 410
    secrets.append(reissue_token(token_id=tokens["gamma"].id, by=BY_TEST, now=NOW).secret)
    assert AuditEvent.objects.count() > 10
    assert not any(is_anywhere(secret) for secret in [*secrets, key, code, "correct horse battery"])


# --- The chain ----------------------------------------------------------------------------------------------------


def test_the_chain_grows_by_one_row_at_a_time_and_the_head_knows_the_last():
    hashes = [note().hash for _ in range(3)]
    assert chain() == [(1, GENESIS_HASH, hashes[0]), (2, hashes[0], hashes[1]), (3, hashes[1], hashes[2])]
    assert AuditHead.objects.values_list("number", "hash").get() == (3, hashes[2])


def test_an_event_takes_three_queries(count_queries):
    with transaction.atomic():
        assert count_queries(lambda: record("test.noted", by=SPOKE, about="alpha", now=NOW)) == 3


class GivenUp(Exception):
    pass


def note_and_give_up() -> None:
    with transaction.atomic():
        note()
        raise GivenUp


def test_several_events_are_several_links_and_move_the_head_once(count_queries):
    both = Happening("test.noted", SPOKE, "alpha", NOW, {"n": 1}), Happening("test.noted", SPOKE, "beta", NOW, {"n": 2})
    note()
    with transaction.atomic():
        assert count_queries(lambda: record_all(*both)) == 3  # the head, both rows, the head
    rows = list(AuditEvent.objects.order_by("-id")[:2])[::-1]
    assert [(row.object, row.details) for row in rows] == [("alpha", {"n": 1}), ("beta", {"n": 2})]
    assert rows[1].previous_hash == rows[0].hash
    assert AuditHead.objects.get().counts["test.noted"] == 3
    assert verify_audit() is None


def test_a_rollback_leaves_no_gap():
    note()
    for _ in range(3):
        with pytest.raises(GivenUp):
            note_and_give_up()
    note()
    assert [number for number, _, _ in chain()] == [1, 2]
    assert verify_audit() is None


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_row_and_head_still_move_together():
    def fail_at_the_head(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "audit_head" in sql:
            raise GivenUp
        return execute(sql, params, many, context)

    note()
    with pytest.raises(GivenUp), connection.execute_wrapper(fail_at_the_head):
        note()
    assert len(chain()) == 1
    assert verify_audit() is None


@pytest.mark.django_db(transaction=True)
def test_a_caller_cannot_swallow_a_failed_event_and_commit_the_act():
    note()
    AuditHead.objects.update(number=0)  # so that the next number is taken
    with transaction.atomic():
        Setup.objects.create(code_hash="", code_made_at=NOW)
        with suppress(IntegrityError):
            note()
    assert not Setup.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_eight_processes_write_one_chain_without_a_gap():
    note()
    writers = [start_writer(f"writer-{number}", events=30) for number in range(8)]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 8
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    outcomes = [writer.communicate(timeout=600) for writer in writers]
    assert [(writer.returncode, errors) for writer, (_, errors) in zip(writers, outcomes, strict=True)] == [(0, "")] * 8
    rows = chain()
    assert [number for number, _, _ in rows] == list(range(1, 8 * 20 + 2))
    assert all(before[2] == after[1] for before, after in itertools.pairwise(rows))
    assert verify_audit() is None
    actors = list(AuditEvent.objects.order_by("id").values_list("actor", flat=True))
    assert sum(one != other for one, other in itertools.pairwise(actors)) > 8, "the writers never met"


def start_writer(name: str, *, events: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.hubproject.audit_writer", name, str(events)]
    pipe = subprocess.PIPE
    environment = {"DATABASE_URL": database_url(), "PATH": ""}
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


# --- What the database refuses ------------------------------------------------------------------------------------

REFUSED = {
    "change": "UPDATE audit_events SET actor = 'nobody' WHERE id = 2",
    "change of the number": "UPDATE audit_events SET id = 9 WHERE id = 2",
    "change of all": "UPDATE audit_events SET details = '{}'",
    "deletion": "DELETE FROM audit_events WHERE id = 3",
    "deletion of all": "DELETE FROM audit_events",
    "deletion of the head": "DELETE FROM audit_head",
    "second head": "INSERT INTO audit_head (id, number, hash) VALUES (2, 0, '')",
    "second event of that number": (
        "INSERT INTO audit_events (id, at, event, actor, object, user_agent, details, previous_hash, hash)"
        " SELECT id, at, event, actor, object, user_agent, details, previous_hash, hash FROM audit_events WHERE id = 2"
    ),
}
REFUSED_BY_SQLITE = {"replacement": REFUSED["second event of that number"].replace("INSERT", "INSERT OR REPLACE")}
REFUSED_BY_POSTGRESQL = {
    "emptying": "TRUNCATE audit_events",
    "emptying of the head": "TRUNCATE audit_head",
    "emptying of both": "TRUNCATE audit_events, audit_head",
    "replacement": REFUSED["second event of that number"] + " ON CONFLICT (id) DO UPDATE SET actor = 'nobody'",
}


REFUSED_HERE = REFUSED | (REFUSED_BY_POSTGRESQL if connection.vendor == "postgresql" else REFUSED_BY_SQLITE)


@pytest.mark.parametrize("act", REFUSED_HERE)
def test_the_database_refuses(act):
    rows = [note() for _ in range(3)]
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(REFUSED_HERE[act])
    assert list(AuditEvent.objects.order_by("id")) == rows
    assert verify_audit() is None


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        ("change", "audit_events is append-only: no event can be changed"),
        ("deletion", "audit_events is append-only: no event can be deleted"),
        ("deletion of the head", "audit_head is the end of the audit log: it cannot be deleted"),
    ],
)
def test_a_refusal_says_why(act, sentence):
    for _ in range(3):
        note()
    with pytest.raises(IntegrityError, match=sentence), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(REFUSED[act])
