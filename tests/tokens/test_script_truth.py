"""The script says "Connected" only when it is true, and otherwise what is wrong, found by looking."""

import time
from email.utils import formatdate

import pytest

from tests.tokens.machine import CONNECTED, SHELLS, accepted, body_of, last_line, linux_script, needs_machine

pytestmark = needs_machine
NAMED = "hub.example.com:51820"
LEAD = "Stopped: Registered web-1 as 10.0.1.5 on wg0, but "
TAIL = ". The tunnel stays up and connects when it can."


def verdict(machine):
    """What is said in the end about a tunnel that does not work."""
    done = machine.pipe(linux_script())
    assert done.returncode == 7
    assert "Connected" not in done.stdout
    told = last_line(done.stderr)
    assert told.startswith(LEAD)
    assert told.endswith(TAIL)
    assert machine.exists("record/link.wg0")
    return told.removeprefix(LEAD).removesuffix(TAIL)


def test_connected_means_that_small_and_large_packets_came_back_through_the_tunnel(machine):
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED
    assert machine.calls("ping") == [
        "ping -c 1 -W 2 -s 56 -I wg0 10.0.1.1",
        "ping -c 1 -W 2 -s 1392 -I wg0 10.0.1.1",
    ]


def test_the_hub_is_pinged_at_the_first_address_of_its_network(machine):
    machine.answers(accepted(networkCIDR="10.0.0.0/16", mtu=1280) | {"allowedIPs": ["10.0.1.5/16"]})
    machine.pipe(linux_script())
    assert machine.calls("ping")[-1] == "ping -c 1 -W 2 -s 1252 -I wg0 10.0.0.1"


def test_a_machine_without_ping_says_what_was_not_looked_at(machine):
    machine.hide("ping")
    done = machine.pipe(linux_script())
    assert last_line(done.stdout) == CONNECTED
    assert "There is no ping on this machine, so only the handshake was seen." in done.stdout


def test_silence_is_udp_blocked_when_nothing_else_is_found(machine):
    machine.put("record/silent-hub")
    machine.put("record/headers", f"HTTP/1.1 405 X\r\nDate: {formatdate(usegmt=True)}\r\n\r\n")
    assert verdict(machine) == (
        "no handshake with 203.0.113.1:51820: look whether UDP to port 51820 is blocked on the way, "
        "and whether this is the hub"
    )


@pytest.mark.parametrize(("off", "direction"), [(-90, "ahead"), (7200, "behind")])
def test_a_clock_that_is_off_is_named(machine, off, direction):
    machine.put("record/silent-hub")
    began = time.time()
    date = formatdate(began + off, usegmt=True)
    machine.put("record/headers", f"HTTP/1.1 405 X\r\nServer: nginx\r\ndate: {date}\r\n\r\n")
    told = verdict(machine)
    assert told.startswith("no handshake with 203.0.113.1:51820: the clock of this machine is ")
    assert told.endswith(f" seconds {direction}, set it right")
    # The hub's moment is that of before the run, which takes its time.
    assert abs(int(told.split()[-6]) - abs(off)) < time.time() - began + 2


def test_a_hub_that_has_not_applied_the_peer_is_named(machine):
    machine.put("record/silent-hub")
    machine.answers(accepted() | {"peerApplied": False})
    assert verdict(machine).endswith("the hub has not applied this machine yet, look at its dashboard")


def test_a_machine_without_a_way_to_the_hub_is_named(machine):
    machine.put("record/silent-hub")
    machine.put("record/no-route")
    assert verdict(machine) == "this machine has no route to the hub at 203.0.113.1"


def test_a_name_that_does_not_resolve_is_named(machine):
    machine.put("record/silent-hub")
    machine.put_tool("getent", "exit 2")
    machine.answers(accepted(endpoint=NAMED))
    assert verdict(machine) == "the hub's name hub.example.com does not resolve on this machine"


def test_a_tunnel_that_cannot_start_for_want_of_a_name_says_so(machine):
    machine.put("record/broken-tunnel")
    machine.put_tool("getent", "exit 2")
    machine.answers(accepted(endpoint=NAMED))
    done = machine.pipe(linux_script())
    assert done.returncode == 7
    assert last_line(done.stderr) == (
        "Stopped: This machine is registered, but wg0 did not start: "
        "the hub's name hub.example.com does not resolve on this machine."
    )


def test_a_handshake_without_an_answer_to_a_ping_is_the_hubs_firewall(machine):
    machine.put("record/no-ping")
    assert verdict(machine) == "the hub shook hands but 10.0.1.1 does not answer a ping: look at the hub's firewall"


def test_small_packets_that_pass_and_large_ones_that_do_not_are_the_mtu(machine):
    machine.put("record/largest-ping", "1200")
    assert verdict(machine) == (
        "only small packets reach the hub: an MTU of 1420 is too large for the way there, set a lower one on the hub"
    )


def test_an_answer_that_comes_after_all_is_not_left_without_a_reason(machine):
    machine.put_tool("ping", "[ -e /record/asked ] || { : >/record/asked; exit 1; }")
    assert verdict(machine) == (
        "it answers now and did not before: look whether packets get lost on the way to 203.0.113.1:51820"
    )


def test_a_link_that_is_gone_again_is_not_said_to_stay_up(machine):
    machine.put_tool("ping", "rm -f /record/link.wg0; exit 1")
    done = machine.pipe(linux_script())
    assert (done.returncode, last_line(done.stderr)) == (
        7,
        "Stopped: This machine is registered, but wg0 did not start.",
    )


def test_a_tunnel_that_slept_is_asked_before_it_is_judged(machine):
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED
    machine.put("record/handshake.wg0", "hub\t1000\n")
    # As after sleep: the first packet is lost, and makes WireGuard shake hands.
    shake = r"""printf 'hub\t%s\n' "$(date +%s)" >/record/handshake.wg0"""
    machine.put_tool("ping", f"[ -e /record/asked ] || {{ : >/record/asked; {shake}; exit 1; }}")
    assert last_line(machine.run_again().stdout).startswith("Already connected")


def test_a_connection_that_only_looks_right_is_set_up_again(machine):
    machine.put("record/largest-ping", "1200")
    verdict(machine)
    (machine.root / "record/largest-ping").unlink()
    machine.put("record/no-ping")
    verdict(machine)
    (machine.root / "record/no-ping").unlink()
    assert last_line(machine.run_again().stdout).startswith("Already connected")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("moment", [0, 951782400, 951868799, 1709164800, 1735689599, 4107542400])
def test_the_date_of_an_answer_is_read_right(build, shell, moment):
    machine = build(shell)
    definitions = body_of(linux_script()).rpartition('main "$@"')[0]
    header = f"  Date: {formatdate(moment, usegmt=True)}"
    done = machine.run("sh", text=f"{definitions}\nprintf 'HTTP/1.1 200\\r\\n{header}\\r\\n' | seconds_of_date\n")
    assert done.stdout.strip() == str(moment)
