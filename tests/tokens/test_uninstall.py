"""Uninstalling takes off what the install script made, and nothing else: served for a pipe, or by the saved program."""

import subprocess

import pytest
from django.test import Client

from tests.tokens.machine import (
    CONNECTED,
    HUB_KEY,
    PROGRAM,
    SHELLS,
    STATE_HOME,
    TOKEN,
    accepted,
    last_line,
    linux_script,
    needs_machine,
)
from tokens.scripts import render_uninstall

UNINSTALL = render_uninstall("linux")
FAREWELL = (
    "Removed from this machine. Packages were left, and so was its entry on the hub: remove the spoke in the dashboard."
)


def with_systemd(machine):
    machine.put("run/systemd/system/.keep")


def with_openrc(machine):
    machine.put("run/openrc/softlevel")
    machine.put("etc/init.d/wg-quick")
    (machine.root / "etc/init.d/wg-quick").chmod(0o755)
    machine.put_tool("rc-update")
    machine.put_tool("rc-service", 'case $2 in restart) wg-quick up "${1#*.}" ;; *) wg-quick down "${1#*.}" ;; esac')
    machine.run("rm", "-rf", "/etc/cron.d")
    (machine.root / "etc/periodic/15min").mkdir(parents=True)


def with_cron(machine):
    (machine.root / "etc/cron.d").mkdir(exist_ok=True)


def with_boringtun(machine):
    with_systemd(machine)
    machine.put("record/old-kernel")
    machine.hide("wireguard-go")
    machine.put_tool("boringtun-cli")


def with_little(machine):
    machine.run("rm", "-rf", "/etc/cron.d", "/etc/wireguard", "/usr/local/sbin")


KINDS = [with_systemd, with_openrc, with_cron, with_boringtun, with_little]


@needs_machine
@pytest.mark.parametrize("way", ["served", "program"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_not_a_file_is_left_of_all_that_was_made(machine, kind, way):
    kind(machine)
    machine.put_tool("getent", "echo 203.0.113.1")
    machine.answers(accepted(endpoint="hub.example.com:51820"))
    before = machine.touched()
    assert machine.pipe(linux_script()).returncode == 0
    assert machine.touched() - before > {"/etc/wireguard/wg0.conf", f"/{STATE_HOME}", f"/{PROGRAM}"}
    assert (machine.root / PROGRAM).parent.stat().st_mode & 0o777 == 0o755
    done = machine.pipe(UNINSTALL) if way == "served" else machine.run(f"/{PROGRAM}", "uninstall")
    assert (done.returncode, done.stderr, last_line(done.stdout)) == (0, "", FAREWELL)
    # The directories that these lay in are copies of what was there before.
    left = {path for path in machine.touched() - before if not (machine.root / path[1:]).is_dir()}
    assert left == set()
    assert machine.exists("etc/wireguard") == machine.exists("usr/local/sbin") == (kind is not with_little)
    assert not machine.exists("etc/systemd/system/wg-quick@wg0.service.d")
    assert not machine.exists("record/link.wg0")


@needs_machine
@pytest.mark.parametrize("shell", SHELLS)
def test_tunnel_configuration_keys_and_state_are_gone(build, shell):
    machine = build(shell)
    assert machine.pipe(linux_script()).returncode == 0
    done = machine.pipe(UNINSTALL)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Taking wg0 down\n{FAREWELL}\n"
    assert machine.configs() == []
    assert not machine.exists(STATE_HOME)
    assert machine.calls("wg-quick")[-1] == "wg-quick down wg0"


@needs_machine
def test_a_foreign_tunnel_is_left_alone(machine):
    machine.put("etc/wireguard/wg0.conf", "[Interface]\nPrivateKey = somebody's\n")
    machine.pipe(linux_script())
    machine.pipe(UNINSTALL)
    assert machine.configs() == ["wg0.conf"]
    assert machine.read("etc/wireguard/wg0.conf") == "[Interface]\nPrivateKey = somebody's\n"


@needs_machine
def test_a_foreign_program_of_the_same_name_is_left_alone(machine):
    machine.put(PROGRAM, "#!/bin/sh\n# somebody's\n")
    done = machine.pipe(linux_script())
    assert f"/{PROGRAM} belongs to somebody else" in done.stdout
    machine.pipe(UNINSTALL)
    assert machine.read(PROGRAM) == "#!/bin/sh\n# somebody's\n"


@needs_machine
def test_the_copy_of_one_spoke_leaves_the_other_and_the_program(machine):
    machine.pipe(linux_script())
    copy = machine.saved_copy
    machine.answers(accepted(networkCIDR="10.7.0.0/16") | {"allowedIPs": ["10.7.0.9/16"]})
    machine.pipe(linux_script(token=TOKEN[::-1], network_cidr="10.7.0.0/16", hub_public_key=HUB_KEY.swapcase()))
    assert machine.configs() == ["wg0.conf", "wg1.conf"]
    assert machine.run("sh", f"/{copy}", "uninstall").returncode == 0
    assert machine.configs() == ["wg1.conf"]
    assert machine.run(f"/{PROGRAM}", "status").returncode == 0
    assert machine.pipe(UNINSTALL).returncode == 0
    assert machine.configs() == []
    assert not machine.exists(PROGRAM)


@needs_machine
def test_a_hub_that_is_left_can_be_joined_again_with_a_new_token(machine):
    machine.pipe(linux_script())
    refused = machine.pipe(linux_script(token=TOKEN[::-1]))
    assert (refused.returncode, len(machine.requests())) == (3, 1)
    *_, command = last_line(refused.stderr).partition("take it off first: ")
    assert machine.run(*command.split()).returncode == 0
    assert last_line(machine.run(f"/{PROGRAM}", "resume").stdout) == CONNECTED
    assert [request["token"] for request in machine.requests()] == [TOKEN, TOKEN[::-1]]


@needs_machine
def test_a_machine_that_never_was_a_spoke_loses_nothing(machine):
    before = machine.touched()
    done = machine.pipe(UNINSTALL)
    assert done.returncode == 0
    assert not machine.calls("wg-quick")
    assert machine.touched() == before


@needs_machine
def test_without_root_it_says_how_and_does_nothing(machine):
    machine.pipe(linux_script())
    done = machine.pipe(UNINSTALL, user=65534)
    assert done.returncode == 3
    assert "sudo sh" in done.stderr
    assert machine.run(f"/{PROGRAM}", "uninstall", user=65534).returncode == 3
    assert machine.configs() == ["wg0.conf"]


@needs_machine
def test_a_run_in_progress_is_not_disturbed(machine):
    machine.pipe(linux_script())
    started = machine.run("sh", "-c", "sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20").stdout.strip()
    (machine.root / STATE_HOME / "lock.0").symlink_to(f"1-{started}")
    done = machine.pipe(UNINSTALL)
    assert (done.returncode, last_line(done.stderr)) == (
        4,
        "Stopped: Another run (process 1) is in progress on this machine.",
    )
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
