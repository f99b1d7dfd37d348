"""Adding a spoke by hand: what a hurried or hesitant person does with the page that shows a secret once."""

import re
import secrets
from typing import Any

import pytest

from tests.browser.pages import TOKENS
from tests.journeys.browser import Visitor

ADD = "/admin/add-spoke"


@pytest.fixture
def name() -> str:
    return f"laptop-{secrets.token_hex(4)}"


@pytest.fixture
def operating(visit: Any) -> Visitor:
    return visit("fleet", "operator", permissions=["clipboard-read", "clipboard-write"])


def issue(visitor: Visitor, name: str) -> str:
    """The secret that the page now shows."""
    visitor.open(ADD)
    visitor.page.get_by_label("Name").fill(name)
    visitor.press("Issue install command")
    command = visitor.page.locator("#command-linux").inner_text()
    return re.findall(r"/script/([A-Za-z0-9_-]{43})", command)[0]


def leave(visitor: Visitor, path: str) -> list[str]:
    """Goes there whatever the browser asks; what it asked."""
    asked = []

    def agree(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.accept()

    visitor.page.once("dialog", agree)
    visitor.open(path)
    return asked


def issued_tokens(visitor: Visitor, name: str) -> int:
    leave(visitor, f"{TOKENS}?q={name}")
    return visitor.page.locator(".list tbody tr").count()


def test_a_double_click_issues_once(operating: Visitor, name: str) -> None:
    operating.open(ADD)
    operating.page.get_by_label("Name").fill(name)
    operating.page.get_by_role("button", name="Issue install command").dblclick(no_wait_after=True)
    operating.page.locator("#command-linux").wait_for()
    assert issued_tokens(operating, name) == 1


def test_reload_and_back_issue_nothing_and_show_the_secret_no_more(operating: Visitor, name: str) -> None:
    secret = issue(operating, name)
    operating.page.on("dialog", lambda dialog: dialog.accept())
    operating.page.reload()
    assert secret not in operating.page.content()
    assert operating.page.get_by_text("Reissue it to get a new one").is_visible()
    operating.page.go_back()
    assert secret not in operating.page.content()
    operating.page.go_forward()
    assert secret not in operating.page.content()
    assert issued_tokens(operating, name) == 1


def test_leaving_before_it_is_used_asks_first(operating: Visitor, name: str) -> None:
    issue(operating, name)
    operating.page.locator(".pane:visible summary").click()  # browsers ask only whoever did something
    assert leave(operating, "/admin/") == ["beforeunload"]
    assert leave(operating, ADD) == []


def test_the_secret_is_in_no_address_and_no_storage(operating: Visitor, name: str) -> None:
    secret = issue(operating, name)
    operating.page.wait_for_timeout(1500)  # it is asked for in between how far the machine is
    kept = operating.page.evaluate(
        "JSON.stringify([location.href, history.state, {...localStorage}, {...sessionStorage}, document.cookie,"
        " performance.getEntries().map(entry => entry.name)])"
    )
    assert secret not in kept
    assert secret in operating.page.content()


def test_copy_copies_the_command_and_says_so(operating: Visitor, name: str) -> None:
    secret = issue(operating, name)
    operating.page.locator(".pane:visible > .copy-command").click()
    operating.page.get_by_role("button", name="Copied").wait_for()
    copied = operating.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl -fsS")
    assert secret in copied
    assert "\n" not in copied


@pytest.mark.parametrize("width", [1440, 390])
def test_the_copy_button_of_each_command_can_be_pressed_where_it_is_seen(
    operating: Visitor, name: str, width: int
) -> None:
    operating.page.set_viewport_size({"width": width, "height": 900})
    issue(operating, name)
    for platform in ("Linux", "macOS", "Windows", "Proxmox VE"):
        operating.page.locator(".command-box .choices > label", has_text=platform).click()
        operating.page.locator(".pane:visible summary").click()
        buttons = operating.page.locator(".pane:visible .copy-command").all()
        assert len(buttons) == 2
        for button in buttons:
            button.scroll_into_view_if_needed()
            assert button.evaluate(
                "(button) => { const { x, y, width, height } = button.getBoundingClientRect();"
                " return button.contains(document.elementFromPoint(x + width / 2, y + height / 2)); }"
            )


def test_what_the_machine_does_shows_by_itself_and_the_secret_goes(operating: Visitor, name: str) -> None:
    secret = issue(operating, name)
    operating.page.locator(".pane:visible > .copy-command").click()  # the focus stays on a button that will be gone
    fetched = operating.page.context.request.get(
        f"{operating.base}/api/installation/script/{secret}?platform=linux", headers={"User-Agent": "curl/8"}
    )
    assert fetched.status == 200
    operating.page.get_by_text("The command has been used and cannot be used again.").wait_for(timeout=5000)
    assert secret not in operating.page.content()
    assert operating.page.locator("ol.progress > li.now").inner_text().startswith("Registering")
    assert leave(operating, "/admin/") == []


def test_a_hint_that_was_opened_stays_open(operating: Visitor, name: str) -> None:
    issue(operating, name)
    operating.page.get_by_text("Still waiting after you ran it?").click()
    operating.page.wait_for_timeout(2500)
    assert operating.page.get_by_text("the command works until the script has been fetched").is_visible()


def test_the_keyboard_alone_adds_a_spoke(operating: Visitor, name: str) -> None:
    operating.open("/admin/")
    operating.page.keyboard.press("n")
    operating.page.wait_for_url(f"**{ADD}")
    operating.page.keyboard.type(name)
    operating.page.keyboard.press("Enter")
    operating.page.locator("#command-linux").wait_for()


def test_without_script_the_command_is_there_as_well(visit: Any, name: str) -> None:
    plain = visit("fleet", "operator", java_script_enabled=False)
    assert len(issue(plain, name)) == 43
    assert not plain.page.locator(".copy-command").first.is_visible()
    assert plain.page.get_by_label("Proxmox VE").count() == 1


def test_several_commands_are_saved_as_text(visit: Any, name: str) -> None:
    operating = visit("fleet", "admin")  # who may issue more in an hour than an operator
    operating.open(f"{ADD}/several")
    operating.page.get_by_label("Names").fill(f"{name}-a\n{name}-b")
    operating.press("Issue install commands")
    with operating.page.expect_download() as saved:
        operating.press("Download")
    text = saved.value.path().read_text()
    assert saved.value.suggested_filename == "install-commands.txt"
    assert text.count("curl -fsS") == 2
    assert f"# {name}-a" in text
