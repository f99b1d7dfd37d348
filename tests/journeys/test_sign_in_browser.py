"""The first run, signing in and second factors, in a real browser against a real web process.

Every page is pictured in light, dark and on a phone, into `screenshots/`; the browser may complain of nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.browser import CHROMIUM, Visitor, Web, browser, code_of, give_passkey_device, running_web

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
]

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(tmp_path_factory.mktemp("hub")) as web:
        web.manage("create_admin", "root", given=f"{PASSWORD}\n")
        web.manage("init_hub", "--network", "10.0.1.0/24", "--endpoint", "hub.example.com:51820")
        yield web


@pytest.fixture
def visitor(web: Web) -> Iterator[Visitor]:
    with browser(web.url) as visitor:
        yield visitor
        assert visitor.complaints == []


def make(web: Web, name: str) -> None:
    web.manage("create_admin", name, given=f"{PASSWORD}\n")


def sign_in(visitor: Visitor, name: str) -> None:
    visitor.open("/account/sign-in")
    visitor.fill(Username=name, Password=PASSWORD)
    visitor.press("Sign in")


def add_app(visitor: Visitor) -> str:
    """Adds an authenticator app; returns its key."""
    visitor.open("/account/app/add")
    secret = visitor.page.locator(".secret").inner_text()
    visitor.show("app-add")
    visitor.fill(Code=code_of(secret))
    visitor.press("Add app")
    assert visitor.path() == "/account/recovery-codes"
    return secret


def test_the_first_run_makes_an_admin_who_signs_in(tmp_path: Path) -> None:
    with running_web(tmp_path) as web, browser(web.url) as visitor:
        code = web.manage("setup_code")
        visitor.open("/")
        assert visitor.path() == "/setup"
        visitor.show("first-run")
        visitor.fill(Setup_code="wrong")
        visitor.press("Continue")
        assert visitor.page.get_by_label("Setup code").evaluate("field => field === document.activeElement")
        visitor.show("first-run-wrong-code")
        visitor.fill(Setup_code=code)
        visitor.press("Continue")
        visitor.show("first-run-admin")
        visitor.fill(Username="root", Password=PASSWORD, Password_again=PASSWORD)
        visitor.press("Make the admin")
        visitor.show("first-run-network")
        visitor.page.get_by_label("Public endpoint").fill("vpn.example.com")
        visitor.press("Continue")
        visitor.show("first-run-review")
        visitor.press("Set up the hub")
        assert visitor.path() == "/admin/"
        visitor.open("/account/sign-out")
        visitor.press("Sign out")
        visitor.open("/setup")
        visitor.show("first-run-over")
        assert visitor.complaints == []


def test_a_wrong_password_is_told_and_the_name_stays(visitor: Visitor) -> None:
    visitor.open("/admin/")
    visitor.show("sign-in")
    visitor.fill(Username="root", Password="wrong")
    visitor.press("Sign in")
    assert visitor.page.get_by_role("alert").first.inner_text() == "That name and password do not match."
    assert visitor.page.get_by_label("Username").input_value() == "root"
    visitor.show("sign-in-wrong")


def test_an_authenticator_app_is_added_and_then_asked_for(web: Web, visitor: Visitor) -> None:
    make(web, "app")
    sign_in(visitor, "app")
    visitor.open("/account")
    visitor.show("account")
    secret = add_app(visitor)
    visitor.show("recovery-codes")
    visitor.follow("I have saved them")
    visitor.show("account-with-app")
    visitor.press("Sign out")
    sign_in(visitor, "app")
    assert visitor.path() == "/account/sign-in/code"
    visitor.show("second-factor")
    visitor.fill(Code="000000")
    visitor.press("Sign in")
    visitor.show("second-factor-wrong")
    visitor.fill(Code=code_of(secret))
    visitor.press("Sign in")
    assert visitor.path() == "/admin/"


def test_a_passkey_is_a_second_factor_and_signs_in_by_itself(web: Web, visitor: Visitor) -> None:
    make(web, "passkey")
    give_passkey_device(visitor.page.context, visitor.page)
    sign_in(visitor, "passkey")
    visitor.open("/account/passkeys/add")
    visitor.show("passkey-add")
    visitor.press("Add passkey")
    visitor.page.wait_for_url("**/account/recovery-codes")
    visitor.open("/account")
    visitor.show("account-with-passkey")
    visitor.press("Sign out")
    sign_in(visitor, "passkey")
    assert visitor.path() == "/account/sign-in/code"
    visitor.press("Use a passkey")
    visitor.page.wait_for_url("**/admin/")
    visitor.open("/account")
    visitor.press("Sign out")
    visitor.press("Use a passkey")
    visitor.page.wait_for_url("**/admin/")


def test_a_passkey_that_is_refused_is_told_in_words(visitor: Visitor) -> None:
    give_passkey_device(visitor.page.context, visitor.page)  # which knows no passkey yet
    visitor.open("/account/sign-in")
    visitor.press("Use a passkey")
    visitor.page.wait_for_selector("#passkey-said:not(:empty)")
    visitor.show("passkey-refused")


def test_every_page_of_the_account_can_be_shown(web: Web, visitor: Visitor) -> None:
    make(web, "pages")
    sign_in(visitor, "pages")
    add_app(visitor)
    for page in ("password", "confirm", "confirm/code", "app/remove", "recovery-codes/new", "sign-out", "inactive"):
        visitor.open(f"/account/{page}")
        visitor.show(page.replace("/", "-"))


def test_the_admin_site_works_under_the_content_policy(visitor: Visitor) -> None:
    sign_in(visitor, "root")
    for page in ("", "auth/user/", "auth/user/add/", "auth/user/1/change/", "hubproject/auditevent/", "spokes/spoke/"):
        visitor.open(f"/admin/{page}")
        visitor.page.wait_for_load_state("networkidle")


def test_without_script_everything_works_but_passkeys(web: Web) -> None:
    make(web, "plain")
    with browser(web.url, script=False) as visitor:
        sign_in(visitor, "plain")
        assert visitor.path() == "/admin/"
        visitor.open("/account/sign-out")
        visitor.press("Sign out")
        assert not visitor.page.get_by_role("button", name="Use a passkey").is_visible()
        sign_in(visitor, "plain")
        visitor.open("/account/passkeys/add")
        assert not visitor.page.get_by_role("button", name="Add passkey").is_visible()
        assert "Passkeys need JavaScript" in visitor.page.content()


def test_what_the_content_policy_refuses_would_be_heard(web: Web) -> None:
    """Else the silence of the other tests would prove nothing."""
    with browser(web.url) as visitor:
        visitor.open("/account/sign-in")
        visitor.page.evaluate("document.body.setAttribute('style', 'color: red')")
        visitor.page.evaluate("document.body.append(document.createElement('script'))")
        visitor.page.evaluate("document.body.lastChild.append('1')")
        while len(visitor.complaints) < 2:  # each comes when the browser gets to it
            visitor.page.wait_for_event("console")
        assert len(visitor.complaints) == 2
