"""Every page of the dashboard, and what has to be so when it is looked at. A new page is added here."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from tests.journeys.browser import Visitor


@dataclass(frozen=True, slots=True)
class Shown:
    """`state` is one of states.py, `role` who looks (empty: nobody signed in), `steps` what to do after opening."""

    name: str
    path: str
    state: str = "fleet"
    role: str = "admin"
    steps: Callable[[Visitor], None] | None = None


AUDIT, KEYS, USERS, HUB = (
    f"/admin/{model}/" for model in ("hubproject/auditevent", "hubproject/apikey", "auth/user", "wireguard/hubconfig")
)
SPOKES, CLUSTERS, TOKENS = (
    f"/admin/{model}/" for model in ("spokes/spoke", "proxmox/cluster", "tokens/installationtoken")
)


def _menu(visitor: Visitor) -> None:
    """On a phone what it offers stands in the navigation."""
    menu = visitor.page.locator("#user-tools summary")
    if menu.is_visible():
        menu.click()


def _shortcuts(visitor: Visitor) -> None:
    visitor.page.keyboard.press("?")


def _first_link(selector: str) -> Callable[[Visitor], None]:
    def follow(visitor: Visitor) -> None:
        visitor.page.locator(selector).first.click()
        visitor.page.wait_for_load_state()

    return follow


def _in_dialog(selector: str) -> Callable[[Visitor], None]:
    def open_dialog(visitor: Visitor) -> None:
        visitor.page.locator(selector).first.click()
        visitor.page.locator("#dialog[open]").wait_for()

    return open_dialog


def _choose(number: int) -> Callable[[Visitor], None]:
    def choose(visitor: Visitor) -> None:
        for box in range(number):
            visitor.page.locator("[name=_selected_action]").nth(box).check()

    return choose


def _remove_chosen(number: int) -> Callable[[Visitor], None]:
    def ask(visitor: Visitor) -> None:
        _choose(number)(visitor)
        visitor.page.locator(".selection [formaction]").click()
        visitor.page.locator("#dialog[open]").wait_for()

    return ask


def _open_menu(visitor: Visitor) -> None:
    visitor.page.locator("tbody details.menu summary").nth(1).click()


def _edit_cluster(visitor: Visitor) -> None:
    visitor.page.locator(".cl-edit summary").click()


def _bare_address(visitor: Visitor) -> None:
    visitor.page.get_by_label("Public endpoint").fill("203.0.113.5")
    visitor.page.locator("#endpoint-warning .note").wait_for()


def _wrong_network(visitor: Visitor) -> None:
    visitor.page.get_by_label("Public endpoint").fill("vpn.example.com")
    visitor.page.get_by_label("VPN network").fill("10.0.1.7/24")
    visitor.press("Continue")
    visitor.page.locator(".field .error").first.wait_for()


def _review(visitor: Visitor) -> None:
    visitor.page.get_by_label("Public endpoint").fill("vpn.example.com")
    visitor.press("Continue")
    visitor.page.get_by_role("heading", name="Review").wait_for()


def _wrong_settings(visitor: Visitor) -> None:
    visitor.page.get_by_label("Public endpoint").fill("vpn")
    visitor.press("Save settings")


def _new_key(visitor: Visitor) -> None:
    visitor.page.get_by_label("Name").fill("ci")
    visitor.press("Make the key")
    visitor.page.wait_for_load_state()


def _wrong_spoke(visitor: Visitor) -> None:
    visitor.page.get_by_label("Name").fill("laptop 114")
    visitor.page.get_by_label("Address").fill("10.1.2.9")
    visitor.press("Issue install command")
    visitor.page.wait_for_load_state()


def _issue(visitor: Visitor) -> None:
    visitor.page.get_by_label("Name").fill(f"laptop-{secrets.token_hex(2)}")
    visitor.press("Issue install command")
    visitor.page.locator(".command-box").wait_for()


def _issue_several(visitor: Visitor) -> None:
    visitor.page.get_by_label("Names").fill("\n".join(f"pve{number}.{secrets.token_hex(2)}" for number in (1, 2, 3)))
    visitor.press("Issue install commands")
    visitor.page.locator("#commands").wait_for()


PAGES = [
    Shown("overview", "/admin/"),
    Shown("overview-empty", "/admin/", state="empty"),
    Shown("overview-viewer", "/admin/", role="viewer"),
    Shown("overview-silent", "/admin/", state="silent"),
    Shown("account-menu", "/admin/", steps=_menu),
    Shown("shortcuts", "/admin/", steps=_shortcuts),
    Shown("nav-open", "/admin/#nav-sidebar"),
    Shown("spokes", SPOKES),
    Shown("spokes-viewer", SPOKES, role="viewer"),
    Shown("spokes-empty", SPOKES, state="empty"),
    Shown("spokes-nothing-found", f"{SPOKES}?search=nobody-has-this-name&status=active"),
    Shown("spokes-by-type", f"{SPOKES}?view=type&search=00"),
    Shown("spokes-selected", SPOKES, steps=_choose(3)),
    Shown("spokes-menu", SPOKES, steps=_open_menu),
    Shown("spoke", SPOKES, steps=_first_link("tbody .name a")),
    Shown("spoke-of-a-cluster", f"{SPOKES}?search=pve2.1.", steps=_first_link("tbody .name a")),
    Shown("spoke-remove", SPOKES, steps=_remove_chosen(1)),
    Shown("spokes-remove", SPOKES, steps=_remove_chosen(12)),
    Shown("clusters", CLUSTERS),
    Shown("clusters-viewer", CLUSTERS, role="viewer"),
    Shown("clusters-nothing-found", f"{CLUSTERS}?search=nobody-has-this-name"),
    Shown("cluster-edit", f"{CLUSTERS}?search=edge", steps=_edit_cluster),
    Shown("clusters-empty", CLUSTERS, state="empty"),
    Shown("tokens", TOKENS),
    Shown("tokens-empty", TOKENS, state="empty"),
    Shown("token-waiting", f"{TOKENS}?state=issued", steps=_first_link("tbody .name a")),
    Shown("token-fetched", f"{TOKENS}?state=claimed", steps=_first_link("tbody .name a")),
    Shown("token-stopped", f"{TOKENS}?state=stopped", steps=_first_link("tbody .name a")),
    Shown("token-connected", f"{TOKENS}?state=redeemed", steps=_first_link("tbody .name a")),
    Shown("token-revoke", f"{TOKENS}?state=issued", steps=_in_dialog("[data-dialog]")),
    Shown("add-spoke", "/admin/add-spoke"),
    Shown("add-spoke-wrong", "/admin/add-spoke", steps=_wrong_spoke),
    Shown("add-spoke-issued", "/admin/add-spoke", role="operator", steps=_issue),
    Shown("add-spokes", "/admin/add-spoke/several"),
    Shown("add-spokes-issued", "/admin/add-spoke/several", role="operator", steps=_issue_several),
    Shown("audit", AUDIT),
    Shown("audit-empty", f"{AUDIT}?q=nothing-of-that-name"),
    Shown("event", AUDIT, steps=_first_link("tbody .name a")),
    Shown("users", USERS),
    Shown("user-add", f"{USERS}add/"),
    Shown("user", USERS, steps=_first_link("tbody .name a")),
    Shown("user-delete", f"{USERS}2/delete/"),
    Shown("api-keys", KEYS),
    Shown("api-keys-empty", KEYS, state="empty"),
    Shown("api-key-add", f"{KEYS}add/"),
    Shown("api-key-made", f"{KEYS}add/", state="empty", steps=_new_key),
    Shown("api-key-revoke", KEYS, steps=_in_dialog("[data-dialog]")),
    Shown("settings", HUB),
    Shown("settings-silent", HUB, state="silent"),
    Shown("settings-viewer", HUB, role="viewer"),
    Shown("settings-edit", f"{HUB}edit"),
    Shown("settings-edit-free", f"{HUB}edit", state="empty"),
    Shown("settings-wrong", f"{HUB}edit", state="empty", steps=_wrong_settings),
    Shown("guide", "/admin/guide"),
    Shown("account", "/account"),
    Shown("password", "/account/password"),
    Shown("app-add", "/account/app/add"),
    Shown("sign-out", "/account/sign-out"),
    Shown("sign-in", "/account/sign-in", role=""),
    Shown("error-403", f"{USERS}", role="viewer"),
    Shown("error-404", "/nothing-here"),
    Shown("first-run", "/setup", state="nothing", role=""),
    Shown("wizard-network", "/setup", state="no_hub", steps=_bare_address),
    Shown("wizard-wrong", "/setup", state="no_hub", steps=_wrong_network),
    Shown("wizard-review", "/setup", state="no_hub", steps=_review),
]
# What `make test` looks at, in one look each: the rest is for `make browser`.
SLICE = ["overview", "spokes", "settings-wrong", "api-key-revoke"]
