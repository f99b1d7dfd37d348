"""The documentation of the REST interface in a real browser, under the product's own content policy."""

from collections.abc import Iterator

import pytest

from hubproject.openapi import document
from tests.journeys.browser import Visitor, Web, browser, running_web

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(tmp_path_factory.mktemp("hub"), HUB_WIREGUARD_BACKEND="wireguard.backends.MemoryBackend") as web:
        yield web


@pytest.fixture(scope="module")
def viewer_key(web: Web) -> str:
    web.manage("init_hub", "--network", "10.0.1.0/24", "--endpoint", "hub.example.com:51820")
    return web.manage("create_api_key", "--role", "viewer", "--name", "docs")


@pytest.fixture
def visitor(web: Web) -> Iterator[Visitor]:
    with browser(web.url) as visitor:
        yield visitor


def open_docs(visitor: Visitor, key: str) -> None:
    visitor.page.set_extra_http_headers({"Authorization": f"Bearer {key}"})
    visitor.open("/api/docs")
    visitor.page.locator(".opblock").first.wait_for()


def test_whoever_is_not_signed_in_is_led_to_where_one_can(visitor):
    visitor.open("/api/docs")
    assert "next=/api/docs" in visitor.path()
    assert visitor.page.locator(".opblock").count() == 0


def test_it_shows_every_call_and_the_browser_complains_of_nothing(web, viewer_key, visitor):
    open_docs(visitor, viewer_key)
    assert visitor.page.locator(".opblock").count() == sum(map(len, document()["paths"].values()))
    assert visitor.page.get_by_role("heading", name="WireGuard hub").is_visible()
    visitor.show("api-docs")
    assert visitor.complaints == []


def test_a_call_opens_with_its_fields_refusals_and_examples(viewer_key, visitor):
    open_docs(visitor, viewer_key)
    visitor.page.locator("#operations-Installation-issueToken .opblock-summary-control").click()
    call = visitor.page.locator("#operations-Installation-issueToken")
    call.get_by_text("SPOKE_NAME_IN_USE").first.wait_for()
    assert call.get_by_text('"spokeName": "laptop-001"').first.is_visible()
    assert call.get_by_text("Needs the role").is_visible()
    visitor.show("api-docs-call")
    assert visitor.complaints == []


def test_whoever_signs_in_comes_back_and_can_try_a_call_that_changes_something(web, viewer_key, visitor):
    web.manage("create_admin", "root", given=f"{PASSWORD}\n")
    visitor.open("/api/docs")
    visitor.fill(Username="root", Password=PASSWORD)
    visitor.press("Sign in")
    call = visitor.page.locator("#operations-Hub-updateHubConfig")
    call.locator(".opblock-summary-control").click()
    call.get_by_role("button", name="Try it out").click()
    call.locator("textarea.body-param__text").fill('{"mtu": 1400}')
    call.get_by_role("button", name="Execute").click()
    call.locator(".live-responses-table").get_by_text('"mtu": 1400').wait_for()
    visitor.show("api-docs-tried")
    assert visitor.complaints == []
