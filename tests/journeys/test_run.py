"""`make run`: web and agent come together and go together."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import ROOT, LiveHub, free_port

WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LiveHub]:
    """A hub that is not set up yet."""
    port = free_port()
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HUB_DATA_DIR": str(tmp_path / "data"),
        "HUB_BIND": f"127.0.0.1:{port}",
    }
    hub = LiveHub(tmp_path, f"http://127.0.0.1:{port}", environment)
    yield hub
    hub.stop()


def run(hub: LiveHub, *before: str) -> "subprocess.Popen[bytes]":
    launcher = hub.start([*before, sys.executable, "-m", "hubproject.run"])
    hub.wait_for(lambda: launcher.poll() is not None or hub._answers())
    return launcher


def said(hub: LiveHub) -> str:
    return (hub.home / "log").read_text()


def members(group: int) -> list[str]:
    found = subprocess.run(["pgrep", "-f", f"{ROOT}/manage.py hub_agent|gunicorn_conf"], capture_output=True, text=True)
    return [pid for pid in found.stdout.split() if _parent(pid) == group]


def _parent(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_it_says_where_to_go_and_the_setup_code_opens_the_first_door(hub):
    run(hub, *WITHOUT_PRIVILEGE)
    assert hub.url in said(hub)
    code = re.search(r"((?:[0-9a-f]{4}-){7}[0-9a-f]{4})", said(hub))
    assert code is not None
    body = {"networkCIDR": "10.0.1.0/24", "endpoint": "hub.example.com:51820"}
    done = subprocess.run(
        ["curl", "-sS", "-H", f"X-Setup-Code: {code[1]}", "--json", json.dumps(body), f"{hub.url}/api/hub/initialize"],
        capture_output=True,
        text=True,
    )
    assert '"success":true' in done.stdout


def test_without_the_privilege_it_serves_and_says_that_the_interface_is_not_managed(hub):
    run(hub, *WITHOUT_PRIVILEGE)
    assert "not managed" in said(hub)
    hub.manage("init_hub", "--network", "10.0.1.0/24", "--endpoint", "hub.example.com:51820")
    hub.wait_for(lambda: hub.health() == "unmanaged")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_both(hub, number):
    launcher = run(hub, *WITHOUT_PRIVILEGE)
    hub.wait_for(lambda: "agent started" in said(hub))
    assert len(members(launcher.pid)) == 2
    launcher.send_signal(number)
    assert launcher.wait(60) == 0
    assert not hub._answers()
    assert "agent stopped" in said(hub)


def test_when_one_of_them_ends_the_other_is_stopped_and_the_status_says_so(hub):
    launcher = run(hub, *WITHOUT_PRIVILEGE)
    agent = next(pid for pid in members(launcher.pid) if b"hub_agent" in Path(f"/proc/{pid}/cmdline").read_bytes())
    subprocess.run(["kill", "-9", agent], check=True)
    assert launcher.wait(60) == 1
    assert not hub._answers()


def test_a_wrong_setting_is_one_line(hub):
    hub.environment["HUB_PUBLIC_URL"] = "http://hub.example.com"
    launcher = run(hub)
    assert launcher.returncode == 1
    assert len(said(hub).splitlines()) == 1
    assert "HUB_ALLOW_PLAIN_HTTP" in said(hub)
