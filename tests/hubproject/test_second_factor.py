"""Second factors: adding and using them, what they protect, and the setting that requires them."""

import json
import re
from urllib.parse import quote

import pytest
from django.test import Client

from hubproject.accounts import remove_second_factors
from hubproject.models import Role
from tests.conftest import BY_TEST, NOW, assert_refused, is_anywhere
from tests.hubproject.conftest import add_app, code_of, committed, events, is_signed_in, sign_in, signed_in

pytestmark = pytest.mark.django_db

CODE_PAGE = "/account/sign-in/code"


@pytest.fixture
def protected(ada, clock):
    """Ada's app and recovery codes, half a minute after she added them."""
    secret, codes = add_app(signed_in(ada))
    clock.shift(30)
    return secret, codes


def at_the_code() -> Client:
    """A browser in which Ada gave her password."""
    client = Client()
    assert sign_in(client, "ada")["Location"] == CODE_PAGE
    return client


# --- Adding -------------------------------------------------------------------------------------------------------


def test_an_app_is_added_by_a_code_of_it_and_recovery_codes_come_with_it(ada):
    client = signed_in(ada)
    _, codes = add_app(client)
    assert len(set(codes)) == 10
    assert b"Set up 1 March 2026" in client.get("/account").content
    added = events("second_factor.added")
    assert [(event.actor, event.details["kind"]) for event in added] == [("ada", "totp"), ("ada", "recovery_codes")]


def test_a_wrong_code_adds_no_app(ada):
    client = signed_in(ada)
    client.get("/account/app/add")
    assert b"That code is not right" in client.post("/account/app/add", {"code": "000000"}).content
    assert not events("second_factor.added")


def test_the_key_is_shown_as_a_picture_inside_the_page(ada):
    page = signed_in(ada).get("/account/app/add").content.decode()
    assert re.search(r'<img class="qr" src="data:image/svg\+xml;base64,[\w+/=]+"', page)


def test_recovery_codes_are_shown_once(ada):
    client = signed_in(ada)
    _, codes = add_app(client)
    again = client.get("/account/recovery-codes").content.decode()
    assert not any(code in again for code in codes)
    assert "10 of 10 are left" in again


def test_new_recovery_codes_replace_the_old_ones(protected, ada):
    secret, codes = protected
    client = at_the_code()
    client.post(CODE_PAGE, {"code": code_of(secret)})
    with committed():
        shown = client.post("/account/recovery-codes/new", follow=True).content.decode()
    new = re.findall(r"<li>(\d{8})</li>", shown)
    assert len(set(new) - set(codes)) == 10
    assert [event.event for event in events("recovery_codes.renewed")] == ["recovery_codes.renewed"]
    assert b"not right" in at_the_code().post(CODE_PAGE, {"code": codes[0]}).content


# --- Using --------------------------------------------------------------------------------------------------------


def test_the_password_alone_lets_nobody_in(protected):
    client = at_the_code()
    assert not is_signed_in(client)
    assert client.get("/admin/").status_code == 302
    assert_refused(client.get("/api/hub/config"), 401, "NOT_AUTHENTICATED")


def test_the_code_lets_in_and_is_recorded(protected):
    secret, _ = protected
    client = at_the_code()
    assert client.post(CODE_PAGE, {"code": code_of(secret)})["Location"] == "/admin/"
    assert is_signed_in(client)
    assert events("sign_in.succeeded")[-1].details == {"methods": ["password", "totp"]}


def test_a_code_works_once(protected):
    secret, _ = protected
    at_the_code().post(CODE_PAGE, {"code": code_of(secret)})
    client = at_the_code()
    assert b"That code is not right" in client.post(CODE_PAGE, {"code": code_of(secret)}).content
    assert not is_signed_in(client)


@pytest.mark.parametrize("steps", [-2, -1, 1, 2])
def test_a_code_of_another_half_minute_does_not_let_in(protected, steps):
    secret, _ = protected
    client = at_the_code()
    client.post(CODE_PAGE, {"code": code_of(secret, steps=steps)})
    assert not is_signed_in(client)


def test_a_recovery_code_lets_in_once(protected):
    _, codes = protected
    client = at_the_code()
    client.post(CODE_PAGE, {"code": codes[3]})
    assert is_signed_in(client)
    assert b"9 of 10 are left" in client.get("/account").content
    again = at_the_code()
    again.post(CODE_PAGE, {"code": codes[3]})
    assert not is_signed_in(again)


def test_after_five_wrong_codes_the_right_one_waits(protected, clock):
    secret, _ = protected
    client = at_the_code()
    for number in range(5):
        client.post(CODE_PAGE, {"code": f"00000{number}"}, REMOTE_ADDR=f"192.0.2.{number}")
    assert b"Too many attempts" in client.post(CODE_PAGE, {"code": code_of(secret)}).content
    assert not is_signed_in(client)
    assert len(events("second_factor.failed")) == 5
    clock.shift(301)
    client.post(CODE_PAGE, {"code": code_of(secret)})
    assert is_signed_in(client)


def test_a_sign_in_that_waits_too_long_starts_again(protected, clock):
    secret, _ = protected
    client = at_the_code()
    clock.shift(15 * 60 + 1)
    assert client.post(CODE_PAGE, {"code": code_of(secret)})["Location"] == "/account/sign-in"
    assert not is_signed_in(client)


def test_an_admin_can_take_the_second_factors_of_a_user_away(protected, ada):
    assert remove_second_factors(user=ada, by=BY_TEST, now=NOW)
    assert not remove_second_factors(user=ada, by=BY_TEST, now=NOW)
    signed_in(ada)
    assert [event.details for event in events("second_factor.removed")] == [{"kind": "all"}]


def test_no_code_and_no_recovery_code_stands_in_the_audit_log(protected):
    _, codes = protected
    at_the_code().post(CODE_PAGE, {"code": codes[0]})
    assert not any(code in json.dumps([event.details for event in events()]) for code in codes)
    assert not is_anywhere(codes[0])


# --- Confirming ---------------------------------------------------------------------------------------------------

DANGEROUS = ["app/remove", "passkeys/add", "recovery-codes", "recovery-codes/new"]


@pytest.mark.parametrize("path", DANGEROUS)
def test_after_a_quarter_of_an_hour_a_change_of_factors_asks_again(ada, path, clock):
    client = signed_in(ada)
    add_app(client)
    clock.shift(15 * 60 - 1)
    assert client.get(f"/account/{path}").status_code == 200
    clock.shift(2)
    assert client.get(f"/account/{path}")["Location"] == f"/account/confirm?next={quote(f'/account/{path}', safe='')}"


def test_after_a_quarter_of_an_hour_the_first_factor_asks_again_too(ada, clock):
    client = signed_in(ada)
    clock.shift(15 * 60 + 1)
    assert client.get("/account/app/add")["Location"] == "/account/confirm?next=%2Faccount%2Fapp%2Fadd"


def test_a_change_that_was_posted_late_changes_nothing(ada, clock):
    client = signed_in(ada)
    add_app(client)
    clock.shift(15 * 60 + 1)
    client.post("/account/app/remove")
    assert not events("second_factor.removed")


@pytest.mark.parametrize("way", ["password", "code"])
def test_password_or_code_confirm_for_another_quarter_of_an_hour(ada, way, clock):
    client = signed_in(ada)
    secret, _ = add_app(client)
    clock.shift(15 * 60 + 1)
    if way == "password":
        answer = client.post("/account/confirm", {"password": "correct horse battery", "next": "/account/app/remove"})
    else:
        answer = client.post("/account/confirm/code", {"code": code_of(secret), "next": "/account/app/remove"})
    assert answer["Location"] == "/account/app/remove"
    assert client.get("/account/app/remove").status_code == 200
    client.post("/account/app/remove")
    assert {event.details["kind"] for event in events("second_factor.removed")} == {"totp", "recovery_codes"}


def test_a_wrong_password_confirms_nothing(ada, clock):
    client = signed_in(ada)
    clock.shift(15 * 60 + 1)
    assert b"That is not your password" in client.post("/account/confirm", {"password": "wrong"}).content
    assert client.get("/account/app/add")["Location"].startswith("/account/confirm")


# --- Required -----------------------------------------------------------------------------------------------------


@pytest.fixture
def required(settings):
    settings.HUB_REQUIRE_MFA = True


@pytest.mark.parametrize("path", ["/", "/admin/", "/admin/tokens/installationtoken/", "/setup", "/nothing"])
def test_where_it_is_required_every_page_leads_to_adding_one(required, ada, path):
    client = signed_in(ada)
    assert client.get(path)["Location"] == "/account"
    assert b"This hub requires a second factor" in client.get("/account").content


def test_where_it_is_required_a_session_without_is_refused_by_the_api(required, hub, ada):
    body = assert_refused(signed_in(ada).get("/api/hub/config"), 403, "PERMISSION_DENIED")
    assert body["error"] == "This hub requires a second factor, and you have none yet."
    assert "/account" in body["recoveryHint"]


def test_where_it_is_required_an_admins_session_cannot_set_the_hub_up_either(required, root):
    answer = signed_in(root).post("/api/hub/initialize", {}, content_type="application/json")
    assert_refused(answer, 403, "PERMISSION_DENIED")


def test_where_it_is_required_api_keys_and_nobodies_are_served_as_ever(required, hub, viewer):
    assert viewer.get("/api/hub/config").status_code == 200
    assert Client().get("/api/healthz").status_code == 200


def test_with_a_second_factor_everything_opens_at_once(required, hub, ada):
    client = signed_in(ada)
    add_app(client)
    assert client.get("/admin/").status_code == 200
    assert client.get("/api/hub/config").status_code == 200


def test_without_the_setting_nobody_has_to(hub, ada):
    client = signed_in(ada)
    assert client.get("/admin/").status_code == 200
    assert client.get("/api/hub/config").status_code == 200


# --- Passkeys (that they work is shown by a real browser) -----------------------------------------------------------

CLIENT_DATA = "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiQUFBQSIsIm9yaWdpbiI6Imh0dHBzOi8vaHViLmV4YW1wbGUuY29tIn0"
SHAPED = {"clientDataJSON": CLIENT_DATA, "authenticatorData": "A" * 50, "signature": "AAAA"}
USER_HANDLES: list[object] = [None, 5, "MQ", "____", {}, "YQ" * 1000]
NO_PASSKEYS = [
    "",
    "null",
    "[]",
    '"x"',
    "{}",
    '{"id": 1}',
    '{"id": "a", "rawId": "a", "type": "public-key", "response": null}',
    '{"id": "YQ", "rawId": "YQ", "type": "public-key", "response": {}}',
    *(
        json.dumps({"id": "YQ", "rawId": "YQ", "type": "public-key", "response": {**SHAPED, "userHandle": handle}})
        for handle in USER_HANDLES
    ),
    "[" * 5000 + "]" * 5000,
    "1e999",
    "NaN",
]


@pytest.mark.parametrize("sent", NO_PASSKEYS)
def test_what_is_no_passkey_signs_nobody_in(ada, sent):
    client = Client()
    client.get("/account/sign-in/passkey", headers={"Accept": "application/json"})
    assert client.post("/account/sign-in/passkey", {"credential": sent})["Location"] == "/account/sign-in"
    assert not is_signed_in(client)


@pytest.mark.parametrize("sent", NO_PASSKEYS)
def test_what_is_no_passkey_is_not_added(ada, sent):
    client = signed_in(ada)
    client.get("/account/passkeys/add")
    assert client.post("/account/passkeys/add", {"credential": sent}).status_code == 200
    assert not events("second_factor.added")


def test_challenges_are_not_given_out_without_end(db, clock):
    ask = {"Accept": "application/json"}
    assert {Client().get("/account/sign-in/passkey", headers=ask).status_code for _ in range(30)} == {200}
    assert Client().get("/account/sign-in/passkey", headers=ask).status_code == 429
    assert Client().get("/account/sign-in/passkey", headers=ask, REMOTE_ADDR="192.0.2.3").status_code == 200


def test_nobody_touches_the_passkey_of_another(person):
    from allauth.mfa.models import Authenticator

    bob = person("bob", Role.ADMIN)
    his = Authenticator.objects.create(user=bob, type="webauthn", data={"name": "Bob's", "credential": {}})
    client = signed_in(person("ada"))
    for act in ("rename", "remove"):
        assert client.post(f"/account/passkeys/{his.pk}/{act}", {"name": "mine"}).status_code == 404
