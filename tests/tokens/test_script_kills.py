"""Killed before any of its commands, a run leaves what `resume` completes and what uninstalling takes away wholly."""

import contextlib
import os
import re
import signal
from dataclasses import dataclass

import pytest

from tests.tokens.mac import TracedMac, mac_script
from tests.tokens.machine import PATIENCE, SHELLS, STATE_HOME, accepted, last_line, linux_script, needs_machine
from tests.tokens.traced_machine import TracedMachine
from tokens.scripts import render_uninstall

pytestmark = needs_machine
NAMED = "hub.example.com:51820"
SERVICES = {
    "dash": "systemd, on a Proxmox VE node",
    "bash": "openrc",
    "busybox": "nothing that starts services",
}
MEMBERS = '{"nodename": "pve1", "cluster": {"name": "dc1", "quorate": 1}, "nodelist": {"pve1": {"id": 1}}}'
RC_SERVICE = """
interface=${1#*.}
case $2 in stop | restart) [ ! -e "/record/link.$interface" ] || wg-quick down "$interface" ;; esac
case $2 in start | restart) wg-quick up "$interface" ;; esac
"""
# What the main shell does itself, without a command: it opens a file for writing, and it writes.
OPENS = re.compile(r'^openat\(\w+, "(?!/shim|/dev/null).*O_(CREAT|APPEND|TRUNC)')
WRITES = re.compile(r"^write\((?!\d+, \"[^\"]*\", 0\))")


@dataclass
class Kill:
    """When to kill a run: before its command of that number, or at that call of the main shell's own."""

    number: int
    call: str = "command"


class Victim(TracedMachine):
    """A machine on which runs are killed."""

    script, uninstall_script = linux_script(hub_endpoint=NAMED), render_uninstall("linux")

    def build(self, services: str) -> None:
        if "systemd" in services:
            self.put("run/systemd/system/.keep")
            self.put_tool("pveversion", "echo pve-manager/8.1.3/b46aac3b42da5d15")
            self.put("etc/pve/.members", MEMBERS)
        if services == "openrc":
            self.put("run/openrc/softlevel")
            self.put("etc/init.d/wg-quick")
            (self.root / "etc/init.d/wg-quick").chmod(0o755)
            self.put_tool("rc-update")
            self.put_tool("rc-service", RC_SERVICE)
        self.put_tool("getent", "echo '203.0.113.1 STREAM hub.example.com'")
        self.answers(accepted(endpoint=NAMED))
        self.untouched = self.files()

    def clear(self) -> None:
        self.forget()
        self.run("sh", "-c", "rm -f /record/requests /record/calls /record/environments")
        self.forget()

    def run_killed(self, script: str, kill: Kill) -> bool:
        """Run the script and kill it; return whether it lived long enough to be killed."""
        self.forget()
        if kill.call == "command":
            shell = ["/shim/real/sh"]
        else:
            inject = f"inject={kill.call}:signal=SIGKILL:when={kill.number}"
            trace = ["/shim/real/strace", "-qq", "-o", "/shim/trace", "-e", f"trace={kill.call}"]
            shell = [*trace, "-e", inject, "/shim/real/sh"]
        running = self.start(*shell, start_new_session=True)
        if kill.call == "command":
            self.put("shim/kill-at", f"{kill.number} {running.pid}\n")
        with contextlib.suppress(BrokenPipeError):
            running.communicate(script, timeout=PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        self.wait_until_quiet()
        (self.root / "shim/kill-at").unlink(missing_ok=True)
        self.last_commands = len(self.seen("count"))
        self.last_trace = self.seen("trace").decode(errors="replace")
        return running.returncode == -signal.SIGKILL

    def go_on(self) -> None:
        """Complete the killed run by the saved copy; where there is none yet, nothing was asked of the hub either."""
        copies = list((self.root / STATE_HOME).glob("*/install.sh"))
        if copies:
            done = self.run("sh", f"/{copies[0].relative_to(self.root)}", "resume")
        else:
            assert self.requests() == []
            done = self.pipe(self.script)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.match(r"(Already connected|Connected): web-1 is 10\.0\.1\.5 on wg0, ", last_line(done.stdout))
        assert {request["publicKey"] for request in self.requests()} == {self.public_key()}

    def public_key(self) -> str:
        return self.run(
            "sh", "-c", f"cat /{STATE_HOME}/*/private.key | PATH=$PATH:/opt/homebrew/bin wg pubkey"
        ).stdout.strip()

    def uninstall(self) -> None:
        done = self.pipe(self.uninstall_script)
        assert (done.returncode, done.stderr) == (0, "")
        self.wait_until_quiet()
        assert self.differences() == {}
        assert not [
            path.name for path in (self.root / "record").iterdir() if path.name.startswith(("link.", "loaded."))
        ]

    def lose_tunnel(self) -> None:
        self.run("sh", "-c", "rm -f /record/link.* /record/handshake.*")

    def differences(self) -> dict[str, object]:
        now = self.files()
        paths = self.untouched.keys() | now.keys()
        return {path: now.get(path) for path in paths if now.get(path) != self.untouched.get(path)}


class MacVictim(Victim, TracedMac):
    """A Mac on which runs are killed."""

    script, uninstall_script = mac_script(hub_endpoint=NAMED), render_uninstall("macos")

    def build(self, services: str) -> None:
        (self.root / "run/wireguard").mkdir()
        self.put("record/resolves", "name: hub.example.com\nip_address: 203.0.113.1\n")
        self.answers(accepted(endpoint=NAMED))
        self.untouched = self.files()


@pytest.fixture
def build(tmp_path):
    """Make machines that are taken down at the end of the test."""
    machines: list[Victim] = []

    def build_one(shell="dash", kind=Victim):
        machines.append(kind(tmp_path, shell))
        machines[-1].build(SERVICES[shell])
        return machines[-1]

    yield build_one
    for machine in machines:
        machine.close()


def install_killed(machine, kill):
    machine.clear()
    was_killed = machine.run_killed(machine.script, kill)
    machine.go_on()
    machine.uninstall()
    return was_killed


def uninstall_killed(machine, kill):
    machine.clear()
    assert machine.pipe(machine.script).returncode == 0
    was_killed = machine.run_killed(machine.uninstall_script, kill)
    machine.uninstall()
    return was_killed


def resume_killed(machine, kill):
    """A tunnel that went down is brought back by a run that is killed, and then by one that is not."""
    machine.clear()
    assert machine.pipe(machine.script).returncode == 0
    machine.lose_tunnel()
    (copy,) = (machine.root / STATE_HOME).glob("*/install.sh")
    was_killed = machine.run_killed(f"exec sh /{copy.relative_to(machine.root)} resume\n", kill)
    machine.go_on()
    machine.uninstall()
    return was_killed


ACTS = {"install": install_killed, "resume": resume_killed, "uninstall": uninstall_killed}


NEVER = 60_000  # strace counts no further


def commands_of(machine, act):
    """A kill before every command of an act."""
    assert not ACTS[act](machine, Kill(NEVER))
    return [Kill(number) for number in range(1, machine.last_commands + 1)]


def own_calls_of(machine, act):
    """A kill at every opening and writing of the main shell itself."""
    kills = []
    for call, wanted in {"openat": OPENS, "write": WRITES}.items():
        assert not ACTS[act](machine, Kill(NEVER, call))
        lines = [line for line in machine.last_trace.splitlines() if line.startswith(call)]
        kills += [Kill(number, call) for number, line in enumerate(lines, 1) if wanted.search(line)]
    assert kills
    return kills


def spread(kills, count):
    step = max(1, len(kills) // count)
    return kills[step // 2 :: step]


def survivors(machine, act, kills):
    """Kills that came too late for the run; everything else is asserted on the way."""
    return [kill for kill in kills if not ACTS[act](machine, kill)]


def test_a_killed_install_is_completed_and_leaves_nothing_behind(build):
    machine = build()
    kills = commands_of(machine, "install") + own_calls_of(machine, "install")
    assert survivors(machine, "install", spread(kills, 9)) == []


@pytest.mark.parametrize("act", ["resume", "uninstall"])
def test_what_is_killed_later_is_completed_and_leaves_nothing_behind(build, act):
    machine = build()
    assert survivors(machine, act, spread(commands_of(machine, act), 2)) == []


def test_a_killed_install_on_a_mac_is_completed_and_leaves_nothing_behind(build):
    machine = build("bash", MacVictim)
    assert survivors(machine, "install", spread(commands_of(machine, "install"), 2)) == []


@pytest.mark.scripts_full
@pytest.mark.parametrize("act", ACTS)
def test_a_run_killed_at_a_hundred_places_on_a_mac_is_completed_and_leaves_nothing_behind(build, act, record_property):
    machine = build("bash", MacVictim)
    # Every so many: a run on a Mac takes seconds, and most of its commands are those of Linux.
    kills = spread(commands_of(machine, act) + own_calls_of(machine, act), 100)
    record_property(f"kills of {act} on a Mac", len(kills))
    assert len(survivors(machine, act, kills)) <= 3


@pytest.mark.scripts_full
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("act", ACTS)
def test_a_run_killed_anywhere_is_completed_and_leaves_nothing_behind(build, act, shell, record_property):
    machine = build(shell)
    kills = commands_of(machine, act) + own_calls_of(machine, act)
    record_property(f"kills of {act} under {shell}", len(kills))
    # The commands of a pipeline are counted as they come, so the very last numbers may never be reached.
    assert len(survivors(machine, act, kills)) <= 3
