"""Every request has an id and one line in the log, which names neither its path nor anything behind it."""

import logging
import re
import secrets
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from hubproject.models import Role
from tests.conftest import client_with_key

pytestmark = pytest.mark.django_db
TOKEN = secrets.token_urlsafe(32)


@pytest.fixture
def lines(caplog) -> Any:
    """What was said of requests so far."""
    caplog.set_level(logging.DEBUG)
    return lambda: [one.msg for one in caplog.records if one.name == "hubproject.request"]


def test_a_request_is_one_line_that_says_who_asked_what_and_how_it_ended(lines):
    answer = client_with_key(Role.VIEWER).get("/api/spoke/list?search=laptop", REMOTE_ADDR="198.51.100.7")
    (line,) = lines()
    assert line.pop("milliseconds") > 0
    assert line.pop("timestamp")
    assert line == {
        "event": "request",
        "logger": "hubproject.request",
        "level": "info",
        "request_id": answer["X-Request-Id"],
        "method": "GET",
        "route": "/api/spoke/list",
        "status": 200,
        "actor": "api-key:viewer of the tests",
        "client": "198.51.100.7",
    }


def test_nothing_a_client_writes_stands_in_it(lines, caplog):
    Client().get(f"/api/installation/script/{TOKEN}?platform={TOKEN}")
    Client().get(f"/{TOKEN}/x\nforged")
    Client().post("/api/spoke/register", {"token": TOKEN, "publicKey": "x"}, content_type="application/json")
    Client().generic("FORGE", f"/api/{TOKEN}", headers={"X-Request-Id": TOKEN, "User-Agent": TOKEN})
    routes = [(line["method"], line["route"]) for line in lines()]
    assert routes[:2] == [("GET", "/api/installation/script/<str:token>"), ("GET", "unmatched")]
    assert routes[2:] == [("POST", "/api/spoke/register"), ("other", "unmatched")]
    assert TOKEN[:6] not in "".join(str(line) for line in lines())
    assert "forged" not in caplog.text


def test_a_session_is_named_and_none_is_looked_up_for_the_log(lines, count_queries):
    client = Client()
    client.force_login(User.objects.create_superuser("alice"))
    client.get("/admin/password_change/")
    assert lines()[-1]["actor"] == "alice"
    assert count_queries(lambda: client.get("/no-such-page")) == 0
    assert lines()[-1]["actor"] == "anonymous"


def test_ids_are_ours_and_each_its_own():
    ids = {Client().get("/api/healthz", headers={"X-Request-Id": "a" * 32})["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [("0123456789abcdef" * 2, True), ("0a3ff0a6-8c7d-4c9b-9f4f-3a7a0c1d2e3f", True)]
    + [(bad, False) for bad in ("", "short", "a" * 37, "a" * 31 + "\n", "x" * 32, "\u0661" * 32, TOKEN)],
)
def test_behind_a_proxy_of_ours_its_id_is_taken_if_it_is_one(settings, lines, given, is_taken):
    settings.HUB_TRUSTED_PROXIES = 1
    answer = Client().get("/api/healthz", headers={"X-Request-Id": given})
    assert (answer["X-Request-Id"] == given) == is_taken
    assert lines()[-1]["request_id"] == answer["X-Request-Id"]


def test_what_is_logged_meanwhile_bears_the_id_and_a_fault_is_an_error(monkeypatch, lines, caplog):
    def fail(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("hubproject.views.AgentState.current", fail)
    client = Client(raise_request_exception=False)
    assert client.get("/api/healthz").status_code == 500
    assert lines()[-1]["level"] == "error"
    assert "RuntimeError: broken" in caplog.text
    assert not [one for one in caplog.records if one.name == "django.request"]  # which would name the path


@pytest.mark.parametrize("length", ["abc", "-5", "\u0661", "9" * 400, "1e3", " "])
def test_a_length_that_is_none_is_no_fault_of_the_hub(length):
    assert Client().generic("GET", "/api/healthz", CONTENT_LENGTH=length).status_code == 200
