"""The list of spokes and the clusters under an operator's hands: by mouse, by keyboard, and without script."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Hubs
from tests.browser.pages import CLUSTERS, SPOKES
from tests.journeys.browser import Visitor

Visit = Callable[..., Visitor]
# A busy machine takes its time to answer what is asked for every five seconds.
NEWS = 30_000


@pytest.fixture
def tell(hubs: Hubs) -> Callable[[str, str], Any]:
    """Lets the agent see a spoke at another endpoint."""

    def tell(name: str, endpoint: str) -> str:
        rows = f"PeerStatus.objects.filter(peer__spoke__name={name!r})"
        code = f"from wireguard.models import PeerStatus; {rows}.update(endpoint={endpoint!r})"
        return hubs["fleet"].web.manage("shell", "--verbosity", "0", "--command", code)

    return tell


def row(visitor: Visitor, name: str) -> Any:
    return visitor.page.get_by_role("row").filter(has=visitor.page.get_by_role("link", name=name, exact=True))


def test_the_list_renews_itself_and_leaves_everything_in_its_place(visit: Visit, tell: Any) -> None:
    visitor = visit("fleet", "operator", viewport={"width": 1440, "height": 900})
    visitor.open(SPOKES)
    box = row(visitor, "db-primary-014").get_by_role("checkbox")
    box.check()
    place = visitor.page.evaluate("window.scrollTo(0, 300), window.scrollY")
    menu = row(visitor, "db-primary-007").locator("details.menu")
    menu.locator("summary").click()
    expect(visitor.page.get_by_text("Paused while a menu is open")).to_be_visible()
    tell("db-primary-007", "198.51.100.99:4444")
    visitor.page.wait_for_timeout(5500)
    assert menu.evaluate("menu => menu.open")
    expect(row(visitor, "db-primary-007")).not_to_contain_text("198.51.100.99:4444")
    visitor.page.keyboard.press("Escape")
    expect(row(visitor, "db-primary-007")).to_contain_text("198.51.100.99:4444", timeout=NEWS)
    expect(visitor.page.get_by_text("Live, ")).to_be_visible()
    expect(box).to_be_checked()
    expect(visitor.page.get_by_text("1 selected")).to_be_visible()
    assert visitor.page.evaluate("window.scrollY") == place


def test_a_spoke_is_cut_off_by_keyboard_alone(visit: Visit) -> None:
    visitor = visit("fleet", "operator", viewport={"width": 1440, "height": 900})
    visitor.open(f"{SPOKES}?search=desk-017")
    keys = visitor.page.keyboard
    row(visitor, "desk-017").get_by_role("checkbox").focus()
    keys.press("Space")
    visitor.page.get_by_role("button", name="Remove…").focus()
    keys.press("Enter")
    dialog = visitor.page.get_by_role("dialog", name="Remove desk-017?")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    keys.press("Escape")
    expect(dialog).not_to_be_visible()
    keys.press("Enter")
    expect(dialog).to_be_visible()
    keys.press("Tab")
    keys.press("Enter")
    expect(visitor.page.get_by_text("desk-017 removed.")).to_be_visible(timeout=NEWS)
    expect(visitor.page.get_by_text("No spoke matches")).to_be_visible()


def test_all_that_match_are_chosen_and_take_their_number(visit: Visit) -> None:
    visitor = visit("fleet", "operator", viewport={"width": 1440, "height": 900})
    visitor.open(SPOKES)
    visitor.page.locator("thead [data-select-all]").check()
    expect(visitor.page.get_by_text("100 selected")).to_be_visible()
    visitor.page.locator("[name=select_across]").check()
    visitor.page.get_by_role("button", name="Remove…").click()
    expect(visitor.page.get_by_label("to remove them")).to_be_focused()
    visitor.page.get_by_label("to remove them").fill("5")
    visitor.page.locator("#dialog .final").click()
    expect(visitor.page.get_by_text("to remove 14", exact=False)).to_be_visible(timeout=NEWS)
    expect(visitor.page.get_by_label("to remove them")).to_be_focused()


def test_without_script_the_same_is_done_by_pages(visit: Visit) -> None:
    visitor = visit("fleet", "operator", java_script_enabled=False)
    visitor.open(f"{SPOKES}?search=studio-01")
    for name in ("studio-012", "studio-019"):
        row(visitor, name).get_by_role("checkbox").check()
    visitor.press("Remove…")
    assert visitor.page.get_by_role("heading", name="Remove 2 spokes?").is_visible()
    visitor.press("Remove 2 spokes")
    assert visitor.path() == f"{SPOKES}?search=studio-01"
    assert "2 spokes removed." in visitor.page.content()
    assert row(visitor, "studio-012").count() == 0


def test_a_cluster_is_described_in_its_place(visit: Visit) -> None:
    visitor = visit("fleet", "operator", viewport={"width": 1440, "height": 900})
    visitor.open(f"{CLUSTERS}?search=edge-site1")
    pencil = visitor.page.locator(".cl-edit summary")
    pencil.click()
    visitor.page.get_by_label("Datacentre").fill("nobody wants this")
    visitor.page.get_by_role("link", name="Cancel").click()
    expect(pencil).to_be_focused()
    pencil.click()
    expect(visitor.page.get_by_label("Datacentre")).to_have_value("Lyon depot")
    visitor.page.get_by_label("Datacentre").fill("Lyon, hall 2")
    visitor.press("Save")
    expect(visitor.page.get_by_text("Lyon, hall 2. Cameras and access control")).to_be_visible(timeout=NEWS)
