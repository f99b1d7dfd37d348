"""Fetching the script claims the token: once, by an installer, while it is good, and only when a script comes out."""

import hashlib
from datetime import timedelta

import pytest
from django.test import Client

from hubproject.models import AuditEvent
from tests.conftest import BY_TEST, NOW, assert_refused, everything, issue, new_key, register
from tokens import scripts
from tokens.errors import TokenAlreadyUsed
from tokens.models import InstallationToken
from tokens.services import claim_token, revoke_token

pytestmark = pytest.mark.django_db

DAY = timedelta(hours=24)
MILLISECOND = timedelta(milliseconds=1)
POWERSHELL = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.20348.1"


def path_of(secret: str, query: str = "platform=linux") -> str:
    return f"/api/installation/script/{secret}?{query}"


def fetch(issued, query: str = "platform=linux", **headers: str):
    return Client().get(path_of(issued.secret, query), headers=headers)


def row_of(issued) -> InstallationToken:
    return InstallationToken.objects.get(pk=issued.row.pk)


def assert_still_good(issued) -> None:
    row = row_of(issued)
    assert (row.state, row.claimed_at, row.claimed_from) == ("issued", None, None)
    assert fetch(issued).status_code == 200


# --- Once ---------------------------------------------------------------------------------------------------------


def test_it_serves_the_script_and_claims_the_token(hub):
    issued = issue()
    answer = fetch(issued)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/x-shellscript")
    assert answer["Cache-Control"] == "no-store"
    assert answer.content.startswith(b"#!/bin/sh\n")
    assert issued.secret.encode() in answer.content
    row = row_of(issued)
    assert (row.state, row.claimed_at, row.claimed_from) == ("claimed", NOW, "127.0.0.1")


def test_the_script_is_the_one_whose_checksum_was_given_at_issue(hub):
    issued = issue()
    assert hashlib.sha256(fetch(issued).content).hexdigest() == issued.script_sha256["linux"]


def test_it_is_recorded_with_the_address_it_was_fetched_from(hub):
    issued = issue()
    Client().get(path_of(issued.secret), REMOTE_ADDR="198.51.100.7")
    event = AuditEvent.objects.get(event="token.claimed")
    assert (event.source_address, event.details["platform"]) == ("198.51.100.7", "linux")
    assert row_of(issued).claimed_from == "198.51.100.7"


def test_a_second_fetch_is_answered_410(hub):
    issued = issue()
    fetch(issued)
    answer = fetch(issued)
    assert_refused(answer, 410, "TOKEN_ALREADY_USED")
    assert issued.secret.encode() not in answer.content


def test_a_second_fetch_leaves_the_first_ones_mark(hub, clock):
    issued = issue()
    fetch(issued)
    clock.shift(60)
    Client().get(path_of(issued.secret), REMOTE_ADDR="198.51.100.7")
    assert (row_of(issued).claimed_at, row_of(issued).claimed_from) == (NOW, "127.0.0.1")


def test_after_registration_it_is_answered_410(hub):
    issued = issue()
    register(issued.secret)
    assert_refused(fetch(issued), 410, "TOKEN_ALREADY_USED")


def test_a_good_token_is_not_refused_because_of_others(hub):
    issued, other = issue("alpha"), issue("beta")
    fetch(other)
    fetch(other)
    assert fetch(issued).status_code == 200


# --- While it is good ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("milliseconds", "status"), [(-1, 200), (0, 410), (1, 410)])
def test_it_expires_on_the_millisecond(hub, clock, milliseconds, status):
    issued = issue()
    clock.move_to(NOW + DAY + milliseconds * MILLISECOND)
    answer = fetch(issued)
    assert answer.status_code == status
    if status == 410:
        assert assert_refused(answer, 410, "TOKEN_EXPIRED")["expiresAt"] == "2026-03-02T12:00:00Z"


@pytest.mark.parametrize("hours", [1, 24])
def test_a_token_claimed_in_time_says_used_until_it_can_register_no_more(hub, clock, hours):
    issued = issue(expires_in_hours=hours)
    clock.move_to(NOW + timedelta(hours=hours) - MILLISECOND)
    fetch(issued)
    clock.shift(timedelta(minutes=59))
    assert_refused(fetch(issued), 410, "TOKEN_ALREADY_USED")
    clock.shift(timedelta(minutes=1))
    assert_refused(fetch(issued), 410, "TOKEN_EXPIRED")


def test_a_revoked_token_is_answered_410(hub):
    issued = issue()
    revoke_token(token_id=issued.row.pk, by=BY_TEST, now=NOW)
    assert_refused(fetch(issued), 410, "TOKEN_REVOKED")


def test_an_unknown_token_is_answered_404(hub):
    assert_refused(Client().get(path_of("t" * 43)), 404, "TOKEN_NOT_FOUND")


@pytest.mark.parametrize(
    "malformed",
    [
        "x",
        "t" * 42,
        "t" * 44,
        "t" * 42 + "=",
        "t" * 42 + "%20",
        "t" * 42 + "%0A",
        "t" * 43 + "%0A",
        "t" * 42 + "%00",
        "t" * 42 + "+",
        "t" * 42 + "\u00e9",
        "t" * 42 + "\u0661",
        "t" * 42 + "'",
        "$(reboot)",
        "t" * 5000,
    ],
)
def test_a_malformed_token_is_answered_400(hub, malformed):
    assert_refused(Client().get(path_of(malformed)), 400, "INVALID_TOKEN_FORMAT")


@pytest.mark.parametrize("alter", [str.upper, str.lower, str.swapcase, lambda secret: secret[::-1]])
def test_a_token_is_known_in_its_exact_spelling_only(hub, alter):
    issued = issue()
    assert_refused(Client().get(path_of(alter(issued.secret))), 404, "TOKEN_NOT_FOUND")
    assert_still_good(issued)


def test_the_hash_that_is_kept_opens_nothing(hub):
    issued = issue()
    assert_refused(Client().get(path_of(issued.row.token_hash[:43])), 404, "TOKEN_NOT_FOUND")
    assert_still_good(issued)


# --- By an installer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query", ["", "platform=", "platform=beos", "platform=LINUX", "platform=../linux", "Platform=linux"]
)
def test_a_missing_or_unknown_platform_claims_nothing(hub, query):
    issued = issue()
    before = everything()
    answer = fetch(issued, query)
    assert_refused(answer, 400, "VALIDATION_ERROR" if query.startswith("Platform") else "INVALID_PLATFORM")
    assert everything() == before
    assert_still_good(issued)


@pytest.mark.parametrize(
    "query",
    [
        "platform=linux&platform=linux",
        "platform=linux&x=1",
        "platform=linux&sha256=a&sha256=b",
        "platform=linux%00",
        "platform=linux&sha256=%00",
    ],
)
def test_a_query_that_no_command_of_ours_has_claims_nothing(hub, query):
    issued = issue()
    assert_refused(fetch(issued, query), 400, "VALIDATION_ERROR")
    assert_still_good(issued)


@pytest.mark.parametrize("method", ["head", "options", "post", "put", "delete", "trace"])
def test_another_method_claims_nothing(hub, method):
    issued = issue()
    before = everything()
    assert getattr(Client(), method)(path_of(issued.secret)).status_code == 405
    assert everything() == before
    assert_still_good(issued)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Range", "bytes=0-0"),
        ("Range", "bytes=0-"),
        ("Purpose", "prefetch"),
        ("X-Purpose", "preview"),
        ("X-Moz", "prefetch"),
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Purpose", "preview"),
        ("User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"),
        ("User-Agent", "Slack-ImgProxy (+https://api.slack.com/robots)"),
        ("User-Agent", "Twitterbot/1.0"),
        ("User-Agent", "facebookexternalhit/1.1"),
        ("User-Agent", "TelegramBot (like TwitterBot)"),
        ("User-Agent", "WhatsApp/2.23.20.0"),
        ("User-Agent", "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)"),
        ("User-Agent", "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5"),
        ("User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1)"),
        ("User-Agent", "LinkedInBot/1.0"),
    ],
)
def test_a_request_that_cannot_come_from_an_installer_claims_nothing(hub, name, value):
    issued = issue()
    before = everything()
    assert_refused(fetch(issued, **{name: value}), 400, "NOT_AN_INSTALLER")
    assert everything() == before
    assert_still_good(issued)


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "Text/HTML",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "*/*, text/html;q=0.1",
    ],
)
def test_a_browser_gets_a_page_and_claims_nothing(hub, accept):
    issued = issue()
    before = everything()
    answer = fetch(issued, Accept=accept)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert answer["Content-Type"].startswith("text/html")
    assert issued.secret.encode() not in answer.content
    assert everything() == before
    assert_still_good(issued)


@pytest.mark.parametrize("agent", ["curl/7.88.1", POWERSHELL, "Wget/1.21.3", "", "fetch libfetch/2.0"])
def test_an_installer_is_served_whatever_it_calls_itself(hub, agent):
    assert fetch(issue(), **{"User-Agent": agent, "Accept": "*/*"}).status_code == 200


def test_powershell_gets_its_script_as_plain_text_byte_for_byte(hub):
    issued = issue()
    answer = fetch(issued, f"platform=windows&sha256={issued.script_sha256['windows']}", **{"User-Agent": POWERSHELL})
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain")
    assert answer.content.isascii()
    assert hashlib.sha256(answer.content).hexdigest() == issued.script_sha256["windows"]


# --- The very script ----------------------------------------------------------------------------------------------


def test_a_script_with_the_checksum_given_at_issue_is_served(hub):
    issued = issue()
    answer = fetch(issued, f"platform=linux&sha256={issued.script_sha256['linux']}")
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == issued.script_sha256["linux"]


@pytest.mark.parametrize("wrong", ["0" * 64, "x", "0" * 5000])
def test_another_checksum_is_answered_409_and_claims_nothing(hub, wrong):
    issued = issue()
    assert_refused(fetch(issued, f"platform=linux&sha256={wrong}"), 409, "SCRIPT_CHANGED")
    assert_still_good(issued)


def test_a_hub_that_moved_since_is_noticed_by_the_checksum(hub, settings):
    issued = issue()
    settings.HUB_PUBLIC_URL = "https://elsewhere.example.com"
    query = f"platform=linux&sha256={issued.script_sha256['linux']}"
    assert_refused(fetch(issued, query), 409, "SCRIPT_CHANGED")
    assert_still_good(issued)


def test_the_checksum_of_a_used_token_is_not_the_point(hub):
    issued = issue()
    fetch(issued)
    assert_refused(fetch(issued, "platform=linux&sha256=x"), 410, "TOKEN_ALREADY_USED")


def test_a_fault_of_the_template_burns_nothing(hub, monkeypatch):
    issued = issue()
    before = everything()

    def fail(*args):
        raise RuntimeError("the template is broken")

    with monkeypatch.context() as broken:
        broken.setattr(scripts, "render_script", fail)
        assert_refused(fetch(issued), 500, "INTERNAL_ERROR")
    assert everything() == before
    assert_still_good(issued)


def test_a_script_that_could_not_be_recorded_is_not_served(hub, monkeypatch):
    issued = issue()
    with monkeypatch.context() as broken:
        broken.setattr("hubproject.audit.record_all", lambda *args, **kwargs: 1 / 0)
        assert fetch(issued).status_code == 500
    assert_still_good(issued)


# --- What is recorded ---------------------------------------------------------------------------------------------


def spoil_nothing(issued):
    return {"query": "platform=linux&sha256=0"}


def spoil_by_claim(issued):
    fetch(issued)
    return {}


def spoil_by_registration(issued):
    register(issued.secret)
    return {}


def spoil_by_revocation(issued):
    revoke_token(token_id=issued.row.pk, by=BY_TEST, now=NOW)
    return {}


def spoil_by_time(issued):
    InstallationToken.objects.update(expires_at=NOW)
    return {}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_nothing, "SCRIPT_CHANGED"),
        (spoil_by_claim, "TOKEN_ALREADY_USED"),
        (spoil_by_registration, "TOKEN_ALREADY_USED"),
        (spoil_by_revocation, "TOKEN_REVOKED"),
        (spoil_by_time, "TOKEN_EXPIRED"),
    ],
)
def test_a_refused_fetch_of_a_token_that_exists_is_recorded(hub, spoil, reason):
    issued = issue()
    query = spoil(issued).get("query", "platform=linux")
    Client().get(path_of(issued.secret, query), REMOTE_ADDR="198.51.100.7")
    event = AuditEvent.objects.get(event="token.refused")
    assert (event.source_address, event.details["reason"]) == ("198.51.100.7", reason)
    assert event.details["token"] == str(issued.row.pk)


def test_a_fetch_with_an_unknown_token_is_not_recorded(hub):
    before = everything()
    Client().get(path_of("t" * 43))
    register("t" * 43)
    assert everything() == before


def test_the_service_refuses_what_the_call_refuses(hub):
    issued = issue()
    claim_token(secret=issued.secret, platform="linux", by=BY_TEST, now=NOW)
    with pytest.raises(TokenAlreadyUsed):
        claim_token(secret=issued.secret, platform="linux", by=BY_TEST, now=NOW)
    assert register(issued.secret, new_key()).status_code == 201
