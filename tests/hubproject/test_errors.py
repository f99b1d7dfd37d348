"""Every refusal has the one shape, whoever refuses: the product, the REST framework or Django."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from tests.conftest import JSON, assert_refused, everything, issue

pytestmark = pytest.mark.django_db

UNKNOWN_TOKEN = "t" * 43
METHODS = ["get", "post", "put", "patch", "delete", "trace", "options"]
EXAMPLES = {"<str:token>": UNKNOWN_TOKEN}
SOME_ID = "0a3ff0a6-8c7d-4c9b-9f4f-3a7a0c1d2e3f"


def api_routes(patterns: Any = None, before: str = "/") -> dict[str, set[str]]:
    """Every address of the REST interface, by an example, with the methods it takes."""
    found = {}
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        path = before + str(entry.pattern)
        if hasattr(entry, "url_patterns"):
            found.update(api_routes(entry.url_patterns, path))
        elif hasattr(entry.callback, "actions"):
            found[re.sub("<[^>]+>", lambda part: EXAMPLES.get(part[0], SOME_ID), path)] = set(entry.callback.actions)
    return {path: methods for path, methods in found.items() if path.startswith("/api/")}


ROUTES = api_routes()


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/nothing",
        "/api/hub/config/",
        "/api/hub//config",
        "/api/hub/config;x",
        "/api/hub/Config",
        "/api/hub/config%2f",
        "/api/hub/%2e%2e/healthz",
        "/api/hub/\x00",
        "/api/spoke/not-a-uuid",
        "/api/spoke/not-a-uuid/status",
        "/api/installation/script/",
        "/api/installation/script/a/b",
        "/api/hub/config.json",
    ],
)
def test_an_unknown_path_is_answered_404(viewer, path):
    assert_refused(viewer.get(path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, good in ROUTES.items() for method in METHODS if method not in good]
)
def test_a_method_that_a_path_does_not_take_is_answered_405(path, method):
    answer = getattr(Client(), method)(path)
    assert_refused(answer, 405, "METHOD_NOT_ALLOWED")
    # HEAD comes with GET, except where it would claim or cost something.
    assert {name.lower() for name in answer["Allow"].split(", ")} - {"head"} == ROUTES[path]


def test_the_walk_over_the_routes_finds_them():
    assert ROUTES["/api/spoke/register"] == {"post"}
    assert f"/api/spoke/{SOME_ID}/status" in ROUTES
    assert f"/api/installation/script/{UNKNOWN_TOKEN}" in ROUTES


def test_a_method_cannot_be_smuggled_in_by_a_header(hub, admin):
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        answer = admin.get("/api/installation/token", {"_method": "POST"}, headers={name: "POST"})
        assert_refused(answer, 405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("host", ["evil.example.com", "hub.example.com.evil.org", "hub.example.com@evil.org", "a b"])
def test_a_foreign_host_is_answered_400(host):
    assert_refused(Client().get("/api/healthz", headers={"Host": host}), 400, "BAD_REQUEST")


def test_a_foreign_forwarded_host_changes_nothing(hub, operator):
    headers = {"X-Forwarded-Host": "evil.example.com", "Forwarded": "host=evil.example.com"}
    answer = operator.post("/api/installation/token", {"spokeName": "alpha"}, content_type=JSON, headers=headers)
    assert answer.status_code == 201
    assert "evil" not in answer.content.decode()
    assert "https://hub.example.com/" in answer.json()["installCommands"]["linux"]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Bearer wgh_wrong", "Basic YWRtaW46YWRtaW4=", "x"])
def test_nobody_is_answered_401(hub, authorization):
    answer = Client().get("/api/hub/config", headers={"Authorization": authorization})
    assert_refused(answer, 401, "NOT_AUTHENTICATED")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_wrong_key_is_refused_even_where_nobody_is_needed(hub):
    issued = issue()
    path = f"/api/installation/script/{issued.secret}?platform=linux"
    answer = Client().get(path, headers={"Authorization": "Bearer wgh_wrong"})
    assert_refused(answer, 401, "NOT_AUTHENTICATED")
    assert Client().get(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/api/hub/config", 409),
        ("get", "/api/hub/status", 409),
        ("post", "/api/installation/token", 409),
        ("post", "/api/spoke/register", 409),
        ("get", "/api/spoke/list", 200),
        ("get", "/api/healthz", 200),
    ],
)
def test_without_a_hub_calls_that_need_it_are_answered_409(operator, method, path, status):
    body = {
        "/api/installation/token": {"spokeName": "alpha"},
        "/api/spoke/register": {
            "token": UNKNOWN_TOKEN,
            "publicKey": "fE/wdxzl0klVp/IR8UcaoGUMjqaWi3jAd7KzHKFS6Ds=",
            "os": "linux",
        },
    }.get(path)
    options = {"data": body, "content_type": JSON} if body else {}
    answer = getattr(operator, method)(path, **options)
    assert answer.status_code == status
    if status == 409:
        assert_refused(answer, 409, "HUB_NOT_INITIALIZED")


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=1.0",
        "page=x",
        "page=%D9%A1",
        "page=1%00",
        "page=99999999999999999999",
        "page=1&page=1",
        "pageSize=0",
        "pageSize=1001",
        "pageSize=1e3",
        "colour=red",
        "page[]=1",
        "%ff=1",
    ],
)
@pytest.mark.parametrize("path", ["/api/spoke/list", "/api/hub/status"])
def test_a_parameter_that_is_wrong_unknown_or_given_twice_is_answered_400(hub, viewer, path, query):
    assert_refused(viewer.get(f"{path}?{query}"), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["/api/spoke/list", "/api/hub/status"])
def test_more_parameters_than_anybody_needs_are_answered_400(hub, viewer, path):
    answer = viewer.get(f"{path}?{'&' * 1000}")
    assert 400 <= answer.status_code < 500
    assert_refused(answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    "cookie", ['"aaaaaaaa\\000"', "aaaaaaaa%00", "'; DROP TABLE x", "x" * 4000, '"\\377\\377aaaaaaaa"']
)
@pytest.mark.parametrize(
    ("method", "path", "status"), [("get", "/api/hub/config", 401), ("post", "/api/spoke/register", 400)]
)
def test_a_session_cookie_full_of_rubbish_is_nobodys(hub, cookie, method, path, status):
    client = Client(headers={"Cookie": f"sessionid={cookie}"})
    assert getattr(client, method)(path, content_type=JSON).status_code == status


def test_a_fault_of_the_hub_is_answered_500_and_tells_nothing(hub, viewer, monkeypatch, caplog):
    def fail() -> None:
        raise RuntimeError("/secret/path 10.11.12.13")

    monkeypatch.setattr("wireguard.views.get_hub", fail)
    answer = viewer.get("/api/hub/config")
    assert_refused(answer, 500, "INTERNAL_ERROR")
    assert "secret" not in answer.content.decode()
    assert "/secret/path" in caplog.text


def test_outside_the_rest_interface_a_refusal_is_plain_text():
    answer = Client().get("/nothing")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/plain; charset=utf-8")


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "https://hub.example.com.evil.org"])
def test_a_foreign_origin_gets_no_permission(hub, viewer, origin):
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    for method in ("get", "options"):
        answer = getattr(viewer, method)("/api/hub/config", headers=headers)
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_refusal_changes_nothing(hub):
    before = everything()
    for path in ROUTES:
        for method in METHODS:
            getattr(Client(), method)(path)
    assert everything() == before


def test_signing_in_while_the_counters_are_out_of_reach_is_answered_503(hub, settings):
    reachable = settings.CACHES
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "unix:///nowhere/socket"}
    }
    client = Client(raise_request_exception=False)
    answer = client.post("/account/sign-in", {"login": "ada", "password": "wrong"})
    settings.CACHES = reachable
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
