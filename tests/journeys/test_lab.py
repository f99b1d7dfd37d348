"""The lab itself: hosts that reach each other, carry real tunnels, and leave nothing behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys import demo
from tests.journeys.conftest import Namespaces, assert_deserted, descendants_of, machine, needs_root
from tests.journeys.lab import REPOSITORY, Host, Lab, LabUnavailable, Process

pytestmark = [pytest.mark.journey, needs_root]

# SIGINT is set anew because a shell that starts a test run in the background has it ignored.
HOLD_A_LAB = """
import signal, time
from tests.journeys.lab import Lab
signal.signal(signal.SIGINT, signal.default_int_handler)
with Lab() as lab:
    hub = lab.host("hub", "203.0.113.1")
    hub.run("wireguard-go wg0; echo secret >/etc/wireguard/wg0.conf; mktemp /tmp/left.XXXXXX; sleep 900 &")
    hub.start(["sleep", "900"])
    print("up", flush=True)
    time.sleep(60)
"""


def test_two_hosts_reach_each_other(lab: Lab) -> None:
    one, other = lab.host("one", "203.0.113.1"), lab.host("other", "203.0.113.2")
    assert one.ping("203.0.113.2")
    assert other.ping("203.0.113.1")
    assert not one.ping("203.0.113.3", timeout=0.2)


def test_a_tunnel_carries_a_ping(lab: Lab) -> None:
    one, other = lab.host("one", "203.0.113.1"), lab.host("other", "203.0.113.2")
    keys = {host: key_pair(host) for host in (one, other)}
    dig_tunnel(one, keys[one][0], "10.9.0.1", to=other, key=keys[other][1], far="10.9.0.2")
    dig_tunnel(other, keys[other][0], "10.9.0.2", to=one, key=keys[one][1], far="10.9.0.1")
    assert one.ping("10.9.0.2", timeout=5)
    interface, peer = one.wg_dump()
    assert interface[1] == keys[one][1]
    assert int(peer[4]) > 0


def key_pair(host: Host) -> tuple[str, str]:
    private = host.run(["wg", "genkey"], check=True).stdout
    return private, host.run(["wg", "pubkey"], given=private, check=True).stdout.strip()


def dig_tunnel(host: Host, private: str, address: str, *, to: Host, key: str, far: str) -> None:
    host.write("/etc/wireguard/private", private)
    host.run(["wireguard-go", "wg0"], check=True)
    wg = ["wg", "set", "wg0", "listen-port", "51820", "private-key", "/etc/wireguard/private"]
    peer = ["peer", key, "allowed-ips", f"{far}/32", "endpoint", f"{to.address}:51820"]
    host.run([*wg, *peer], check=True)
    host.run(["ip", "address", "add", f"{address}/24", "dev", "wg0"], check=True)
    host.run(["ip", "link", "set", "wg0", "up"], check=True)


@pytest.mark.parametrize("folder", ["/etc", "/etc/wireguard", "/run/wireguard", "/var/lib", "/var/tmp", "/tmp"])
def test_what_a_host_writes_stays_there(lab: Lab, folder: str) -> None:
    one, other = lab.host("one", "203.0.113.1"), lab.host("other", "203.0.113.2")
    written = Path(folder, f"written-in-the-lab-of-{os.getpid()}")
    one.write(str(written), "mine\n")
    assert one.run(["cat", str(written)]).stdout == "mine\n"
    assert other.run(["test", "-e", str(written)]).returncode == 1
    assert not written.exists()


@pytest.mark.parametrize("folder", ["/usr/bin", "/var/log"])
def test_the_rest_of_this_machine_is_read_only_there(lab: Lab, folder: str) -> None:
    done = lab.internet.run(["touch", f"{folder}/written-in-the-lab"])
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr


def test_the_repository_is_readable_there_and_safe_wherever_it_is_cloned(lab: Lab) -> None:
    written = REPOSITORY / f"written-in-the-lab-of-{os.getpid()}"
    assert lab.internet.run(["test", "-r", "manage.py"], cwd=REPOSITORY).returncode == 0
    lab.internet.run(["touch", str(written)])
    assert not written.exists()


def test_a_host_starts_without_wireguard_and_systemd(lab: Lab) -> None:
    found = lab.internet.run(["find", "/etc/wireguard", "/run/wireguard", "/run/systemd", "-mindepth", "1"])
    assert (found.returncode, found.stdout) == (0, "")


def test_a_host_sees_only_its_own_links_and_processes(lab: Lab) -> None:
    hub = lab.host("hub", "203.0.113.1")
    assert hub.run(["ls", "/sys/class/net"]).stdout.split() == ["eth0", "lo"]
    assert hub.run(["ps", "-A", "-o", "comm="]).stdout.split() == ["cat", "ps"]
    assert hub.run(["hostname"]).stdout == "hub\n"


def test_only_the_host_that_asked_for_it_forwards(lab: Lab) -> None:
    hub, spoke = lab.host("hub", "203.0.113.1", forwarding=True), lab.host("spoke1", "203.0.113.2")
    for host, forwards in ((hub, "1\n"), (spoke, "0\n")):
        assert host.run(["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout == forwards


def test_the_environment_of_the_caller_stays_outside(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    assert "proxy" not in lab.internet.run(["env"]).stdout


def test_a_signal_reaches_the_command_itself(lab: Lab) -> None:
    process = lab.internet.start("trap 'echo stopping; exit 7' TERM; echo up; while :; do sleep 0.01; done")
    wait_until(lambda: process.written() == "up\n")
    process.terminate()
    assert process.wait(60) == 7
    assert process.written() == "up\nstopping\n"


def test_a_command_that_hangs_is_ended_and_says_how_far_it_came(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    wait = Process.wait

    def wait_from_its_first_word(process: Process, timeout: float | None = None) -> int:
        wait_until(lambda: process.written() != "")
        return wait(process, timeout)

    monkeypatch.setattr(Process, "wait", wait_from_its_first_word)
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        lab.internet.run("echo begun; exec sleep 900", timeout=0.3)
    monkeypatch.undo()
    assert caught.value.stdout == "begun\n"
    assert lab.internet.run(["ps", "-A", "-o", "comm="]).stdout.split() == ["cat", "ps"]


def test_a_command_that_is_stopped_is_ended_all_the_same(lab: Lab) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        lab.internet.run("kill -STOP $$", timeout=0.3)
    assert lab.internet.run(["ps", "-A", "-o", "comm="]).stdout.split() == ["cat", "ps"]


def test_a_lab_ends_with_a_stopped_command_in_it() -> None:
    with Lab() as lab:
        stopped = lab.internet.start("kill -STOP $$")
        wait_until(lambda: "State:\tT" in Path(f"/proc/{stopped.pid}/status").read_text())
        spaces = Namespaces(os.getpid())
    assert_deserted(spaces)


def test_a_command_returns_although_its_children_run_on(lab: Lab) -> None:
    assert lab.internet.run("sleep 900 & echo done", timeout=60).stdout == "done\n"


def test_a_published_port_leads_into_the_host(lab: Lab) -> None:
    hub = lab.host("hub", "203.0.113.1")
    hub.write("/tmp/site/hello", "from inside\n")
    server = hub.start([sys.executable, "-m", "http.server", "8000", "-b", "203.0.113.1", "-d", "/tmp/site"])
    wait_until(lambda: hub.run(["curl", "-s", "http://203.0.113.1:8000/"]).returncode == 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{hub.publish(8000)}/hello", timeout=60) as answer:
        assert answer.read() == b"from inside\n"
    assert server.poll() is None


def test_a_lab_that_ends_leaves_nothing() -> None:
    before = machine()
    with Lab() as lab:
        lab.host("hub", "203.0.113.1").run(["wireguard-go", "wg0"], check=True)
        spaces = Namespaces(os.getpid())
        assert len(spaces) == 6  # network, mounts and processes, of the hub and of the internet
        assert machine() == before
    assert_deserted(spaces, within=0)
    assert machine() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_lab_whose_owner_is_ended_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    before = machine()
    with hold_a_lab(tmp_path) as owner:
        assert owner.stdout.readline() == "up\n"
        spaces = Namespaces(owner.pid)
        assert len(spaces) == 6
        owner.send_signal(number)
        owner.communicate(timeout=60)
    assert_deserted(spaces)
    assert machine() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", [0.02, 0.08, 0.15, 0.25])
def test_an_owner_killed_while_it_builds_leaves_nothing(moment: float, tmp_path: Path) -> None:
    with hold_a_lab(tmp_path) as owner:
        wait_until(lambda: bool(descendants_of(owner.pid)))
        time.sleep(moment)
        spaces = Namespaces(owner.pid)
        owner.kill()
        owner.communicate(timeout=60)
    assert_deserted(spaces)
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def hold_a_lab(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", HOLD_A_LAB]
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(
        argv, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as owner:
        try:
            yield owner
        finally:
            owner.kill()


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabUnavailable, match="run as root"), Lab():
        pass
    assert demo.main() == 1
    assert capsys.readouterr().out.count("\n") == 1


def wait_until(condition, *, within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
