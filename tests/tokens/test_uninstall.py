"""The uninstall script takes off what the install script made, and nothing else."""

import subprocess

import pytest
from django.test import Client

from tests.tokens.machine import STATE_HOME, Machine, linux_script
from tests.tokens.test_linux_script import SHELLS, last_line
from tokens.scripts import render_uninstall

UNINSTALL = render_uninstall("linux")


@pytest.fixture
def build(tmp_path):
    machines = []

    def build(shell):
        machines.append(Machine(tmp_path / shell, shell))
        return machines[-1]

    yield build
    for machine in machines:
        machine.close()


@pytest.mark.parametrize("shell", SHELLS)
def test_tunnel_configuration_keys_and_state_are_gone(build, shell):
    machine = build(shell)
    assert machine.pipe(linux_script()).returncode == 0
    done = machine.pipe(UNINSTALL)
    assert (done.returncode, done.stderr) == (0, "")
    assert "remove the spoke in the dashboard" in last_line(done.stdout)
    assert machine.configs() == []
    assert not machine.exists(STATE_HOME)
    assert machine.calls("wg-quick")[-1] == "wg-quick down wg0"


def test_a_foreign_tunnel_is_left_alone(build):
    machine = build("dash")
    machine.put("etc/wireguard/wg0.conf", "[Interface]\nPrivateKey = somebody's\n")
    machine.pipe(linux_script())
    machine.pipe(UNINSTALL)
    assert machine.configs() == ["wg0.conf"]
    assert machine.read("etc/wireguard/wg0.conf") == "[Interface]\nPrivateKey = somebody's\n"


def test_under_systemd_the_service_is_disabled(build):
    machine = build("dash")
    machine.put("run/systemd/system/.keep")
    machine.pipe(linux_script())
    machine.pipe(UNINSTALL)
    assert "systemctl disable --now wg-quick@wg0" in machine.calls("systemctl")


def test_a_machine_that_never_was_a_spoke_loses_nothing(build):
    machine = build("dash")
    done = machine.pipe(UNINSTALL)
    assert done.returncode == 0
    assert not machine.calls("wg-quick")


def test_without_root_it_says_how_and_does_nothing(build):
    machine = build("dash")
    machine.pipe(linux_script())
    done = machine.pipe(UNINSTALL, user=65534)
    assert done.returncode == 3
    assert "sudo sh" in done.stderr
    assert machine.configs() == ["wg0.conf"]


def test_shellcheck_finds_nothing():
    done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=UNINSTALL, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_anyone_may_fetch_it_and_an_unknown_platform_is_refused():
    answer = Client().get("/api/installation/uninstall?platform=linux")
    assert (answer.status_code, answer.content.decode()) == (200, UNINSTALL)
    for query in ("", "?platform=beos"):
        refused = Client().get(f"/api/installation/uninstall{query}")
        assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_PLATFORM")
