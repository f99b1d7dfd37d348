"""Web and agent as real processes: how fast a change arrives, what a kill leaves, what web never does."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hubproject.errors import BadRequest
from spokes.services import REGISTER_WAIT_SECONDS
from tests.live import LiveHub, end, live_hub
from wireguard.keys import generate_private_key, public_key_of

# Marked for the database so that the run on PostgreSQL takes them along; they use databases of their own.
pytestmark = pytest.mark.django_db


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LiveHub]:
    with live_hub(tmp_path) as hub:
        yield hub


def enrol(hub: LiveHub, name: str) -> tuple[int, dict]:
    status, issued = hub.call("POST", "/api/installation/token", {"spokeName": name}, role="operator")
    assert status == 201, issued
    key = public_key_of(generate_private_key())
    body = {"token": issued["token"]["token"], "publicKey": key, "os": "linux"}
    return hub.call("POST", "/api/spoke/register", body)


def test_register_and_remove_are_answered_once_the_agent_has_applied_them(hub):
    hub.start_web()
    hub.start_agent()
    hub.wait_for(lambda: hub.health() == "ok")
    names = (f"laptop-{number:03}" for number in count(1))

    def comes_and_goes() -> bool:
        """On a busy machine the agent may take longer than an answer waits for it; then it is not claimed either."""
        status, answer = enrol(hub, next(names))
        assert status == 201
        status, gone = hub.call("DELETE", f"/api/spoke/{answer['spokeId']}", role="operator")
        assert (status, gone["peerRemoved"]) in {(200, True), (202, False)}
        return bool(answer["peerApplied"] and gone["peerRemoved"])

    hub.wait_for(comes_and_goes)


@pytest.mark.parametrize(
    "request_head",
    [
        "GET /api/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n",
        "GET /api/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nNo colon\r\n\r\n",
        "GET /api/healthz HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        "GET /api/healthz?" + "x" * 9000 + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "POST /api/spoke/register HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: secret\r\n\r\n",
        "<secret> HTTP/1.1\r\n\r\n",
    ],
    ids=["two hosts", "no header", "no version", "too long", "no coding", "no request"],
)
def test_what_is_no_http_is_refused_in_the_one_shape(hub, request_head):
    hub.start_web()
    where = urlsplit(hub.url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(request_head.encode())
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"HTTP/1.1 400 Bad Request"
    assert b"Content-Type: application/json" in head
    assert json.loads(body) == BadRequest().body()


def in_chunks(hub: LiveHub, method: str, path: str, body: bytes) -> tuple[int, dict]:
    """One call as the admin, whose body tells no length. The body is given with its chunks' sizes."""
    where = urlsplit(hub.url)
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    head += f"Content-Type: application/json\r\nAuthorization: Bearer {hub.keys['admin']}\r\n\r\n"
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.status, json.loads(answer.read())


def test_a_body_in_chunks_is_read_and_not_taken_for_none(hub):
    hub.start_web()
    status, answer = in_chunks(hub, "PUT", "/api/hub/config", b'8\r\n{"mtu": \r\n5\r\n1300}\r\n0\r\n\r\n')
    assert (status, answer["hubConfig"]["mtu"]) == (200, 1300)
    assert hub.call("GET", "/api/hub/config", role="viewer")[1]["mtu"] == 1300


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"10001\r\n" + b" " * 0x10001 + b"\r\n0\r\n\r\n", 413, "REQUEST_TOO_LARGE"),
        (b"no size\r\n", 400, "BAD_REQUEST"),
        (b"2\r\n{}and more\r\n0\r\n\r\n", 400, "BAD_REQUEST"),
    ],
    ids=["too much", "no chunk", "another length"],
)
def test_chunks_that_are_none_or_too_much_are_refused_and_change_nothing(hub, body, status, code):
    hub.start_web()
    before = hub.call("GET", "/api/hub/config", role="viewer")
    answered, answer = in_chunks(hub, "PUT", "/api/hub/config", body)
    assert (answered, answer["code"]) == (status, code)
    assert hub.call("GET", "/api/hub/config", role="viewer") == before


def test_without_an_agent_registering_does_not_wait(hub):
    hub.start_web()
    took = []
    for number in range(5):
        started = time.monotonic()
        status, answer = enrol(hub, f"laptop-{number}")
        took.append(time.monotonic() - started)
        assert (status, answer["peerApplied"], answer["status"]) == (201, False, "pending")
    assert min(took) < REGISTER_WAIT_SECONDS  # whoever waited would be answered later, however fast the machine


def test_a_stopped_agent_does_not_stop_the_site(hub):
    hub.start_web()
    agent = hub.start_agent()
    hub.wait_for(lambda: hub.health() == "ok")
    hub.freeze(agent)
    try:
        with ThreadPoolExecutor(8) as pool:
            enrolments = [pool.submit(enrol, hub, f"laptop-{number}") for number in range(8)]
            took = []
            for _ in range(3):
                started = time.monotonic()
                assert hub.call("GET", "/api/healthz")[0] == 200
                took.append(time.monotonic() - started)
            assert min(took) < REGISTER_WAIT_SECONDS
            assert {enrolment.result()[0] for enrolment in enrolments} == {201}
    finally:
        agent.send_signal(signal.SIGCONT)
    hub.wait_for(lambda: hub.health() == "ok")


def test_an_agent_killed_amid_registrations_converges_at_its_next_start(hub):
    hub.start_web()
    agent = hub.start_agent()
    hub.wait_for(lambda: hub.health() == "ok")
    with ThreadPoolExecutor(4) as pool:
        enrolments = [pool.submit(enrol, hub, f"laptop-{number}") for number in range(16)]
        agent.kill()
        agent.wait()
        assert {enrolment.result()[0] for enrolment in enrolments} == {201}
    hub.start_agent()
    hub.wait_for(lambda: hub.health() == "ok")
    status = hub.call("GET", "/api/hub/status", role="viewer")[1]
    assert status["peerCount"] == 16
    assert status["appliedGeneration"] == status["generation"] == 17


def test_the_agent_ends_cleanly_on_sigterm(hub):
    agent = hub.start_agent()
    hub.wait_for(lambda: "agent started" in (hub.home / "log").read_text())
    end(agent)
    assert agent.returncode == 0
    assert "agent stopped" in (hub.home / "log").read_text()


def test_web_starts_no_process_in_twenty_registrations(hub, tmp_path):
    trace = tmp_path / "trace"
    hub.start_web(under=["strace", "-f", "-qq", "-e", "trace=execve", "-o", str(trace)])
    before = trace.read_text()
    assert "gunicorn" in before  # the trace does see what is started
    for number in range(20):
        assert enrol(hub, f"laptop-{number}")[0] == 201
    assert trace.read_text() == before


def test_no_log_holds_a_token(hub):
    hub.start_web()
    _, issued = hub.call("POST", "/api/installation/token", {"spokeName": "laptop-001"}, role="operator")
    secret = issued["token"]["token"]
    for _ in range(2):
        hub.call("GET", f"/api/installation/script/{secret}?platform=linux")
    hub.call("GET", f"/api/installation/script/{secret}/nothing-here")
    # A request's line may come after its answer.
    hub.wait_for(lambda: (hub.home / "log").read_text().count('"route": "/api/installation/script/') == 2)
    hub.wait_for(lambda: '"route": "unmatched"' in (hub.home / "log").read_text())
    assert secret not in (hub.home / "log").read_text()


def test_a_request_line_as_long_as_gunicorn_takes_is_answered_in_the_one_shape(hub):
    hub.start_web()
    status, answer = hub.call("GET", f"/api/spoke/list?search={'x' * 8000}", role="viewer")
    assert (status, answer["code"]) == (400, "VALIDATION_ERROR")
