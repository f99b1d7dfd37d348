"""nginx as the product configures it, before a real gunicorn: who is answered, how, and what is written down of it."""

import http.client
import json
import re
import signal
import sqlite3
import ssl
import subprocess
import threading
import time
from contextlib import suppress

import pytest

from hubproject import errors
from tests.deploy.front import HASHED, NAME
from tests.journeys.slow_clients import slow_clients
from tests.live import ROOT, end

CODES = {
    "400.json": errors.BadRequest(),
    "401.json": errors.NotAuthenticated(),
    "405.json": errors.MethodNotAllowed(),
    "413.json": errors.RequestTooLarge(),
    "429.json": errors.RateLimited(seconds=10),
    "503.json": errors.HubUnavailable(),
}
STRICT = ["max-age=31536000; includeSubDomains"]


def refused_as(answer: bytes) -> tuple[int, str]:
    """Status and code of a raw answer in the one shape."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["code"]


# --- Who is answered ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "works"), [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(front, option, works):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{front.tls}", "-servername", NAME, option]
    command += [] if option == "-tls1_3" else ["-cipher", "DEFAULT@SECLEVEL=0"]
    done = subprocess.run(command, input=b"", capture_output=True)
    assert (done.returncode == 0) is works
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in (front.home / "site.conf").read_text()


def test_browsers_get_http_2(front):
    url = f"https://{NAME}:{front.tls}/api/healthz"
    command = ["curl", "-sS", "--cacert", str(front.home / "certificate.pem"), "-o", "/dev/null"]
    command += ["--resolve", f"{NAME}:{front.tls}:127.0.0.1", "-w", "%{http_version} %{http_code}", url]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "2 200"


@pytest.mark.parametrize("name", ["other.example.com", None])
def test_another_name_gets_no_answer(front, name):
    with front.secure(name=name) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {name or '127.0.0.1'}\r\n\r\n".encode())
        assert connection.recv(100) == b""
    with pytest.raises(http.client.RemoteDisconnected):
        front.ask_plainly(front.plain, "GET", "/", Host=name or "127.0.0.1")


def test_a_name_in_the_handshake_opens_no_other_in_the_request(front):
    assert front.say(b"GET /api/healthz HTTP/1.1\r\nHost: other.example.com\r\n\r\n") == b""


def test_a_client_is_who_it_is_whatever_it_says(front):
    claims = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    answer = front.ask("POST", "/api/installation/token", {"spokeName": "spoofer"}, role="operator", **claims)
    assert answer.status == 201
    with sqlite3.connect(front.hub.home / "database.sqlite") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(audit_events)")]
        rows = [dict(zip(columns, row, strict=True)) for row in database.execute("SELECT * FROM audit_events")]
    event = next(row for row in rows if "spoofer" in str(row.values()))
    assert "127.0.0.1" in event.values()
    assert "203.0.113.9" not in str(rows)


def test_numbers_are_for_this_machine_and_for_keys(front):
    for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"Host": NAME, "X-Real-IP": "127.0.0.1"}):
        for path in ("/api/metrics", "/api//metrics", "/api/%6detrics", "/api/x/../metrics", "/api/metrics?x=1"):
            refused = front.ask("GET", path, **headers)
            assert (refused.status, refused.json()["code"]) == (401, "NOT_AUTHENTICATED")
    from_hub = {front.ask("GET", "/api/metrics", role="viewer").status}
    from_hub.add(front.ask_plainly(front.metrics, "GET", "/api/metrics").status)
    assert 401 not in from_hub
    assert front.ask_plainly(front.metrics, "GET", "/api/healthz").status == 404


# --- Without TLS ----------------------------------------------------------------------------------------------------


def test_people_are_sent_on_to_tls_and_certificates_can_be_renewed(front):
    moved = front.ask_plainly(front.plain, "GET", "/admin/?x=1")
    assert (moved.status, moved.all("Location")) == (301, [f"https://{NAME}/admin/?x=1"])
    assert front.ask_plainly(front.plain, "GET", "/.well-known/acme-challenge/proof").body == b"proof"


@pytest.mark.parametrize("path", ["/api/installation/script/{}", "//api/installation/script/{}", "/%61pi/x/{}"])
def test_a_token_over_plain_http_is_refused_and_goes_no_further(front, path):
    answer = front.ask_plainly(front.plain, "GET", path.format("s" * 43))
    assert (answer.status, answer.json()["code"], answer.all("Location")) == (403, "PERMISSION_DENIED", [])
    assert "s" * 43 not in answer.body.decode()


# --- What nginx refuses itself --------------------------------------------------------------------------------------


def test_the_files_say_what_the_hub_says():
    folder = ROOT / "deploy/nginx/errors"
    for name, error in CODES.items():
        assert json.loads((folder / name).read_text()) == error.body()
    assert json.loads((folder / "403.json").read_text())["code"] == errors.PermissionRefused.code
    named = set(re.findall(r"/\.errors/([\w.]+)", (ROOT / "deploy/nginx/wireguard-hub.conf").read_text()))
    assert named == {file.name for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (
            b"GET /api/spoke/list?search=" + b"x" * 9000 + b" HTTP/1.1\r\nHost: hub.example.com\r\n\r\n",
            (400, "BAD_REQUEST"),
        ),
        (
            b"GET /api/healthz HTTP/1.1\r\nHost: hub.example.com\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
            (400, "BAD_REQUEST"),
        ),
        (b"nonsense\r\n\r\n", (400, "BAD_REQUEST")),
        (b"GET /api/healthz HTTP/1.1\r\nHost: a b\r\n\r\n", (400, "BAD_REQUEST")),
        (
            b"TRACE /api/healthz HTTP/1.1\r\nHost: hub.example.com\r\nConnection: close\r\n\r\n",
            (405, "METHOD_NOT_ALLOWED"),
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_one_shape(front, request_bytes, expected):
    assert refused_as(front.say(request_bytes)) == expected


@pytest.mark.parametrize("size", [70_000, 200_000])
def test_too_large_a_body_is_refused_in_the_one_shape_by_hub_and_nginx(front, size):
    answer = front.ask("POST", "/api/spoke/register", b"x" * size)
    assert (answer.status, answer.json()["code"]) == (413, "REQUEST_TOO_LARGE")


def test_without_the_hub_programs_get_the_one_shape_and_people_a_page(front):
    end(front.web)
    try:
        for_programs, for_people = front.ask("GET", "/api/healthz"), front.ask("GET", "/admin/")
    finally:
        front.start_web()
    assert (for_programs.status, for_programs.json()["code"]) == (503, "HUB_UNAVAILABLE")
    assert for_programs.all("Retry-After") == ["5"]
    assert (for_people.status, for_people.all("Content-Type")) == (503, ["text/html; charset=utf-8"])
    assert front.ask("GET", "/api/healthz").status == 200


@pytest.mark.parametrize(
    "path", ["/account/login", "/api/healthz", f"/static/{HASHED}", "/static/hub.css", "/api/metrics"]
)
def test_every_answer_demands_tls_once(front, path):
    answer = front.ask("GET", path)
    assert answer.all("Strict-Transport-Security") == STRICT
    assert answer.all("X-Content-Type-Options") == ["nosniff"]
    assert len(answer.all("Content-Security-Policy")) == 1
    assert answer.all("Server") == ["nginx"]  # no version


def test_collected_files_are_kept_for_good_and_others_are_the_hubs(front):
    answer = front.ask("GET", f"/static/{HASHED}")
    assert (answer.status, answer.all("Cache-Control")) == (200, ["public, max-age=31536000, immutable"])
    other = front.ask("GET", "/static/hub.css")
    assert (other.status, "immutable" in other.all("Cache-Control")[0]) == (200, False)
    missing = front.ask("GET", "/static/gone.0123456789ab.css")  # of another release: asked of the hub
    assert (missing.status, missing.all("Cache-Control")) == (404, ["no-store"])


def test_nothing_that_may_hold_a_secret_is_compressed(front):
    for path in ("/account/login", "/api/spoke/list"):
        assert front.ask("GET", path, role="viewer", Accept_Encoding="gzip").all("Content-Encoding") == []


# --- What is written down -------------------------------------------------------------------------------------------


def test_no_token_and_no_query_is_in_any_log(front):
    issued = front.ask("POST", "/api/installation/token", {"spokeName": "logged"}, role="operator").json()
    token = issued["token"]["token"]
    path = f"/api/installation/script/{token}"
    front.hub.wait_for(lambda: front.requests_logged() > 0)
    before = front.requests_logged()
    for spelling in (path, f"//api//installation/script/{token}", f"/api/installation/%73cript/{token}", f"/{token}"):
        front.ask("GET", f"{spelling}?platform=linux&sha256=seen-in-a-query")
        front.ask_plainly(front.plain, "GET", spelling)
    front.ask("GET", "/static/hub.css?seen-in-a-query", Referer=f"https://{NAME}{path}")
    front.ask("POST", path, b"x" * 200_000)
    front.say(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nX: {'x' * 9000}\r\n\r\n".encode())
    front.say(f"GET {path}?{'x' * 9000} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
    end(front.web)
    try:
        assert front.ask("GET", path).status == 503
    finally:
        front.start_web()
    front.hub.wait_for(lambda: front.requests_logged() >= before + 13)
    written = front.logs()
    assert "/api/installation/script/[token]" in written
    assert token not in written
    assert "seen-in-a-query" not in written


def test_one_request_has_one_name_of_our_own_in_both_logs(front):
    answer = front.ask("GET", "/api/healthz", **{"X-Request-Id": "0123456789abcdef0123456789abcdef"})
    (name,) = answer.all("X-Request-Id")
    assert name != "0123456789abcdef0123456789abcdef"
    front.hub.wait_for(lambda: f"id={name}" in front.logs() and f'"request_id": "{name}"' in front.logs())


# --- Under load -----------------------------------------------------------------------------------------------------


def test_reloading_nginx_and_web_loses_no_request(front):
    answers: list[int | str] = []
    stop = threading.Event()

    def ask_on() -> None:
        while not stop.is_set():
            try:
                answers.append(front.ask("GET", "/api/healthz").status)
            except OSError as failure:
                answers.append(repr(failure))

    askers = [threading.Thread(target=ask_on) for _ in range(4)]
    for asker in askers:
        asker.start()
    for _ in range(3):
        before = len(answers)
        front.nginx.send_signal(signal.SIGHUP)
        front.web.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while len(answers) < before + 60 and time.monotonic() < deadline:
            time.sleep(0.05)
    stop.set()
    for asker in askers:
        asker.join()
    assert set(answers) == {200}
    assert len(answers) >= 180
    front.hub.wait_for(lambda: (front.hub.home / "log").read_text().count("Hang up") >= 3)


def test_slow_clients_take_nobody_elses_turn(front):
    found = slow_clients(lambda: front.ask("GET", "/api/healthz").status, front.secure, sockets=40, seconds=3)
    assert found.refused == 0
    assert found.answered >= 3


def test_a_client_that_never_finishes_its_request_is_hung_up_on(front):
    with front.secure() as connection:
        connection.settimeout(60)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: hub.example.com\r\n")
        with suppress(ConnectionError, ssl.SSLError):
            assert connection.recv(1) == b""
    assert front.ask("GET", "/api/healthz").status == 200
