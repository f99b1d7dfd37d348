"""What every answer carries, whatever it says; and that no page needs what the content policy forbids."""

import re
from html.parser import HTMLParser

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from hubproject.models import Role
from tests.hubproject.conftest import add_app, signed_in

pytestmark = pytest.mark.django_db

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


def fetch(path: str, **options):
    """The answer, read to its end: a file stays open until somebody does."""
    answer = Client().get(path, **options)
    if answer.streaming:
        assert b"".join(answer.streaming_content)
        answer.close()
    return answer


def broken(*args, **kwargs):
    raise RuntimeError("a fault of our own")


ANSWERS = {
    "sign-in page": lambda client: client.get("/account/sign-in"),
    "first run": lambda client: client.get("/setup"),
    "redirect": lambda client: client.get("/"),
    "admin site": lambda client: client.get("/admin/"),
    "unknown page": lambda client: client.get("/nothing"),
    "form without its token": lambda client: Client(enforce_csrf_checks=True).post("/account/sign-in"),
    "foreign host": lambda client: client.get("/", headers={"Host": "evil.example"}),
    "REST call": lambda client: client.get("/api/healthz"),
    "refused REST call": lambda client: client.get("/api/hub/config"),
    "unknown REST call": lambda client: client.get("/api/nothing"),
    "install script": lambda client: client.get(f"/api/installation/script/{'t' * 43}?platform=linux"),
    "method not taken": lambda client: client.delete("/setup"),
    "static file": lambda client: fetch("/static/hub.css"),
}


@pytest.fixture(params=ANSWERS)
def answer(request, hub):
    return ANSWERS[request.param](Client(raise_request_exception=False))


def test_the_content_policy_is_strict(answer):
    assert set(answer["Content-Security-Policy"].split("; ")) == POLICY


def test_nothing_is_guessed_framed_or_told_to_others(answer):
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Server" not in answer
    assert "X-Powered-By" not in answer


def test_a_fault_carries_the_headers_too(hub, monkeypatch):
    monkeypatch.setattr("hubproject.setup_pages.first_admin_is_wanted", broken)
    answer = Client(raise_request_exception=False).get("/setup")
    assert answer.status_code == 500
    assert set(answer["Content-Security-Policy"].split("; ")) == POLICY
    assert b"fault of our own" not in answer.content


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://hub.example.com", "https://hub.example.com"]
)
@pytest.mark.parametrize("path", ["/api/hub/config", "/api/healthz", "/account/sign-in", "/static/hub.css"])
def test_no_other_origin_is_let_in(hub, origin, path):
    asking = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    for answer in (fetch(path, headers=asking), Client().options(path, headers=asking)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_form_of_another_site_is_refused(hub, person):
    client = Client(enforce_csrf_checks=True)
    page = client.get("/account/sign-in").content.decode()
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)
    person("ada")
    form = {"login": "ada", "password": "correct horse battery", "csrfmiddlewaretoken": token[1]}
    assert client.post("/account/sign-in", form, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post("/account/sign-in", form, headers={"Origin": "https://hub.example.com"}).status_code == 302


def test_https_is_remembered_for_a_year_where_it_is_on(settings):
    assert "Strict-Transport-Security" not in Client().get("/account/sign-in")
    for path in ("/account/sign-in", "/static/hub.css", "/nothing"):
        answer = fetch(path, secure=True)
        assert answer["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in {"static file", "foreign host"}])
def test_nothing_but_files_is_stored_on_the_way(hub, name):
    assert "no-store" in ANSWERS[name](Client())["Cache-Control"]


# --- Pages under the policy ---------------------------------------------------------------------------------------


class Forbidden(HTMLParser):
    """Collects what the content policy would refuse in a page, and what the page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.loaded: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        is_data = given.get("type") == "application/json"
        if tag == "style" or (tag == "script" and "src" not in given and not is_data):
            self.found.append(f"<{tag}>")
        self.found += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        self.loaded += [given[name] for name in ("src", "href") if given.get(name) and tag in {"script", "link", "img"}]
        self.found += [f"{tag} {given['href']}" for _ in "." if (given.get("href") or "").startswith("javascript:")]


OPEN = ["/account/sign-in", "/account/inactive", "/setup"]
OWN = [
    "/account",
    "/account/password",
    "/account/confirm",
    "/account/confirm/code",
    "/account/confirm/passkey",
    "/account/app/add",
    "/account/app/remove",
    "/account/passkeys/add",
    "/account/recovery-codes",
    "/account/recovery-codes/new",
    "/account/sign-out",
    "/account/sign-in/code",
]
ADMIN = [
    "/admin/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/tokens/",
    "/admin/hubproject/auditevent/",
    "/admin/hubproject/auditevent/1/change/",
    "/admin/wireguard/hubconfig/",
    "/admin/hubproject/apikey/",
    "/admin/spokes/spoke/",
    "/admin/proxmox/cluster/",
    "/admin/tokens/installationtoken/",
    "/admin/add-spoke",
    "/admin/guide",
]


def assert_obeys(answer) -> None:
    page = Forbidden(answer.content.decode())
    assert page.found == []
    elsewhere = [address for address in page.loaded if not address.startswith(("/static/", "/admin/jsi18n/", "data:"))]
    assert elsewhere == []
    missing = [
        address
        for address in page.loaded
        if address.startswith("/static/") and not finders.find(address.removeprefix("/static/"))
    ]
    assert missing == []


@pytest.mark.parametrize("path", OPEN)
def test_an_open_page_keeps_to_the_policy(path):
    assert_obeys(Client().get(path))


@pytest.mark.parametrize("path", OWN)
def test_a_page_of_the_account_keeps_to_the_policy(ada, path):
    client = signed_in(ada)
    if path not in {"/account/app/add", "/account/sign-in/code"}:
        add_app(client)
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    assert_obeys(answer)


@pytest.mark.parametrize("path", ADMIN)
def test_a_page_of_the_admin_site_keeps_to_the_policy(hub, person, path):
    answer = signed_in(person("root", Role.ADMIN)).get(path)
    assert answer.status_code == 200
    assert_obeys(answer)
