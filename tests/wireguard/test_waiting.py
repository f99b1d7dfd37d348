"""Those who wait for the agent share what one of them reads, and nobody takes for news what was read before."""

import threading
from types import SimpleNamespace

import pytest
from django.db import DatabaseError, connection

from tests.conftest import agent_has_applied
from wireguard import waiting

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def reading() -> waiting._Reading:
    connection.ensure_connection()
    return waiting._Reading()


def test_what_was_read_a_moment_ago_is_not_read_again(reading, clock):
    agent_has_applied(7)
    assert reading.generation() == 7
    agent_has_applied(8)
    clock.now += waiting.READING_HOLDS_SECONDS * 0.9
    assert reading.generation() == 7
    clock.now += waiting.READING_HOLDS_SECONDS * 0.2
    assert reading.generation() == 8


def test_whoever_has_slept_never_takes_what_was_read_before():
    assert waiting.READING_HOLDS_SECONDS < waiting.POLL_SECONDS


def test_a_reading_lasts_from_its_start_however_long_it_took(reading, clock, monkeypatch):
    def slowly() -> int:
        clock.now += waiting.READING_HOLDS_SECONDS
        return next(answers)

    answers = iter([1, 2])
    monkeypatch.setattr(reading, "_read", slowly)
    assert [reading.generation(), reading.generation()] == [1, 2]


def test_a_database_that_does_not_answer_stops_nobody_else(reading, monkeypatch):
    def fail() -> int:
        raise DatabaseError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(reading, "_read", fail)
        with pytest.raises(DatabaseError):
            reading.generation()
    agent_has_applied(3)
    found = []
    after = threading.Thread(target=lambda: found.append(reading._lock.acquire(timeout=60)))
    after.start()
    after.join()
    assert found == [True]
    reading._lock.release()
    assert reading.generation() == 3


def test_one_whose_connection_hangs_holds_up_nobody_else(reading):
    agent_has_applied(5)
    assert reading.generation() == 5
    with reading._lock:  # as it is while somebody reads
        found = []
        other = threading.Thread(target=lambda: found.append(reading.generation()))
        other.start()
        other.join(timeout=60)
        assert found == [5]
