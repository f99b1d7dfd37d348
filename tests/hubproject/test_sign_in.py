"""Signing in with a name and a password: who gets in, what an attacker learns, and how often he may try."""

import re

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.test import Client
from django.urls import NoReverseMatch, reverse

from hubproject.adapters import AccountAdapter
from hubproject.models import Role
from tests.hubproject.conftest import PASSWORD, events, is_signed_in, sign_in, signed_in

pytestmark = pytest.mark.django_db

WRONG = "wrong horse battery"


def without_what_was_typed(page: bytes, name: str) -> str:
    """The page without the form's token and the name that was typed."""
    text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page.decode())
    return text.replace(f'value="{name}"', "")


def test_name_and_password_lead_to_the_dashboard(ada, hub):
    client = Client()
    answer = sign_in(client, "ada")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert client.get("/admin/").status_code == 200


def test_the_case_of_a_name_does_not_matter(ada):
    assert sign_in(Client(), "ADA").status_code == 302


def test_a_sign_in_goes_on_where_it_was_asked_for(ada):
    answer = Client().post("/account/sign-in", {"login": "ada", "password": PASSWORD, "next": "/account"})
    assert answer["Location"] == "/account"


@pytest.mark.parametrize("elsewhere", ["//evil.example/", "https://evil.example/", "javascript:alert(1)", "\\\\evil"])
def test_a_sign_in_leads_to_no_other_site(ada, elsewhere):
    answer = Client().post("/account/sign-in", {"login": "ada", "password": PASSWORD, "next": elsewhere})
    assert answer["Location"] == "/admin/"


def test_the_session_is_new_and_its_cookie_is_out_of_reach(ada):
    client = Client()
    client.session["before"] = True
    client.session.save()
    before = client.cookies["sessionid"].value
    cookie = sign_in(client, "ada").cookies["sessionid"]
    assert cookie.value != before
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"], cookie["max-age"]) == (True, True, "Lax", 28800)


# --- What an attacker learns --------------------------------------------------------------------------------------


def test_an_unknown_name_and_a_wrong_password_get_the_same_answer(ada):
    known, unknown = sign_in(Client(), "ada", WRONG), sign_in(Client(), "bob", WRONG)
    assert known.status_code == unknown.status_code == 200
    assert without_what_was_typed(known.content, "ada") == without_what_was_typed(unknown.content, "bob")
    assert b"That name and password do not match." in known.content


def test_an_unknown_name_costs_as_much_hashing_and_as_many_queries(ada, monkeypatch, count_queries):
    hashed = []
    encode = MD5PasswordHasher.encode

    def note_and_encode(hasher, password, salt):
        hashed.append(password)
        return encode(hasher, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", note_and_encode)
    queries = [count_queries(lambda name=name: sign_in(Client(), name, WRONG)) for name in ("ada", "bob")]
    assert hashed == [WRONG, WRONG]
    assert queries[0] == queries[1]


def test_what_was_typed_as_an_unknown_name_is_kept_nowhere(ada):
    sign_in(Client(), "my secret password", WRONG)
    sign_in(Client(), "ada", WRONG)
    assert [event.object for event in events("sign_in.failed")] == ["(unknown name)", "ada"]


def test_a_deactivated_user_is_not_let_in(ada):
    User.objects.update(is_active=False)
    client = Client()
    assert sign_in(client, "ada")["Location"] == "/account/inactive"
    assert not is_signed_in(client)
    assert client.get("/account/inactive").status_code == 200
    assert [event.event for event in events()][-1] == "sign_in.refused"


# --- How often ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_after_five_wrong_passwords_an_account_waits(ada, name, clock):
    for number in range(5):
        assert b"do not match" in sign_in(Client(), name, WRONG, REMOTE_ADDR=f"192.0.2.{number}").content
    client = Client()
    refused = sign_in(client, name, REMOTE_ADDR="192.0.2.77")
    assert b"Too many attempts" in refused.content
    assert not is_signed_in(client)
    clock.shift(301)
    assert b"Too many attempts" not in sign_in(client, name, REMOTE_ADDR="192.0.2.77").content


def test_the_account_of_another_does_not_wait_with_it(ada, person):
    person("bob")
    for _ in range(6):
        sign_in(Client(), "ada", WRONG)
    assert sign_in(Client(), "bob").status_code == 302


def test_after_ten_wrong_passwords_an_address_waits_and_others_do_not(ada):
    for number in range(10):
        sign_in(Client(), f"somebody{number}", WRONG, REMOTE_ADDR="192.0.2.7")
    assert b"Too many attempts" in sign_in(Client(), "ada", REMOTE_ADDR="192.0.2.7").content
    assert b"Too many attempts" in sign_in(Client(), "ada", REMOTE_ADDR="::ffff:192.0.2.7").content
    assert sign_in(Client(), "ada", REMOTE_ADDR="192.0.2.8").status_code == 302


def test_neighbours_in_one_network_of_ipv6_are_one(ada):
    for number in range(10):
        sign_in(Client(), f"somebody{number}", WRONG, REMOTE_ADDR=f"2001:db8::{number}")
    assert b"Too many attempts" in sign_in(Client(), "ada", REMOTE_ADDR="2001:db8::ffff").content
    assert sign_in(Client(), "ada", REMOTE_ADDR="2001:db8:0:1::1").status_code == 302


def test_behind_a_proxy_the_address_is_the_one_the_proxy_saw(ada, settings):
    settings.HUB_TRUSTED_PROXIES = 1
    for number in range(10):
        forged = f"198.51.100.{number}, 192.0.2.7"
        sign_in(Client(), f"somebody{number}", WRONG, headers={"X-Forwarded-For": forged})
    blocked, other = ({"X-Forwarded-For": f"198.51.100.99, 192.0.2.{number}"} for number in (7, 8))
    assert b"Too many attempts" in sign_in(Client(), "ada", headers=blocked).content
    assert sign_in(Client(), "ada", headers=other).status_code == 302
    assert events("sign_in.succeeded")[-1].source_address == "192.0.2.8"


def test_clients_without_an_address_share_one_count(ada):
    assert sign_in(Client(), "ada", REMOTE_ADDR="").status_code == 302
    for number in range(10):
        sign_in(Client(), f"somebody{number}", WRONG, REMOTE_ADDR="")
    assert b"Too many attempts" in sign_in(Client(), "ada", REMOTE_ADDR="").content


def test_a_flood_is_answered_429_with_a_time_to_wait(ada):
    for _ in range(30):
        answer = sign_in(Client(), "ada")
    assert answer.status_code == 302
    answer = sign_in(Client(), "ada")
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert b"Too many came from this address" in answer.content


# --- No other way in ----------------------------------------------------------------------------------------------


def test_nobody_can_sign_up():
    assert not AccountAdapter().is_open_for_signup(None)
    for path in ("/account/sign-up", "/account/signup", "/accounts/signup/", "/account/sign-in/signup"):
        assert Client().post(path, {"username": "eve", "password1": PASSWORD, "password2": PASSWORD}).status_code == 404
    with pytest.raises(NoReverseMatch):
        reverse("account_signup")
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["account_reset_password", "account_email", "account_confirm_login_code"])
def test_no_email_opens_anything(name):
    with pytest.raises(NoReverseMatch):
        reverse(name)


def test_the_login_of_the_admin_site_is_ours(ada):
    assert Client().get("/admin/login/")["Location"] == "/account/sign-in?next=/admin/"
    client = Client()
    answer = client.post("/admin/login/", {"username": "ada", "password": PASSWORD, "next": "/admin/"})
    assert answer["Location"] == "/account/sign-in?next=/admin/"
    assert not is_signed_in(client)


def test_nobody_becomes_somebody_else_by_the_login_of_the_admin_site(ada, root):
    client = signed_in(ada)
    client.post("/admin/login/", {"username": "root", "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(ada.pk)


def test_a_user_without_the_dashboard_is_refused_not_sent_in_circles(ada):
    client = signed_in(ada)
    User.objects.update(is_staff=False)
    assert client.get("/admin/login/").status_code == 403


# --- The way out, and the record ----------------------------------------------------------------------------------


def test_signing_out_takes_a_press_on_a_button(ada):
    client = signed_in(ada)
    assert client.get("/account/sign-out").status_code == 200
    assert is_signed_in(client)
    assert client.post("/account/sign-out")["Location"] == "/account/sign-in"
    assert not is_signed_in(client)


def test_the_admin_site_signs_out_and_changes_passwords_by_our_pages(ada):
    client = signed_in(ada)
    assert client.get("/admin/password_change/")["Location"] == "/account/password"
    client.post("/admin/logout/")
    assert not is_signed_in(client)


def test_sign_ins_are_recorded_with_their_source(person):
    user = person("ada", Role.OPERATOR)
    sign_in(Client(), "ada", WRONG, REMOTE_ADDR="192.0.2.9", HTTP_USER_AGENT="curl/8")
    signed_in(user).post("/account/sign-out")
    kinds = ["sign_in.failed", "sign_in.succeeded", "signed_out"]
    failed, succeeded, out = events(*kinds)
    assert [failed.event, succeeded.event, out.event] == kinds
    assert (failed.actor, failed.object, failed.source_address, failed.user_agent) == (
        "anonymous",
        "ada",
        "192.0.2.9",
        "curl/8",
    )
    assert (succeeded.actor, succeeded.source_address, succeeded.details) == (
        "ada",
        "127.0.0.1",
        {"methods": ["password"]},
    )
    assert (out.actor, out.object) == ("ada", "ada")


def test_the_form_needs_its_token(ada):
    client = Client(enforce_csrf_checks=True)
    assert sign_in(client, "ada").status_code == 403
