"""The machine's programs missing, refusing, hanging and talking rubbish, played by stand-ins.

`lo` serves as an interface that is there, `wg-none` as one that is not.
"""

import signal
import socket
import subprocess
import time
import traceback
from pathlib import Path

import pytest

from tests.wireguard.own_namespace import own_namespace
from wireguard.backends import BackendError, BackendUnavailable, InterfaceMissing, WgBackend
from wireguard.backends import wg as wg_backend
from wireguard.configtext import Difference, WantedInterface, WantedPeer, setconf_text
from wireguard.firewall import WantedFirewall, ruleset_text
from wireguard.keys import generate_private_key

KEY = generate_private_key()
# So long a stand-in may take that a test wants to end by itself: a shell starts late on a busy machine.
PATIENCE = 60.0
# So long the backend waits, in a test of that, for what programs that have ended well leave behind.
WAITS = 0.3
CONFIG = setconf_text(WantedInterface("lo", KEY, 51820, (), 1420), [])


class StandIns:
    """A directory of programs that do what a test says, and the backend that finds no others."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"
        self.log.touch()
        self.backend = WgBackend(path=str(directory), timeout=PATIENCE)

    def wait_briefly(self) -> None:
        """Programs keep their time; what is waited for after one does not."""
        self.backend._timeout = WAITS

    def play(self, program: str, script: str) -> None:
        path = self.directory / program
        path.write_text(f'#!/bin/sh\necho "{program} $*" >> {self.log}\n{script}\n', encoding="utf-8")
        path.chmod(0o755)

    def commands(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()


TABLE = ruleset_text(WantedFirewall("wg0", ("10.0.1.1/24",)))


@pytest.fixture
def machine(tmp_path) -> StandIns:
    return StandIns(tmp_path)


def everything_told(error: BaseException) -> str:
    """The exception as a log would show it, and every exception behind it."""
    told, behind = "".join(traceback.format_exception(error)), error.__context__
    return told if behind is None else told + repr(vars(behind)) + everything_told(behind)


@pytest.mark.parametrize(
    ("act", "package"),
    [
        (lambda backend: backend.dump("lo"), "wireguard-tools"),
        (lambda backend: backend.configure("lo", CONFIG), "wireguard-tools"),
        (lambda backend: backend.set_peers("lo", Difference(("K",), ())), "wireguard-tools"),
        (lambda backend: backend.create_interface("wg-none"), "iproute2"),
        (lambda backend: backend.link_state("lo"), "iproute2"),
        (lambda backend: backend.local_networks(without="wg0"), "iproute2"),
        (lambda backend: backend.load_ruleset(TABLE), "nftables"),
        (lambda backend: backend.firewall_table(), "nftables"),
    ],
)
def test_a_missing_program_is_named_with_the_package_that_brings_it(machine, act, package):
    with pytest.raises(BackendUnavailable, match=rf"is not installed .*apt-get install {package}\)\.$"):
        act(machine.backend)


def test_a_program_that_may_not_be_run_is_named(machine):
    machine.play("wg", "exit 0")
    (machine.directory / "wg").chmod(0o644)
    with pytest.raises(BackendUnavailable, match=r"^This process may not run wg\.$"):
        machine.backend.dump("lo")


def test_a_program_that_cannot_be_started_is_named(machine):
    (machine.directory / "wg").write_bytes(b"\x7fELF")
    (machine.directory / "wg").chmod(0o755)
    with pytest.raises(BackendError, match=r"^wg could not be started: Exec format error\.$"):
        machine.backend.dump("lo")


@pytest.mark.parametrize(
    ("program", "says", "act"),
    [
        ("wg", "Unable to access interface: Operation not permitted", lambda b: b.dump("lo")),
        ("wg", "Unable to modify interface: Permission denied", lambda b: b.configure("lo", CONFIG)),
        ("ip", "RTNETLINK answers: Operation not permitted", lambda b: b.create_interface("wg-none")),
        ("ip", "RTNETLINK answers: Operation not permitted", lambda b: b.link_up("lo")),
        (
            "nft",
            "Operation not permitted (you must be root)",
            lambda b: b.load_ruleset(TABLE),
        ),
        ("nft", "Operation not permitted (you must be root)", lambda b: b.firewall_table()),
    ],
)
def test_lack_of_privilege_is_told_apart(machine, program, says, act):
    machine.play(program, f"echo '{says}' >&2; exit 1")
    with pytest.raises(BackendUnavailable, match=rf"^`{program} .*lacks the privilege \(CAP_NET_ADMIN\)\.$"):
        act(machine.backend)


def test_a_failure_names_command_status_and_reason(machine):
    machine.play("ip", "echo 'RTNETLINK answers: No buffer space available' >&2; exit 2")
    with pytest.raises(BackendError) as failure:
        machine.backend.link_up("lo")
    expected = "`ip link set dev lo up` failed with exit status 2: RTNETLINK answers: No buffer space available."
    assert str(failure.value) == expected


def test_of_a_failing_wg_only_the_kernels_reason_is_told(machine):
    machine.play("wg", "echo 'Unable to modify interface: Address already in use' >&2; exit 1")
    with pytest.raises(BackendError) as failure:
        machine.backend.set_interface("lo", private_key=KEY, listen_port=51820)
    expected = (
        "`wg set lo listen-port 51820 private-key …` failed with exit status 1: Address already in use. "
        "Another program has its UDP port: ss -lunp shows which."
    )
    assert str(failure.value) == expected


def test_an_interface_of_another_kind_is_told_with_what_to_do(machine):
    machine.play("wg", "echo 'Unable to access interface: Protocol not supported' >&2; exit 1")
    with pytest.raises(BackendError, match=r"no interface of WireGuard.* once it is taken away \(ip link delete\)"):
        machine.backend.dump("lo")


def test_a_failure_where_the_interface_is_gone_says_that_it_is_gone(machine):
    machine.play("wg", "echo 'Unable to access interface: Protocol not supported' >&2; exit 1")
    with pytest.raises(InterfaceMissing, match=r"^There is no interface wg-none\.$"):
        machine.backend.dump("wg-none")


@pytest.mark.parametrize("chatter", ["/bin/cat >&2", "/bin/cat; /bin/cat >&2", "read a; read b; echo $b >&2"])
@pytest.mark.parametrize("ending", ["exit 1", "exec /bin/sleep 30"])
def test_what_wg_was_given_is_in_no_exception(machine, chatter, ending):
    machine.backend = WgBackend(path=str(machine.directory), timeout=0.2)
    machine.play("wg", f"{chatter}; {ending}")
    for act in (
        lambda: machine.backend.configure("lo", CONFIG),
        lambda: machine.backend.set_interface("lo", private_key=KEY, listen_port=1),
    ):
        with pytest.raises(BackendError) as failure:
            act()
        assert KEY[:12] not in everything_told(failure.value)


@pytest.mark.parametrize("ending", ["exit 1", "exec /bin/sleep 30"])
def test_what_a_broken_dump_printed_is_in_no_exception(machine, ending):
    machine.backend = WgBackend(path=str(machine.directory), timeout=0.2)
    machine.play("wg", f"echo '{KEY}'; echo 'Unable to access interface: {KEY}' >&2; {ending}")
    with pytest.raises(BackendError) as failure:
        machine.backend.dump("lo")
    assert KEY[:12] not in everything_told(failure.value)


def test_a_hanging_program_is_ended_after_its_time(machine, monkeypatch):
    started_programs = []

    class Noted(subprocess.Popen):
        def __init__(self, *given, **options):
            super().__init__(*given, **options)
            started_programs.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    machine.backend = WgBackend(path=str(machine.directory), timeout=0.2)
    machine.play("wg", "exec /bin/sleep 30")
    started = time.monotonic()
    with pytest.raises(BackendError, match=r"^`wg show lo dump` did not answer within 0\.2 s and was ended\.$"):
        machine.backend.dump("lo")
    assert time.monotonic() - started < 20
    (program,) = started_programs
    assert program.returncode == -signal.SIGKILL


@pytest.mark.parametrize("rubbish", ["", "rubbish", "{}", "[1]", "[{}]", '[{"addr_info": 1, "mtu": 1}]', "[]"])
def test_a_link_described_in_rubbish_is_an_error(machine, rubbish):
    machine.play("ip", f"echo '{rubbish}'")
    with pytest.raises(BackendError, match=r"^`ip` "):
        machine.backend.link_state("lo")


@pytest.mark.parametrize(
    "rubbish", ["rubbish", "{}", "[1]", '[{"dst": "x"}]', '[{"dst": 1.5}]', '[{"addr_info": [{}]}]']
)
def test_networks_described_in_rubbish_are_an_error(machine, rubbish):
    machine.play("ip", f"echo '{rubbish}'")
    with pytest.raises(BackendError, match=r"^`ip` "):
        machine.backend.local_networks(without="wg0")


def test_keys_go_by_standard_input_and_are_in_no_argument(machine, tmp_path):
    machine.play("wg", f"/bin/cat >> {tmp_path}/stdin")
    machine.backend.configure("lo", CONFIG)
    machine.backend.set_interface("lo", private_key=KEY, listen_port=51820)
    assert machine.commands() == [
        "wg setconf lo /dev/stdin",
        "wg set lo listen-port 51820 private-key /dev/stdin",
    ]
    assert (tmp_path / "stdin").read_text() == f"{CONFIG}{KEY}\n"


def test_at_most_500_peers_go_into_one_command_and_removals_first(machine):
    machine.play("wg", "exit 0")
    peers = tuple(WantedPeer(f"PUT{number}", (f"10.0.0.{number}/32",)) for number in range(600))
    machine.backend.set_peers("lo", Difference(tuple(f"GONE{number}" for number in range(600)), peers))
    commands = machine.commands()
    assert [command.count(" peer ") for command in commands] == [500, 500, 200]
    words = " ".join(commands).split()
    assert words.index("PUT0") > words.index("GONE599")
    assert words[-4:] == ["peer", "PUT599", "allowed-ips", "10.0.0.599/32"]


def test_programs_inherit_no_variable_and_speak_c(machine, tmp_path, monkeypatch):
    monkeypatch.setenv("HUB_SEALING_KEY", KEY)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    machine.play("wg", f"/usr/bin/env > {tmp_path}/environment")
    machine.backend.dump("lo")
    environment = (tmp_path / "environment").read_text()
    assert "LC_ALL=C\n" in environment
    assert KEY not in environment


def test_where_the_kernel_has_wireguard_nothing_else_is_started(machine):
    machine.play("ip", "exit 0")
    machine.play("wireguard-go", "exit 0")
    machine.backend.create_interface("wg-none")
    assert machine.commands() == ["ip link add dev wg-none type wireguard"]


@pytest.mark.parametrize("says", ["Error: Unknown device type.", "RTNETLINK answers: Operation not supported"])
def test_without_wireguard_in_the_kernel_and_beside_it_the_sentence_says_what_to_install(machine, says):
    machine.play("ip", f"echo '{says}' >&2; exit 2")
    with pytest.raises(BackendUnavailable, match=r"kernel has no WireGuard.*apt-get install wireguard-go"):
        machine.backend.create_interface("wg-none")


def test_a_kernel_that_refuses_for_another_reason_is_not_circumvented(machine):
    machine.play("ip", "echo 'RTNETLINK answers: No buffer space available' >&2; exit 2")
    machine.play("wireguard-go", "exit 0")
    with pytest.raises(BackendError, match="No buffer space"):
        machine.backend.create_interface("wg-none")
    assert machine.commands() == ["ip link add dev wg-none type wireguard"]


def test_a_failing_wireguard_go_is_told_with_what_it_needs(machine):
    machine.play("ip", "echo 'Error: Unknown device type.' >&2; exit 2")
    machine.play("wireguard-go", "exit 1")
    with pytest.raises(BackendUnavailable, match=r"could not create wg-none: it needs .*/dev/net/tun"):
        machine.backend.create_interface("wg-none")


def test_who_may_not_start_wireguard_go_waits_for_the_service_that_does(machine, monkeypatch):
    monkeypatch.setattr(wg_backend, "_TUN", "/nonexistent/tun")
    machine.play("ip", "echo 'Error: Unknown device type.' >&2; exit 2")
    machine.play("wireguard-go", "exit 0")
    with pytest.raises(BackendError, match=r"not there yet: wireguard-hub-userspace\.service") as refused:
        machine.backend.create_interface("wg-none")
    assert not isinstance(refused.value, BackendUnavailable)  # so it is tried again soon, and no human is called
    assert machine.commands() == ["ip link add dev wg-none type wireguard"]


def test_wireguard_go_gets_a_session_of_its_own_and_none_of_our_pipes(machine, tmp_path):
    machine.play("ip", "echo 'Error: Unknown device type.' >&2; exit 2")
    record = f"/bin/ls -l /proc/$$/fd > {tmp_path}/files; /bin/cat /proc/$$/stat > {tmp_path}/stat"
    machine.play("wireguard-go", record)
    machine.wait_briefly()
    with pytest.raises(BackendError, match="did not appear"):
        machine.backend.create_interface("wg-none")
    process, _, _, _, _, session, *_ = (tmp_path / "stat").read_text().split()
    assert process == session
    assert "pipe:" not in (tmp_path / "files").read_text()


def test_an_interface_that_does_not_appear_is_not_waited_for_for_ever(machine):
    machine.play("ip", "echo 'Error: Unknown device type.' >&2; exit 2")
    machine.play("wireguard-go", "exit 0")
    machine.wait_briefly()
    with pytest.raises(BackendError, match="the interface wg-none did not appear"):
        machine.backend.create_interface("wg-none")


@pytest.mark.journey
@pytest.mark.parametrize("room", [128, 0], ids=["with room for more", "full at once"])
def test_deleting_waits_while_the_old_daemon_still_answers(machine, room):
    machine.play("ip", "exit 0")
    machine.wait_briefly()
    with own_namespace(), socket.socket(socket.AF_UNIX) as old_daemon:
        old_daemon.bind("/run/wireguard/wg-none.sock")
        old_daemon.listen(room)
        started = time.monotonic()
        machine.backend.delete_interface("wg-none")
        assert time.monotonic() - started >= WAITS


@pytest.mark.parametrize("name", ["--help", "wg 0", "wg0;reboot", "", "../x"])
def test_a_name_that_is_no_interface_name_starts_nothing(machine, name):
    for act in (machine.backend.create_interface, machine.backend.dump, machine.backend.link_up):
        with pytest.raises(ValueError, match="An interface name is"):
            act(name)
    assert machine.commands() == []
