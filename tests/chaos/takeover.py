"""Two real agents: the one in charge is stopped or killed, the other takes over, and the old one keeps still."""

import signal
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.chaos.noted import notes
from tests.live import LiveHub, live_hub
from wireguard.keys import generate_private_key, public_key_of

WITHIN_SECONDS = 15.0
# A resumed agent is given so long to do what it must not.
WATCHED_SECONDS = 4.0


def twenty_tries(tries: int = 20) -> str:
    """Stopped and killed in turns."""
    return handed_over([signal.SIGSTOP if number % 2 else signal.SIGKILL for number in range(tries)])


def handed_over(blows: list[signal.Signals]) -> str:
    with tempfile.TemporaryDirectory(prefix="takeover-") as directory:
        home = Path(directory)
        with live_hub(home, HUB_WIREGUARD_BACKEND="tests.chaos.noted.NotedBackend") as hub:
            hub.start_web()
            acting = hub.start_agent()
            hub.wait_for(lambda: hub.health() == "ok")
            standby, slowest = _standby(hub), 0.0
            for number, blow in enumerate(blows):
                slowest = max(slowest, _strike(hub, acting, standby, blow, number))
                acting, standby = standby, _standby(hub) if blow == signal.SIGKILL else acting
    count = {blow.name: blows.count(blow) for blow in blows}
    return f"{len(blows)} handovers ({count}): the slowest took {slowest:.1f} s, no change by the old agent afterwards"


def _strike(
    hub: LiveHub,
    acting: "subprocess.Popen[bytes]",
    standby: "subprocess.Popen[bytes]",
    blow: signal.Signals,
    number: int,
) -> float:
    """Seconds until the standby has applied something that was asked for after the blow."""
    if blow == signal.SIGSTOP:
        hub.freeze(acting)
    else:
        acting.send_signal(blow)
    struck = time.monotonic()
    _enrol(hub, f"after-{number}")
    hub.wait_for(lambda: any(pid == standby.pid and at > struck for pid, at, _ in notes(hub.home)), seconds=30)
    took = time.monotonic() - struck
    assert took <= WITHIN_SECONDS, f"taking over took {took:.1f} s"
    if blow == signal.SIGKILL:
        acting.wait()
        return took
    resumed, before = time.monotonic(), _lease(hub)
    acting.send_signal(signal.SIGCONT)
    while time.monotonic() - resumed < WATCHED_SECONDS:
        _enrol(hub, f"meanwhile-{number}-{time.monotonic_ns()}")
        time.sleep(0.5)
    late = [act for pid, at, act in notes(hub.home) if pid == acting.pid and at > struck]
    assert not late, f"the agent that was stopped changed the interface: {late}"
    assert _lease(hub) == before, "the agent that was stopped took the lease"
    return took


def _standby(hub: LiveHub) -> "subprocess.Popen[bytes]":
    log = hub.home / "log"
    before = log.read_text().count("standing by")
    agent = hub.start_agent()
    hub.wait_for(lambda: log.read_text().count("standing by") > before)
    return agent


def _enrol(hub: LiveHub, name: str) -> None:
    status, issued = hub.call("POST", "/api/installation/token", {"spokeName": name}, role="operator")
    assert status == 201, issued
    key = public_key_of(generate_private_key())
    status, answer = hub.call(
        "POST", "/api/spoke/register", {"token": issued["token"]["token"], "publicKey": key, "os": "linux"}
    )
    assert status == 201, answer


def _lease(hub: LiveHub) -> tuple[object, ...]:
    """Holder and term."""
    question = "SELECT lease_holder, term FROM agent_state"
    if url := hub.environment.get("DATABASE_URL"):
        directory, _, name = url.partition("@/")[2].rpartition("/")
        with psycopg.connect(host=directory, user="hub", dbname=name) as connection:
            return tuple(connection.execute(question).fetchone() or ())
    file = sqlite3.connect(hub.home / "database.sqlite")
    row = file.execute(question).fetchone()
    file.close()
    return tuple(row)
