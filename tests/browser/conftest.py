"""One hub for each state, filled once; one browser for all."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.journeys.browser import CHROMIUM, FLAGS, REPOSITORY, Visitor, Web, running_web

IS_WHOLE = "EVERY_PAGE" in os.environ
# What `make test` runs of this folder; the rest is for `make browser`.
SLICE = {
    "test_reload_and_back_issue_nothing_and_show_the_secret_no_more",
    "test_a_page_is_fit_to_be_seen",
    "test_the_list_renews_itself_and_leaves_everything_in_its_place",
    "test_a_spoke_is_cut_off_by_keyboard_alone",
    "test_who_is_signed_out_meanwhile_is_told_and_the_page_goes_on_afterwards",
    "test_by_keyboard_alone_a_key_is_revoked_and_what_happens_is_asked_first",
    "test_a_question_that_comes_late_does_not_take_the_place_of_the_one_asked_for_since",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    left_out = [item for item in items if item.path.is_relative_to(here) and item.originalname not in SLICE]
    if not IS_WHOLE:
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"))


@dataclass
class Filled:
    """A running hub in some state."""

    web: Web
    sessions: dict[str, str]
    looked_at: float = field(default_factory=time.monotonic)

    def keep_young(self) -> None:
        """What was true of agent and spokes a moment ago is true now: these hubs have no agent that would see to it."""
        now = time.monotonic()
        later = f"+{now - self.looked_at:.3f} seconds"
        with sqlite3.connect(Path(self.web.environment["HUB_DATA_DIR"]) / "database.sqlite", timeout=10) as database:
            for table, columns in MOMENTS.items():
                moved = ", ".join(
                    f"{column} = strftime('%Y-%m-%d %H:%M:%f000', {column}, :later)" for column in columns
                )
                database.execute(f"UPDATE {table} SET {moved}", {"later": later})  # noqa: S608 - names from below
        database.close()
        self.looked_at = now


MOMENTS = {"agent_state": ["alive_at", "synced_at"], "peer_status": ["heard_at", "latest_handshake_at"]}


def _in(web: Web, *arguments: str) -> str:
    command = [sys.executable, "-m", "tests.browser.states", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env=web.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Hubs:
    """The hubs by state, each started when it is asked for first."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.stack, self.running = folder, ExitStack(), dict[str, Filled]()
        # More commands are issued here within a minute than an operator may in an hour.
        self.settings = {"RATE_LIMIT_MAX_TOKENS_PER_HOUR": "1000", **settings}
        self.is_over = threading.Event()
        heart = threading.Thread(target=self._beat)
        heart.start()
        self.stack.callback(heart.join)
        self.stack.callback(self.is_over.set)

    def _beat(self) -> None:
        while not self.is_over.wait(2):
            for hub in list(self.running.values()):
                hub.keep_young()

    def __getitem__(self, state: str) -> Filled:
        if state not in self.running:
            home = self.folder / state
            home.mkdir()
            web = self.stack.enter_context(running_web(home, **self.settings))
            self.running[state] = Filled(web, json.loads(_in(web, state)))
        return self.running[state]


@pytest.fixture(scope="package")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hubs]:
    hubs = Hubs(tmp_path_factory.mktemp("hubs"))
    with hubs.stack:
        yield hubs


# Closed when the folder is done: the journeys start browsers of their own, and playwright runs once a process.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, hubs: Hubs) -> Iterator[Any]:
    """A window in which somebody of that role is signed in; the browser may complain of nothing in it."""
    with ExitStack() as stack:
        visitors = []

        def visit(state: str, role: str = "admin", **options: Any) -> Visitor:
            hub = hubs[state]
            context = chromium.new_context(**options)
            stack.callback(context.close)
            if role:
                context.add_cookies([{"name": "sessionid", "value": hub.sessions[role], "url": hub.web.url}])
            visitors.append(Visitor(context.new_page(), hub.web.url))
            return visitors[-1]

        yield visit
        assert [complaint for visitor in visitors for complaint in visitor.complaints] == []
