"""The first words of the installer: what it takes, what it refuses, that looking changes nothing."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.journeys.conftest import needs_root
from tests.journeys.lab import REPOSITORY, Host, Lab

INSTALL = REPOSITORY / "deploy/install.sh"
MAIN = INSTALL.read_text()
OPTIONS = (INSTALL.parent / "install/options.sh").read_text()
CERTIFIED = ["--domain", "hub.example.com", "--certificate", "/etc/hostname", "--certificate-key", "/etc/hostname"]
WALK = r"find /etc /var/lib /run -xdev -printf '%p %y %m %u %T@ %l\n' | sort"


@pytest.fixture(scope="module")
def machine() -> Iterator[Host]:
    """One that systemd seems to run, of a system that is known."""
    with Lab() as lab:
        host = lab.host("server", "203.0.113.1")
        host.run("mkdir -p /run/systemd/system; rm -rf /etc/nginx/sites-enabled", check=True)
        yield host


def installed(machine: Host, *options: str) -> "subprocess.CompletedProcess[str]":
    return machine.run(["sh", str(INSTALL), *options], cwd="/")


def help_text() -> str:
    return subprocess.run(["sh", INSTALL, "--help"], capture_output=True, text=True, check=True).stdout


def test_the_help_explains_every_option_and_no_other():
    taken = set(re.findall(r"^            (--[a-z-]+)\b.*\)", OPTIONS, re.MULTILINE))
    assert len(taken) > 12
    assert set(re.findall(r"^  (--[a-z-]+)", help_text(), re.MULTILINE)) == taken


@pytest.mark.parametrize(
    "options",
    [
        ["--domian", "hub.example.com"],
        ["--domain"],
        ["--domain", "hub.example.com; reboot"],
        ["--domain", "hub.example.com\nhub"],
        ["--email", "nobody"],
        ["--interface", "../wg0"],
        ["--interface", "a-name-that-is-too-long"],
        ["--certificate", "/etc/hub.pem"],
        ["--certificate-key", "/etc/hub.key"],
        ["--certificate", "/etc/a;b", "--certificate-key", "/etc/c"],
        ["--delete-data"],
    ],
    ids=" ".join,
)
def test_wrong_words_are_refused_in_one_line(options):
    done = subprocess.run(["sh", INSTALL, *options], capture_output=True, text=True, cwd="/")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
    assert done.stderr.endswith("--help\n")
    assert done.stdout == ""


@needs_root
def test_looking_names_every_step_and_changes_nothing(machine):
    before = machine.run(WALK, check=True).stdout
    done = installed(machine, "--dry-run", *CERTIFIED, "--network", "10.0.1.0/24", "--database", "postgres")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = re.findall(r"^ +step \"([A-Za-z]+)", MAIN.split("\nmain() {")[1], re.MULTILINE)
    assert [step.split()[0] for step in re.findall("Would do: (.*)", done.stdout)] == steps
    assert machine.run(WALK, check=True).stdout == before


@needs_root
@pytest.mark.parametrize(
    ("spoiled", "options", "said"),
    [
        ("true", ["--domain", "hub.example.com"], "does not resolve"),
        ("true", [*CERTIFIED[:3], "/etc/absent.pem", *CERTIFIED[4:]], "There is no file /etc/absent.pem"),
        ("mkdir -p /var/lib/wireguard-hub; echo x >/var/lib/wireguard-hub/sealing.pub", CERTIFIED, "sealing key"),
        ("ip link add wg0 type veth peer name other", CERTIFIED, "has an interface wg0 already"),
        ("rm /etc/os-release; echo ID=arch >/etc/os-release", CERTIFIED, "This is arch"),
        ("rmdir /run/systemd/system", CERTIFIED, "systemd is not what runs"),
    ],
    ids=["name", "certificate", "sealing key", "wg0", "system", "systemd"],
)
def test_a_machine_that_does_not_fit_is_told_why(machine, spoiled, options, said):
    undo = {
        "mkdir": "rm -r /var/lib/wireguard-hub",
        "ip": "ip link del wg0",
        "rm": "ln -sf ../usr/lib/os-release /etc/os-release",
        "rmdir": "mkdir -p /run/systemd/system",
    }
    machine.run(spoiled, check=True)
    try:
        done = installed(machine, "--dry-run", *options)
    finally:
        machine.run(undo.get(spoiled.split()[0], "true"), check=True)
    assert done.returncode == 3, done.stdout + done.stderr
    assert said in done.stdout


@needs_root
def test_a_port_that_somebody_has_is_told_with_his_name(machine):
    holder = machine.start(["python3", "-m", "http.server", "80"], cwd="/")
    try:
        while "LISTEN" not in machine.run(["ss", "-ltn", "sport = :80"]).stdout:
            assert holder.poll() is None, holder.complaints()
        done = installed(machine, "--dry-run", *CERTIFIED)
    finally:
        holder.kill()
        machine.run(["pkill", "-f", "http.server"])
    assert done.returncode == 3
    assert 'Port 80/tcp is taken by "python3"' in done.stdout


@needs_root
def test_nobody_is_asked_who_is_not_there(machine):
    done = installed(machine, "--dry-run")
    assert done.returncode == 2
    assert "Which name?" in done.stdout
