"""What systemd hears of web and agent: ready when it is true, alive for as long as it is true."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubproject.service_manager import Liveness, notify, watch_web, web_answers
from tests.live import LiveHub, live_hub

PATIENCE = 60.0


class Manager:
    """The receiving end of sd_notify(3), under a path or a name in the abstract space."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def hear(self, seconds: float = PATIENCE) -> dict[str, str]:
        """The next datagram; TimeoutError when there is none."""
        self._socket.settimeout(seconds)
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().split("\n"))

    def hear_nothing(self, seconds: float) -> bool:
        """After all that was on its way."""
        try:
            while True:
                self.hear(seconds)
        except TimeoutError:
            return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request, tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify") if request.param == "a path" else f"@units-{os.getpid()}-{id(request)}")
    yield manager
    manager.close()


def test_a_note_is_one_datagram(manager, settings):
    settings.SERVICE_MANAGER_SOCKET = manager.address
    notify(READY="1", STATUS="wg0 is up\nor nearly")
    assert manager.hear() == {"READY": "1", "STATUS": "wg0 is up or nearly"}


def test_nothing_is_said_where_nobody_asked_and_nobody_there_is_no_error(settings, tmp_path):
    notify(READY="1")
    settings.SERVICE_MANAGER_SOCKET = str(tmp_path / "nobody")
    notify(READY="1")


def test_a_state_is_said_once_and_life_each_time():
    said = []
    liveness = Liveness(lambda **states: said.append(states))
    for status in ("waits", "waits", "up"):
        liveness(status)
    assert said == [
        {"READY": "1", "STATUS": "waits", "WATCHDOG": "1"},
        {"WATCHDOG": "1"},
        {"READY": "1", "STATUS": "up", "WATCHDOG": "1"},
    ]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[LiveHub, Manager]]:
    manager = Manager(str(tmp_path / "notify"))
    with live_hub(tmp_path / "hub", NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="400000") as hub:
        yield hub, manager
    manager.close()


@pytest.mark.django_db
def test_web_is_ready_when_a_worker_answers_and_alive_while_one_does(hub):
    hub, manager = hub
    web = hub.start_web()
    assert manager.hear() == {"READY": "1", "STATUS": f"answers at {hub.environment['HUB_BIND']}", "WATCHDOG": "1"}
    assert manager.hear() == {"WATCHDOG": "1"}
    workers = Path(f"/proc/{web.pid}/task/{web.pid}/children").read_text().split()
    for worker in workers:
        os.kill(int(worker), signal.SIGSTOP)  # the first process lives on, and nobody is answered
    try:
        assert manager.hear_nothing(2.0)
    finally:
        for worker in workers:
            os.kill(int(worker), signal.SIGCONT)
    assert manager.hear() == {"WATCHDOG": "1"}


@pytest.mark.django_db
def test_the_agent_says_what_it_does_and_that_its_loop_goes_round(hub):
    hub, manager = hub
    first = hub.start_agent()
    heard = [manager.hear()]
    while heard[-1].get("STATUS") != "wg0 is up":
        heard.append(manager.hear())
    assert heard[0]["READY"] == "1"
    assert manager.hear() == {"WATCHDOG": "1"}
    first.send_signal(signal.SIGSTOP)  # a loop that hangs
    try:
        assert manager.hear_nothing(6.0)  # it beats every three seconds
    finally:
        first.send_signal(signal.SIGCONT)
    assert manager.hear()["WATCHDOG"] == "1"


def test_web_that_nobody_runs_does_not_answer(tmp_path):
    assert not web_answers(f"unix:{tmp_path}/nobody")
    assert not web_answers("127.0.0.1:1")


def test_nobody_is_watched_without_a_service_manager():
    before = set(threading.enumerate())
    watch_web("127.0.0.1:1")
    assert set(threading.enumerate()) <= before
