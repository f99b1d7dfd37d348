"""The wizard's checks follow what is typed: they are of the newest, whatever the network does to the answers."""

from typing import Any

import pytest
from playwright.sync_api import Request, Route

from tests.journeys.browser import Visitor

CHECKS = "**/setup/checks"


class Asked:
    """The requests for checks, each held until a test answers it; and how many have ended, in whatever way."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.held, self.ended = visitor, list[Route](), 0
        visitor.page.route(CHECKS, self._hold)
        for event in ("requestfinished", "requestfailed"):
            visitor.page.on(event, self._end)

    def _hold(self, route: Route) -> None:
        self.held.append(route)

    def _end(self, request: Request) -> None:
        self.ended += request.url.endswith("/setup/checks")

    def type(self, endpoint: str) -> Route:
        """Types it and waits until the page asks for its checks."""
        number = len(self.held)
        self.visitor.page.get_by_label("Public endpoint").fill(endpoint)
        self._until(lambda: len(self.held) > number)
        return self.held[-1]

    def all_ended(self) -> None:
        """The page has had all answers, and the time to show them."""
        self._until(lambda: self.ended == len(self.held))
        self.visitor.page.evaluate("new Promise(done => setTimeout(done, 200))")

    def _until(self, is_so: Any) -> None:
        for _ in range(600):
            if is_so():
                return
            self.visitor.page.wait_for_timeout(50)
        pytest.fail("the page did not ask, or the browser did not end what it asked")


@pytest.fixture
def visitor(visit: Any) -> Visitor:
    visitor: Visitor = visit("no_hub")
    visitor.open("/setup")
    return visitor


def answer(words: str) -> dict[str, str]:
    body = f'<div id="endpoint-warning"></div><aside id="checks"><h2>{words}</h2></aside>'
    return {"content_type": "text/html", "body": body}


def test_an_older_answer_does_not_take_the_place_of_a_newer_one(visitor: Visitor) -> None:
    asked = Asked(visitor)
    first, second = asked.type("old.example.com"), asked.type("new.example.com")
    second.fulfill(**answer("Of the newer"))
    visitor.page.get_by_role("heading", name="Of the newer").wait_for()
    first.fulfill(**answer("Of the older"))
    asked.all_ended()
    assert visitor.page.locator("#checks").inner_text() == "Of the newer"


def test_a_check_that_the_network_loses_troubles_nobody_and_the_next_one_is_shown(visitor: Visitor) -> None:
    asked = Asked(visitor)
    before = visitor.page.locator("#checks").inner_text()
    asked.type("lost.example.com").abort()
    asked.all_ended()
    assert visitor.page.locator("#checks").inner_text() == before
    assert visitor.complaints == []
    asked.type("new.example.com").fulfill(**answer("Of the newer"))
    visitor.page.get_by_role("heading", name="Of the newer").wait_for()
