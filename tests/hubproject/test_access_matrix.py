"""Every address by every method for every kind of caller, against one table. What the table does not declare fails."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from hubproject.access import ANYONE, create_api_key
from hubproject.models import ApiKey, Role
from tests.conftest import BY_TEST

pytestmark = pytest.mark.django_db

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"]
VIEWER, OPERATOR, ADMIN = Role

# Address, method, who may. HEAD goes with GET. Anything else is refused to everybody.
API: dict[str, dict[str, Any]] = {
    # ANYONE: before there is a hub the setup code opens it; with one, the view itself wants an admin.
    "api/hub/initialize": {"POST": ANYONE},
    "api/hub/config": {"GET": VIEWER, "PUT": ADMIN},
    "api/hub/status": {"GET": VIEWER},
    "api/hub/release-hold": {"POST": ADMIN},
    "api/installation/token": {"POST": OPERATOR},
    "api/installation/tokens": {"GET": VIEWER},
    "api/installation/token/<uuid:token_id>": {"GET": VIEWER, "DELETE": OPERATOR},
    "api/installation/token/<uuid:token_id>/reissue": {"POST": OPERATOR},
    "api/installation/script/<str:token>": {"GET": ANYONE},
    "api/installation/uninstall": {"GET": ANYONE},
    "api/spoke/register": {"POST": ANYONE},
    "api/spoke/list": {"GET": VIEWER},
    "api/spoke/<uuid:spoke_id>/status": {"GET": VIEWER},
    "api/spoke/<uuid:spoke_id>": {"DELETE": OPERATOR},
    "api/proxmox/clusters": {"GET": VIEWER},
    "api/proxmox/clusters/<uuid:cluster_id>": {"GET": VIEWER, "PUT": OPERATOR, "DELETE": OPERATOR},
    "api/proxmox/clusters/<uuid:cluster_id>/nodes/<uuid:spoke_id>/confirm": {"POST": OPERATOR, "DELETE": OPERATOR},
    "api/healthz": {"GET": ANYONE},
    # Without a key from the loopback address: test_metrics.py.
    "api/metrics": {"GET": VIEWER},
    "api/schema": {"GET": VIEWER},
    "api/docs": {"GET": VIEWER},
}
# The view asks for more than the table's word says.
WANTS_MORE = {"api/hub/initialize": ADMIN}
# Its own authentication: a wrong key is nobody's business there.
ASKS_NOBODY = {"api/healthz"}
# Pages that nobody has to sign in for.
OPEN_PAGES = {
    "",
    "setup",
    "setup/checks",
    "account/sign-in",
    "account/sign-in/code",
    "account/sign-in/passkey",
    "account/inactive",
}
# Whoever is not signed in is led to the sign-in page, by way of another guarded one at most.
GUARDED = ("account", "admin/")
GUARDED_PATHS = ("/account", "/admin/")

SAMPLES = {
    "<uuid:token_id>": "0a3ff0a6-8c7d-4c9b-9f4f-3a7a0c1d2e3f",
    "<uuid:spoke_id>": "0a3ff0a6-8c7d-4c9b-9f4f-3a7a0c1d2e3f",
    "<uuid:cluster_id>": "0a3ff0a6-8c7d-4c9b-9f4f-3a7a0c1d2e3f",
    "<str:token>": "t" * 43,
    "<int:pk>": "1",
    "<int:user_id>": "1",
    "<int:key_id>": "1",
    "<path:object_id>": "1",
    "<path:content_type_id>": "1",
    "(?P<url>.*)$": "nothing-of-that-name",
}


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        text = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, text)
        else:
            yield text


ROUTES = sorted(set(routes(get_resolver().url_patterns)))
PAGES = [route for route in ROUTES if not route.startswith("api/")]


def path_of(route: str) -> str:
    for placeholder, sample in SAMPLES.items():
        route = route.replace(placeholder, sample)
    if route.startswith("admin/^(?P<app_label>"):
        route = "admin/tokens/"
    assert "<" not in route, f"no sample for {route}"
    return f"/{route}"


def ask(client: Client, method: str, path: str) -> Any:
    body = "{}" if method in {"POST", "PUT", "PATCH"} else ""
    return client.generic(method, path, body, "application/json", REMOTE_ADDR="198.51.100.7")


def key(role: Role, **changes: Any) -> Client:
    secret = create_api_key(name=f"{role.value} {' '.join(changes)}".strip(), role=role, by=BY_TEST, now=timezone.now())
    if changes:
        ApiKey.objects.filter(prefix=secret[:10]).update(**changes)
    return Client(headers={"Authorization": f"Bearer {secret}"})


def session(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def nobodies(hub, person):
    """Callers who are nobody, whatever they once were."""
    past = timezone.now() - timedelta(seconds=1)
    gone = session(left := person("gone", ADMIN))
    User.objects.filter(pk=left.pk).update(is_active=False)
    return {
        "anonymous": Client(),
        "expired key": key(ADMIN, expires_at=past),
        "revoked key": key(ADMIN, revoked_at=past),
        "session of a deactivated admin": gone,
    }


@pytest.fixture
def somebodies(hub, person):
    return {
        f"{role} by {way}": (role, key(role) if way == "key" else session(person(role.value, role)))
        for role in Role
        for way in ("key", "session")
    }


def declared(route: str, method: str) -> Any:
    """Who may: ANYONE, a role, or None for nobody."""
    allowed = API[route]
    needed = allowed.get("GET" if method == "HEAD" else method)
    return WANTS_MORE.get(route, needed) if needed else None


def assert_allowed(answer: Any, who: str, method: str) -> None:
    refusals = {401, 403} if method == "HEAD" else {401, 403, 405}
    assert answer.status_code not in refusals, (who, method, answer.status_code, answer.content)
    assert answer.status_code < 500, (who, method, answer.content)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.startswith("api/")])
def test_a_call_answers_those_whom_the_table_names(route, nobodies, somebodies):
    assert route in API, f"{route} is declared nowhere: add it to the table"
    path = path_of(route)
    for method in METHODS:
        needed = declared(route, method)
        for who, (role, client) in somebodies.items():
            answer = ask(client, method, path)
            if needed is None:
                assert answer.status_code in {403, 405}, (who, method, answer.status_code)
            elif needed == ANYONE or role.includes(needed):
                assert_allowed(answer, who, method)
            else:
                assert answer.status_code == 403, (who, method, answer.status_code)
        for who, client in nobodies.items():
            answer = ask(client, method, path)
            if needed is None:
                assert answer.status_code in {401, 403, 405}, (who, method, answer.status_code)
            elif needed == ANYONE and ("key" not in who or route in ASKS_NOBODY):
                assert_allowed(answer, who, method)
            else:
                assert answer.status_code == 401, (who, method, answer.status_code)


def test_the_table_declares_nothing_that_does_not_exist():
    assert set(API) <= set(ROUTES)
    assert set(PAGES) >= OPEN_PAGES


@pytest.mark.parametrize("route", PAGES)
def test_a_page_is_shut_for_who_is_not_signed_in(route, nobodies):
    assert route in OPEN_PAGES or route.startswith(GUARDED), f"{route} is declared nowhere: add it to the table"
    for who, client in nobodies.items():
        for method in METHODS:
            answer = ask(client, method, path_of(route))
            is_led_away = answer.status_code == 302 and answer["Location"].startswith(GUARDED_PATHS)
            is_refused = answer.status_code in {403, 405} or (method == "OPTIONS" and not answer.content)
            assert answer.status_code < 500, (who, method)
            assert route in OPEN_PAGES or is_led_away or is_refused, (who, method, answer.status_code)


@pytest.mark.parametrize("route", [route for route in PAGES if route.startswith("admin/")])
def test_no_page_of_the_admin_site_changes_anything_for_a_viewer(route, somebodies):
    _, client = somebodies["viewer by session"]
    path = path_of(route)
    shut = "auth/user" in route or any(route.endswith(f"/{act}/") for act in ("add", "delete"))
    for method in METHODS:
        answer = ask(client, method, path)
        assert answer.status_code < 500, (method, answer.content)
        assert not (shut and answer.status_code == 200), (method, path)
        if method in {"POST", "PUT", "PATCH", "DELETE"}:
            assert answer.status_code in {200, 302, 403, 404, 405}, (method, answer.status_code)
