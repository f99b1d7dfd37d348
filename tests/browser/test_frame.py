"""What surrounds every page: keys, menus, colours, copying, and what it says when the hub does not answer."""

import re
from typing import Any

from playwright.sync_api import Request, Route

from tests.browser.pages import HUB, KEYS, SPOKES
from tests.journeys.browser import Visitor

PHONE = {"viewport": {"width": 390, "height": 844}}
NOT_LIVE = "#client-banner .note"


def ask_again(visitor: Visitor) -> None:
    """What the page does by itself when somebody comes back to it."""
    visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def focused(visitor: Visitor) -> str:
    return str(
        visitor.page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
    )


def test_who_is_signed_out_meanwhile_is_told_and_the_page_goes_on_afterwards(visit: Any) -> None:
    visitor = visit("empty")
    visitor.open(HUB)
    cookies = visitor.page.context.cookies()
    visitor.page.context.clear_cookies()
    ask_again(visitor)
    banner = visitor.page.locator(NOT_LIVE)
    banner.wait_for()
    assert banner.inner_text() == "You were signed out. Sign in and this page goes on where it was."
    assert "Hub settings" in visitor.page.locator("h1").inner_text()
    assert banner.get_by_role("link").get_attribute("href") == f"/account/sign-in?next={HUB.replace('/', '%2F')}"
    visitor.page.context.add_cookies(cookies)
    ask_again(visitor)
    banner.wait_for(state="detached")


def test_a_hub_without_its_database_is_told_and_the_banner_leaves_by_itself(visit: Any) -> None:
    visitor = visit("empty")
    visitor.open(HUB)
    visitor.page.route("**/admin/frame", lambda route: route.fulfill(status=503, body="gone"))
    ask_again(visitor)
    visitor.page.locator(NOT_LIVE).wait_for()
    assert "The database is not answering." in visitor.page.locator(NOT_LIVE).inner_text()
    visitor.page.unroute("**/admin/frame")
    visitor.page.locator(NOT_LIVE).wait_for(state="detached", timeout=15_000)


def test_a_hub_that_is_gone_is_told_and_nothing_in_the_page_breaks(visit: Any) -> None:
    visitor = visit("empty")
    visitor.open(HUB)
    held = list[Route]()
    visitor.page.route("**/admin/frame", lambda route: route.abort() if held else held.append(route))
    ask_again(visitor)
    ask_again(visitor)  # while the answer to the first may still come
    while not held:
        visitor.page.wait_for_timeout(50)
    held[0].abort()
    visitor.page.locator(NOT_LIVE).wait_for()
    assert "The hub is not answering." in visitor.page.locator(NOT_LIVE).inner_text()
    visitor.page.evaluate("new Promise(done => setTimeout(done, 200))")
    assert [complaint for complaint in visitor.complaints if "htmx:" not in complaint] == []
    visitor.complaints.clear()  # htmx says so too


def test_a_silent_agent_is_told_on_every_page(visit: Any) -> None:
    visitor = visit("silent")
    for path in (HUB, KEYS):
        visitor.open(path)
        assert re.search(r"The agent has not reported for \d", visitor.page.locator("#banners").inner_text())


def test_keys_lead_to_search_and_to_a_new_spoke_and_are_listed(visit: Any) -> None:
    visitor = visit("empty")
    visitor.open(HUB)
    visitor.page.keyboard.press("?")
    assert visitor.page.locator("#keys").is_visible()
    visitor.page.keyboard.press("Escape")
    visitor.page.keyboard.press("/")
    assert focused(visitor) == "Search the whole fleet"
    visitor.page.keyboard.type("n?/")
    assert visitor.page.get_by_label("Search the whole fleet").input_value() == "n?/"
    visitor.page.keyboard.press("Escape")
    visitor.page.keyboard.press("n")
    visitor.page.wait_for_url("**/admin/add-spoke")


def test_a_viewer_has_no_key_for_what_he_may_not_do(visit: Any) -> None:
    visitor = visit("empty", "viewer")
    visitor.open(HUB)
    visitor.page.keyboard.press("n")
    visitor.page.wait_for_timeout(200)
    assert visitor.path() == HUB


def test_arrows_move_inside_a_menu_and_escape_leads_back(visit: Any) -> None:
    visitor = visit("empty")
    visitor.open(HUB)
    visitor.page.locator("#user-tools summary").focus()
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.press("ArrowDown")
    assert focused(visitor) == "Profile and second factor"
    visitor.page.keyboard.press("ArrowUp")
    assert focused(visitor) == "Sign out"
    visitor.page.keyboard.press("Escape")
    assert focused(visitor) == "Account of root"
    assert not visitor.page.locator("#user-tools .menu-items").is_visible()


def test_the_colours_that_were_chosen_stay(visit: Any) -> None:
    visitor = visit("empty", color_scheme="light")
    visitor.open(HUB)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = visitor.page.evaluate(ground)
    visitor.page.locator("#user-tools summary").click()
    visitor.press("Dark")
    assert visitor.page.evaluate(ground) != light
    visitor.page.reload()
    assert visitor.page.evaluate(ground) != light


def test_a_button_copies_and_says_so(visit: Any) -> None:
    visitor = visit("empty", permissions=["clipboard-read", "clipboard-write"])
    visitor.open(HUB)
    visitor.press("Copy endpoint")
    visitor.page.locator(".copy.copied").wait_for()
    assert visitor.page.evaluate("navigator.clipboard.readText()") == "vpn.example.com:51820"
    assert visitor.page.locator("#said").inner_text() == "Copied"


def test_by_keyboard_alone_a_key_is_revoked_and_what_happens_is_asked_first(visit: Any) -> None:
    visitor = visit("fleet")
    visitor.open(KEYS)
    visitor.page.get_by_role("link", name="Revoke terraform…").focus()
    visitor.page.keyboard.press("Enter")
    visitor.page.locator("#dialog[open]").wait_for()
    assert focused(visitor) == "Cancel"
    visitor.page.keyboard.press("Enter")
    visitor.page.locator("#dialog").wait_for(state="hidden")
    assert focused(visitor) == "Revoke terraform…"
    visitor.page.keyboard.press("Enter")
    visitor.page.locator("#dialog[open]").wait_for()
    visitor.page.keyboard.press("Tab")
    assert focused(visitor) == "Revoke terraform"
    visitor.page.keyboard.press("Enter")
    visitor.page.locator(".toast").wait_for()
    visitor.page.wait_for_load_state()
    assert visitor.page.locator(".toast").inner_text() == "terraform revoked."
    assert visitor.page.get_by_role("link", name="Revoke terraform…").count() == 0


def test_a_question_that_comes_late_does_not_take_the_place_of_the_one_asked_for_since(visit: Any) -> None:
    visitor = visit("fleet")
    visitor.open(SPOKES)
    rows = [visitor.page.locator("tr[data-row]").nth(number) for number in (0, 1)]
    names = [row.locator(".name").inner_text() for row in rows]
    held, ended = list[Route](), list[Request]()

    def hold(route: Route) -> None:  # playwright marks what it calls, and a built-in takes no mark
        held.append(route)

    def note_end(request: Request) -> None:
        ended.append(request)

    first = rows[0].locator("a[data-dialog]").get_attribute("href")
    visitor.page.route(visitor.base + str(first), hold)
    for event in ("requestfinished", "requestfailed"):
        visitor.page.on(event, note_end)
    for row in rows:
        row.locator("summary").click()
        row.locator("a[data-dialog]").click()
    title = visitor.page.locator("#dialog[open] h1")
    title.wait_for()
    assert title.inner_text() == f"Remove {names[1]}?"
    (late,) = held
    late.continue_()
    while late.request not in ended:
        visitor.page.wait_for_timeout(50)
    visitor.page.evaluate("new Promise(done => setTimeout(done, 200))")
    assert title.inner_text() == f"Remove {names[1]}?"
    assert visitor.path() == SPOKES


def test_without_script_the_menu_opens_and_a_key_is_revoked(visit: Any) -> None:
    visitor = visit("fleet", java_script_enabled=False, **PHONE)
    visitor.open(HUB)
    assert not visitor.page.get_by_role("button", name="Copy endpoint").is_visible()
    visitor.follow("Menu")
    visitor.page.locator("#nav-sidebar").get_by_role("link", name="API keys").click()
    visitor.page.get_by_role("link", name="Revoke old-ci…").click()
    assert visitor.page.locator("h1").inner_text() == "Revoke old-ci?"
    visitor.press("Revoke old-ci")
    assert "old-ci revoked." in visitor.page.locator("#messages").inner_text()
