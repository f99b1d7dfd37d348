"""What wakes the agent, and what it does when nothing can."""

import select
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import psycopg
import pytest
from django.db import connection, transaction

from tests.conftest import BY_TEST, NOW, new_key
from wireguard.postgres import RUSH_PAUSE_SECONDS, PostgresWakeup
from wireguard.services import add_peer, start_hold
from wireguard.wakeup import (
    SQLITE_BUSY_FOR_SECONDS,
    SQLITE_BUSY_POLL_SECONDS,
    SQLITE_POLL_SECONDS,
    SqliteWakeup,
    Wakeup,
    wakeup_for_database,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def wakeup(db) -> Iterator[Wakeup]:
    with closing(wakeup_for_database()) as wakeup:
        yield wakeup


def test_each_engine_has_its_own(wakeup):
    wanted = PostgresWakeup if connection.vendor == "postgresql" else SqliteWakeup
    assert isinstance(wakeup, wanted)


def test_without_news_it_returns_when_the_time_is_over(wakeup):
    stop = threading.Event()
    wakeup.wait(0.2, stop)
    started = time.monotonic()
    wakeup.wait(0.2, stop)
    assert time.monotonic() - started >= 0.19


def test_it_returns_soon_when_told_to_stop(wakeup):
    stop = threading.Event()
    wakeup.wait(0.1, stop)
    threading.Timer(0.1, stop.set).start()
    started = time.monotonic()
    wakeup.wait(30, stop)
    assert time.monotonic() - started < 20


def test_after_news_it_looks_more_often_for_a_while_on_sqlite(wakeup, monkeypatch):
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL tells of its own accord")
    now, pauses = 0.0, list[float]()

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        pauses.append(seconds)

    monkeypatch.setattr("wireguard.wakeup.time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    stop = threading.Event()
    wakeup.wait(1, stop)  # the first sight of the database is news
    wakeup.wait(1, stop)
    often = [pause for pause in pauses if pause == SQLITE_BUSY_POLL_SECONDS]
    assert sum(often) == pytest.approx(SQLITE_BUSY_FOR_SECONDS, abs=0.01)
    assert pauses[: len(often)] == often
    assert set(pauses[len(often) :]) == {SQLITE_POLL_SECONDS}


def somebody_enrols() -> None:
    with transaction.atomic():
        add_peer(public_key=new_key(), allowed_ips="10.0.1.2/32")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [somebody_enrols, lambda: start_hold(by=BY_TEST, now=NOW)], ids=["enrols", "holds"])
def test_what_another_connection_commits_wakes_it_at_once_on_postgresql(hub, wakeup, act, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no notes; tests/journeys/test_processes.py shows its own way")
    stop = threading.Event()
    wakeup.wait(30, stop)  # starts to listen
    never = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: pytest.fail("paused"))
    monkeypatch.setattr("wireguard.postgres.time", never)

    def commit() -> None:
        act()
        connection.close()

    threading.Timer(0.2, commit).start()
    started = time.monotonic()
    wakeup.wait(30, stop)
    assert time.monotonic() - started < 25


@pytest.mark.django_db(transaction=True)
def test_in_a_rush_the_notes_of_a_moment_are_answered_by_one_turn_on_postgresql(hub, wakeup, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite the pause between two looks does that")
    pauses, stop = [], threading.Event()

    def note_is_there() -> None:
        somebody_enrols()
        assert select.select([wakeup._listener.fileno()], [], [], 60)[0]

    def more_come(seconds: float) -> None:
        pauses.append(seconds)
        note_is_there()

    wakeup.wait(30, stop)  # starts to listen
    monkeypatch.setattr("wireguard.postgres.time", SimpleNamespace(monotonic=time.monotonic, sleep=more_come))
    note_is_there()  # while the agent works
    wakeup.wait(30, stop)
    assert pauses == [RUSH_PAUSE_SECONDS]
    started = time.monotonic()
    wakeup.wait(0.2, stop)  # nothing is left
    assert time.monotonic() - started >= 0.19


def test_a_server_that_takes_no_listener_is_polled_instead(monkeypatch):
    # A server out of connections cannot be had for a moment only, so its refusal is put in place.
    def refuse(*_: object) -> None:
        raise psycopg.OperationalError("too many clients already")

    monkeypatch.setattr(PostgresWakeup, "_listen", refuse)
    wakeup = PostgresWakeup()
    started = time.monotonic()
    wakeup.wait(0.1, threading.Event())
    assert 0.09 <= time.monotonic() - started < 25
