"""IPv6 inside the tunnel: where the hub has a second network, and the machine has IPv6."""

import pytest

from tests.tokens.machine import CONNECTED, SHELLS, accepted, last_line, linux_script, needs_machine

pytestmark = needs_machine
NETWORK = "fd00:10:0:1::/64"
ADDRESS = "fd00:10:0:1::5/64"
DUAL = accepted(networkCIDR6=NETWORK) | {"allowedIPs": ["10.0.1.5/24", ADDRESS]}


def switch_ipv6(machine, *, off):
    for switch in ("all", "default"):
        machine.run("sh", "-c", f"echo {off:d} >/proc/sys/net/ipv6/conf/{switch}/disable_ipv6")


def lines(machine):
    """The lines of the configuration that name addresses."""
    config = machine.read("etc/wireguard/wg0.conf").splitlines()
    return [line for line in config if line.startswith(("Address", "AllowedIPs"))]


@pytest.mark.parametrize("shell", SHELLS)
def test_both_addresses_and_both_networks_are_configured(build, shell):
    machine = build(shell)
    switch_ipv6(machine, off=False)
    machine.answers(DUAL)
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED
    assert lines(machine) == [f"Address = 10.0.1.5/24, {ADDRESS}", f"AllowedIPs = 10.0.1.0/24, {NETWORK}"]
    assert last_line(machine.run_again().stdout).startswith("Already connected: web-1 is 10.0.1.5 on wg0")


def test_a_hub_without_a_second_network_gives_one_address(machine):
    machine.answers(accepted())
    machine.pipe(linux_script(network_cidr6=NETWORK, spoke_ip6=ADDRESS))
    assert lines(machine) == ["Address = 10.0.1.5/24", "AllowedIPs = 10.0.1.0/24"]


def test_a_machine_without_ipv6_says_so_and_takes_the_first_address_only(machine):
    switch_ipv6(machine, off=True)
    machine.answers(DUAL)
    done = machine.pipe(linux_script())
    assert last_line(done.stdout) == CONNECTED
    assert "IPv6 is switched off on this machine, so the tunnel carries IPv4 only." in done.stdout
    assert lines(machine) == ["Address = 10.0.1.5/24", "AllowedIPs = 10.0.1.0/24"]


@pytest.mark.parametrize(
    ("record", "line", "taken"),
    [
        ("addresses6", "2: eth0    inet6 fd00:10:0:1::77/64 scope global \\ valid_lft forever", "fd00:10:0:1::77/64"),
        ("routes6", "fd00:10::/32 via fe80::1 dev eth0 metric 1024 pref medium", "fd00:10::/32"),
    ],
)
def test_a_second_network_that_the_machine_already_uses_is_refused(machine, record, line, taken):
    machine.put(f"record/{record}", line + "\n")
    done = machine.pipe(linux_script(network_cidr6=NETWORK, spoke_ip6=ADDRESS))
    assert (done.returncode, machine.requests()) == (3, [])
    assert f"The hub's network {NETWORK} overlaps {taken} on eth0" in last_line(done.stderr)


def test_what_every_machine_with_ipv6_has_is_no_overlap(machine):
    switch_ipv6(machine, off=False)
    machine.answers(DUAL)
    machine.put(
        "record/addresses6",
        "2: eth0    inet6 fe80::5054:ff:fe12:3456/64 scope link\n1: lo    inet6 ::1/128 scope host\n",
    )
    machine.put(
        "record/routes6",
        "::1 dev lo proto kernel metric 256 pref medium\n"
        "fe80::/64 dev eth0 proto kernel metric 256 pref medium\n"
        "default via fe80::1 dev eth0 proto ra metric 1024\n"
        "local fd00:10:0:1::5 dev lo table local proto kernel metric 0 pref medium\n"
        "anycast fd00:10:0:1:: dev wg0 table local proto kernel metric 0 pref medium\n"
        "fd00:10:0:1::/64 dev wg0 proto kernel metric 256 pref medium\n"
        "multicast ff00::/8 dev eth0 table local proto kernel metric 256 pref medium\n",
    )
    assert last_line(machine.pipe(linux_script(network_cidr6=NETWORK, spoke_ip6=ADDRESS)).stdout) == CONNECTED


@pytest.mark.parametrize(
    "answer",
    [
        accepted(networkCIDR6="fd00::/64, ::/0") | {"allowedIPs": ["10.0.1.5/24", ADDRESS]},
        accepted(networkCIDR6=NETWORK) | {"allowedIPs": ["10.0.1.5/24", "fd00::5/64\nPostUp = reboot"]},
        accepted(networkCIDR6="fd00::/129") | {"allowedIPs": ["10.0.1.5/24", ADDRESS]},
    ],
)
def test_a_second_network_that_makes_no_sense_changes_nothing(machine, answer):
    machine.answers(answer)
    done = machine.pipe(linux_script())
    assert done.returncode == 6
    assert "makes no sense here" in last_line(done.stderr)
    assert machine.configs() == []
