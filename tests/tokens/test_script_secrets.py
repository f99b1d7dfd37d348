"""Token, private key and registration are never among the arguments or in the environment of any process.

Two witnesses: a shim before every command writes down how it is called, which misses nothing that is called by name;
and a thread looks through /proc every millisecond, which sees the processes that no shim stands before.
"""

import contextlib
import re
import threading
from pathlib import Path

import pytest

from tests.tokens.mac import TracedMac, mac_script
from tests.tokens.machine import SHELLS, STATE_HOME, TOKEN, last_line, linux_script, needs_machine, script_values
from tests.tokens.traced_machine import TracedMachine
from tokens.scripts import render_script, render_uninstall

pytestmark = needs_machine
# Variables of these names that come with the environment would be exported again with the script's own values.
LEAKY = dict.fromkeys(["TOKEN", "PRIVATE_KEY", "key", "request", "value", "id", "SPOKE_NAME", "STATE"], "exported")
# Becomes root as sudo does, which a test cannot without a password.
ELEVATE = 'exec /shim/become-root --reuid=0 --regid=0 --clear-groups -- "$@"'
LOOKING = 0.001


class Watcher:
    """Looks at every process of a machine, again and again, until it is left."""

    def __init__(self, machine):
        self.machine = machine
        self.looks = 0
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_problem):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while not self._over.wait(LOOKING):
            self.looks += 1
            for pid in self.machine.processes():
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        self.seen.add(Path(f"/proc/{pid}/{name}").read_bytes())
            self.machine.put("record/seen")


def told_by(machine, watcher):
    """All that was seen of arguments and environments."""
    return b"\0".join([machine.seen("arguments"), machine.seen("environments"), *watcher.seen])


def secrets(private_key):
    return {"token": TOKEN.encode(), "private key": private_key.encode(), "registration": b'"publicKey":'}


def leaks(told, private_key):
    return sorted(name for name, secret in secrets(private_key).items() if secret in told)


def run_everything(machine, script, platform="linux", **options):
    """Install, resume, ask for the status, uninstall; return the private key and what was seen."""
    with Watcher(machine) as watcher:
        done = machine.pipe(script, environment=LEAKY, **options)
        assert (done.returncode, last_line(done.stdout)[:9]) == (0, "Connected"), done
        (state,) = (path for path in (machine.root / STATE_HOME).iterdir() if path.is_dir())
        private_key = (state / "private.key").read_text().strip()
        copy = f"/{state.relative_to(machine.root)}/install.sh"
        machine.run(
            "sh", "-c", "rm -f /record/link.wg0 /record/handshake.wg0 /record/link.utun7 /record/handshake.utun7"
        )
        for verb in ("resume", "status", "uninstall"):
            assert machine.run("sh", copy, verb, environment=LEAKY).returncode == 0
        machine.pipe(render_uninstall(platform), environment=LEAKY)
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", private_key)
    assert watcher.looks > 10
    return private_key, told_by(machine, watcher)


@pytest.fixture
def build(tmp_path):
    """Make machines that are taken down at the end of the test."""
    machines: list[TracedMachine] = []

    def build_one(shell="dash"):
        machines.append(TracedMachine(tmp_path, shell))
        return machines[-1]

    yield build_one
    for machine in machines:
        machine.close()


@pytest.mark.parametrize("shell", SHELLS)
def test_no_process_of_a_whole_life_shows_a_secret(build, shell):
    private_key, told = run_everything(build(shell), linux_script())
    assert b"TOKEN=exported" in told.replace(b"'", b"")
    assert told.count(b"wg-quick") > 2
    assert leaks(told, private_key) == []


def test_no_process_of_a_proxmox_node_shows_a_secret(build):
    machine = build()
    machine.put_tool("pveversion", "echo pve-manager/8.1.3/b46aac3b42da5d15")
    machine.put("etc/pve/.members", '{"nodename": "pve1", "cluster": {"name": "dc1", "quorate": 1}, "nodelist": {}}')
    private_key, told = run_everything(machine, render_script("proxmox", script_values()))
    assert b"/etc/pve/.members" in told
    assert leaks(told, private_key) == []


def test_no_process_of_a_mac_shows_a_secret(tmp_path):
    mac = TracedMac(tmp_path)
    private_key, told = run_everything(mac, mac_script(), "macos")
    assert told.count(b"wg-quick\0up") + told.count(b"wg-quick\0down") > 2
    assert leaks(told, private_key) == []
    mac.close()


@pytest.mark.parametrize(("shell", "elevate"), [("dash", "sudo"), ("busybox", "doas")])
def test_no_process_shows_a_secret_on_the_way_through_sudo_or_doas(build, shell, elevate):
    machine = build(shell)
    machine.hide("sudo")
    machine.put_tool(elevate, ELEVATE)
    machine.run("/usr/bin/install", "-m", "4755", "/usr/bin/setpriv", "/shim/become-root")
    machine.run("sh", "-c", "chmod 777 /record; chmod 666 /record/calls /record/environments")
    machine.forget()
    private_key, told = run_everything(machine, linux_script(), user=65534)
    assert f"{elevate}\0sh\0/tmp/".encode() in told
    assert leaks(told, private_key) == []


LEAKS = {
    "the token as an argument": ('sleep 0.01 "$TOKEN"', ["token"]),
    "the token as an argument of a command called by its path": (
        # Only who looks at processes sees it: it is there until it was looked for once from beginning to end.
        "/usr/bin/dash -c 'for i in 1 2; do rm -f /record/seen; until [ -e /record/seen ]; do :; done; done' $TOKEN",
        ["token"],
    ),
    "the token in the environment": ("SECRET=$TOKEN sleep 0.01", ["token"]),
    "the token in the environment of everything": ("export TOKEN", ["token"]),
    "the private key as an argument": ('sleep 0.01 "$(cat "$STATE/private.key")"', ["private key"]),
    "the registration as an argument": ('sleep 0.01 "$(cat "$STATE/request.json")"', ["registration", "token"]),
}


@pytest.mark.parametrize(("command", "leak"), LEAKS.values(), ids=LEAKS)
def test_a_script_that_shows_a_secret_is_seen(tmp_path, command, leak):
    machine = TracedMachine(tmp_path)
    place = '    deadline=$(($(seconds) + $(seconds_setting "${WIREGUARD_HUB_RETRY_SECONDS-}" 120)))\n'
    script = linux_script()
    assert script.count(place) == 1
    private_key, told = run_everything(machine, script.replace(place, f"{place}    {command}\n"))
    assert leaks(told, private_key) == leak
    machine.close()
