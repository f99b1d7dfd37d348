"""The agent as a real process while its database is away: it waits, says so once, and goes on by itself."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import LiveHub, end, live_hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LiveHub]:
    with live_hub(tmp_path) as hub:
        yield hub


def said(hub: LiveHub, text: str) -> int:
    return (hub.home / "log").read_text().count(text)


def test_an_agent_started_without_its_database_waits_says_so_once_and_works_when_it_is_there(hub):
    database, away = hub.home / "database.sqlite", hub.home / "away"
    database.rename(away)
    agent = hub.start_agent()
    hub.wait_for(lambda: said(hub, "the database does not answer, trying again") == 1)
    time.sleep(2.5)
    assert agent.poll() is None
    assert said(hub, "the database does not answer") == 1
    away.replace(database)
    hub.wait_for(lambda: said(hub, "wg0 is up") == 1)
    hub.wait_for(lambda: said(hub, "the database answers again") == 1)


def test_an_agent_without_its_database_ends_cleanly_when_told(hub):
    (hub.home / "database.sqlite").unlink()
    agent = hub.start_agent()
    hub.wait_for(lambda: said(hub, "the database does not answer") == 1)
    end(agent)
    assert agent.returncode == 0
