"""The kernel's switches for forwarding: on only as far as needed, and afterwards what they were before."""

import contextlib
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wireguard.own_namespace import own_namespace
from wireguard import forwarding
from wireguard.backends import BackendError, WgBackend
from wireguard.configtext import WantedInterface
from wireguard.firewall import CLUSTER, ISOLATED, OPEN, WantedFirewall
from wireguard.interface import WireGuardService
from wireguard.keys import generate_private_key

pytestmark = pytest.mark.journey

ADDRESSES = ("10.0.1.1/24", "fd00::1/64")
HUB = WantedInterface("wg0", generate_private_key(), 51820, ADDRESSES, 1420)
SETTINGS = Path("/proc/sys/net")


@pytest.fixture
def service() -> Iterator[WireGuardService]:
    with own_namespace():
        subprocess.run(["ip", "link", "add", "lan0", "type", "veth", "peer", "lan1"], check=True)
        set_to("ipv4/conf/all/send_redirects", "0")  # the kernel's own WireGuard does so, wireguard-go does not
        yield WireGuardService(WgBackend())


def firewall(mode: str, addresses: tuple[str, ...] = ADDRESSES) -> WantedFirewall:
    return WantedFirewall("wg0", addresses, mode)


def setting(path: str) -> str:
    return (SETTINGS / path).read_text().strip()


def set_to(path: str, value: str) -> None:
    (SETTINGS / path).write_text(value)


def switches() -> dict[str, str]:
    """What concerns forwarding, for everything but the hub's own interface."""
    files = [
        *SETTINGS.glob("ipv4/conf/*/forwarding"),
        *SETTINGS.glob("ipv6/conf/*/forwarding"),
        *SETTINGS.glob("ipv6/conf/*/accept_ra"),
        *SETTINGS.glob("ipv4/conf/*/send_redirects"),
        SETTINGS / "ipv4/ip_forward",
    ]
    return {str(file.relative_to(SETTINGS)): file.read_text().strip() for file in files if "wg0" not in file.parts}


def test_isolated_spokes_need_no_switch(service):
    before = switches()
    service.bring_up(HUB, {}, firewall(ISOLATED))
    assert switches() == before
    assert (setting("ipv4/conf/wg0/forwarding"), setting("ipv6/conf/all/forwarding")) == ("0", "0")


@pytest.mark.parametrize("mode", [CLUSTER, OPEN])
def test_forwarding_concerns_the_hubs_interface_and_no_other(service, mode):
    before = switches()
    service.bring_up(HUB, {}, firewall(mode))
    assert setting("ipv4/conf/wg0/forwarding") == "1"
    assert changed(before) == {"ipv6/conf/all/forwarding": "1"}


def changed(before: dict[str, str]) -> dict[str, str]:
    return {path: value for path, value in switches().items() if value != before[path]}


def test_without_an_ipv6_prefix_nothing_of_ipv6_changes(service):
    before = switches()
    service.bring_up(HUB, {}, firewall(OPEN, ADDRESSES[:1]))
    assert setting("ipv4/conf/wg0/forwarding") == "1"
    assert switches() == before


@pytest.mark.parametrize("how", ["down", "isolated", "down after a restart"])
def test_all_is_put_back(service, how):
    before = switches()
    service.bring_up(HUB, {}, firewall(OPEN))
    if how == "isolated":
        service.apply_firewall(firewall(ISOLATED))
        assert setting("ipv4/conf/wg0/forwarding") == "0"
    else:
        (WireGuardService(WgBackend()) if "restart" in how else service).tear_down("wg0")
    assert switches() == before


def test_a_machine_that_forwards_by_itself_goes_on(service):
    for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        set_to(path, "1")
    before = switches()
    service.bring_up(HUB, {}, firewall(OPEN))
    assert switches() == before
    service.apply_firewall(firewall(ISOLATED))
    assert setting("ipv4/conf/wg0/forwarding") == "1"
    service.tear_down("wg0")
    assert switches() == before


def test_what_somebody_else_asked_for_meanwhile_is_not_taken_away(service):
    service.bring_up(HUB, {}, firewall(OPEN))
    set_to("ipv6/conf/all/forwarding", "1")
    service.tear_down("wg0")
    assert (setting("ipv6/conf/all/forwarding"), setting("ipv6/conf/lan0/forwarding")) == ("1", "1")


def test_an_interface_with_settings_of_its_own_keeps_them(service):
    set_to("ipv6/conf/lan0/forwarding", "1")
    set_to("ipv6/conf/lan1/accept_ra", "0")
    before = switches()
    service.bring_up(HUB, {}, firewall(OPEN))
    assert changed(before) == {"ipv6/conf/all/forwarding": "1"}
    service.tear_down("wg0")
    assert switches() == before


def test_the_machine_keeps_the_default_route_that_a_router_advertises(service):
    set_to("ipv6/conf/lan0/accept_ra_from_local", "1")
    for link in ("lan0", "lan1"):
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
    advertise("lan1")
    assert "default" in default_route()
    service.bring_up(HUB, {}, firewall(OPEN))
    assert "default" in default_route()
    subprocess.run(["ip", "-6", "route", "flush", "proto", "ra"], check=True)
    advertise("lan1")
    assert "default" in default_route()
    service.tear_down("wg0")
    assert "default" in default_route()


def advertise(link: str) -> None:
    """Sends router advertisements until one has led to a default route."""
    advertisement = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    deadline = time.monotonic() + 60
    while not default_route() and time.monotonic() < deadline:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as router:
            router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            with contextlib.suppress(OSError):  # its own address may not be ready yet
                router.sendto(advertisement, ("ff02::1", 0, 0, socket.if_nametoindex(link)))
        time.sleep(0.1)


def default_route() -> str:
    done = subprocess.run(["ip", "-6", "route", "show", "default"], check=True, capture_output=True, text=True)
    return done.stdout


def test_a_switch_turned_off_by_hand_is_seen(service):
    service.bring_up(HUB, {}, firewall(OPEN))
    backend = WgBackend()
    assert backend.is_forwarding("wg0", versions=[4, 6])
    set_to("ipv4/ip_forward", "0")  # turns off the switch of each interface, too
    set_to("ipv4/conf/wg0/forwarding", "0")
    assert not backend.is_forwarding("wg0", versions=[4, 6])
    service.apply_firewall(firewall(OPEN))
    assert backend.is_forwarding("wg0", versions=[4, 6])


def test_where_the_switches_cannot_be_written_the_sentence_says_what_to_do(service, monkeypatch, tmp_path):
    monkeypatch.setattr(forwarding, "_SWITCHES", tmp_path)
    with pytest.raises(BackendError, match="let the agent write /proc/sys/net"):
        WgBackend().set_forwarding("wg0", versions=[4])
