"""Web and agent as real processes: how fast a change arrives, what a kill leaves, what web never does."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

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
