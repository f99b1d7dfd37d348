"""The one door to the interface: what it makes right, what it leaves alone, what it refuses."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.wireguard.own_namespace import own_namespace
from wireguard.backends import Backend, BackendError, InterfaceMissing, LinkState, MemoryBackend, WgBackend
from wireguard.configtext import Difference, WantedInterface, WantedPeer
from wireguard.drift import Kind, peer_drift, repair_of
from wireguard.dump import SeenInterface
from wireguard.firewall import REMOVAL_TEXT, WantedFirewall
from wireguard.interface import NetworkOverlap, WireGuardService
from wireguard.keys import generate_private_key, public_key_of

HUB = WantedInterface("wg0", generate_private_key(), 51820, ("10.0.1.1/24",), 1420)
FIRST, SECOND, THIRD = (WantedPeer(public_key_of(generate_private_key()), (f"10.0.1.{host}/32",)) for host in (2, 3, 4))


class RecordingBackend(MemoryBackend):
    """Remembers, in order, what was done to the machine."""

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        self.acts: list[str] = []

    def configure(self, name, config_text):
        self.acts.append("configure")
        super().configure(name, config_text)

    def set_interface(self, name, **values):
        self.acts.append("set_interface")
        super().set_interface(name, **values)

    def set_peers(self, name, difference):
        self.acts.append("set_peers")
        super().set_peers(name, difference)

    def load_ruleset(self, text):
        self.acts.append("load_ruleset")
        super().load_ruleset(text)

    def link_up(self, name):
        self.acts.append("link_up")
        super().link_up(name)


def by_key(*peers: WantedPeer) -> dict[str, WantedPeer]:
    return {peer.public_key: peer for peer in peers}


def wrong_with(service: WireGuardService) -> list[Kind]:
    """The kinds of drift of the interface itself."""
    return [drift.kind for drift in service.look(HUB).wrong]


def routes(seen: SeenInterface) -> dict[str, tuple[str, ...]]:
    return {key: peer.allowed_ips for key, peer in seen.peers.items()}


def routed(*peers: WantedPeer) -> dict[str, tuple[str, ...]]:
    return {peer.public_key: peer.allowed_ips for peer in peers}


@pytest.fixture
def memory() -> RecordingBackend:
    return RecordingBackend()


@pytest.fixture(params=[pytest.param("memory"), pytest.param("machine", marks=pytest.mark.journey)])
def backend(request) -> Iterator[Backend]:
    if request.param == "memory":
        yield MemoryBackend()
    else:
        with own_namespace():
            yield WgBackend()


@pytest.fixture
def machine() -> Iterator[WgBackend]:
    with own_namespace():
        yield WgBackend()


def run(*arguments: str, **options) -> str:
    return subprocess.run(arguments, check=True, capture_output=True, text=True, **options).stdout


# --- on both backends ---


def test_from_nothing_everything_comes_up(backend):
    service = WireGuardService(backend)
    service.bring_up(HUB, by_key(FIRST, SECOND))
    assert wrong_with(service) == []
    assert routes(service.observe("wg0")) == routed(FIRST, SECOND)
    assert service.status("wg0") == LinkState(("10.0.1.1/24",), 1420, is_up=True)


def test_an_interface_that_was_deleted_comes_back_with_every_peer(backend):
    service = WireGuardService(backend)
    service.bring_up(HUB, by_key(FIRST, SECOND))
    backend.delete_interface("wg0")
    with pytest.raises(InterfaceMissing):
        service.observe("wg0")
    service.bring_up(HUB, by_key(FIRST, SECOND))
    assert wrong_with(service) == []
    assert routes(service.observe("wg0")) == routed(FIRST, SECOND)


def test_bringing_up_what_has_drifted_makes_it_right(backend):
    service = WireGuardService(backend)
    drifted = replace(HUB, private_key=generate_private_key(), listen_port=51999, addresses=("10.9.0.1/16",))
    service.bring_up(replace(drifted, mtu=1300), by_key(replace(FIRST, allowed_ips=("10.0.0.0/8",)), THIRD))
    service.bring_up(HUB, by_key(FIRST, SECOND))
    assert wrong_with(service) == []
    assert routes(service.observe("wg0")) == routed(FIRST, SECOND)


def test_a_difference_once_applied_is_none(backend):
    service = WireGuardService(backend)
    service.bring_up(HUB, by_key(FIRST, THIRD))
    wanted = by_key(replace(FIRST, allowed_ips=("10.0.1.9/32",)), SECOND)
    service.apply("wg0", repair_of(peer_drift(wanted, service.observe("wg0")), wanted))
    assert peer_drift(wanted, service.observe("wg0")) == []


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        (lambda b: b.set_interface("wg0", private_key=HUB.private_key, listen_port=51999), "listen_port"),
        (
            lambda b: b.set_interface("wg0", private_key=generate_private_key(), listen_port=51820),
            "private_key",
        ),
        (lambda b: b.set_addresses("wg0", [], 1420), "address"),
        (lambda b: b.set_addresses("wg0", ["10.0.1.1/24", "10.9.0.1/16"], 1420), "address"),
        (lambda b: b.set_addresses("wg0", ["10.0.1.1/24"], 1300), "mtu"),
        (lambda b: WireGuardService(b).apply_firewall(WantedFirewall("wg9", ("10.0.1.1/24",))), "firewall"),
        (lambda b: b.load_ruleset(REMOVAL_TEXT), "firewall"),
    ],
)
def test_whatever_was_spoilt_is_named_and_repaired_without_touching_a_peer(backend, spoil, wrong):
    service = WireGuardService(backend)
    service.bring_up(HUB, by_key(FIRST))
    spoil(backend)
    assert wrong_with(service) == [wrong]
    service.bring_up(HUB, by_key(FIRST))
    assert wrong_with(service) == []


def test_tearing_down_leaves_nothing_and_can_be_repeated(backend):
    service = WireGuardService(backend)
    service.bring_up(HUB, by_key(FIRST))
    for _ in range(2):
        service.tear_down("wg0")
        assert service.status("wg0") is None
        assert backend.firewall_table() is None


# --- what is done and what is left alone ---


def test_from_nothing_one_configuration_carries_every_peer(memory):
    WireGuardService(memory).bring_up(HUB, by_key(FIRST, SECOND))
    assert [act for act in memory.acts if "peers" in act or "conf" in act] == ["configure"]


def test_brought_up_again_nothing_is_done_to_key_or_peers(memory):
    service = WireGuardService(memory)
    service.bring_up(HUB, by_key(FIRST))
    memory.acts.clear()
    service.bring_up(HUB, by_key(FIRST))
    assert memory.acts == []


def test_with_peers_present_only_the_difference_is_touched(memory):
    service = WireGuardService(memory)
    service.bring_up(HUB, by_key(FIRST))
    memory.acts.clear()
    service.bring_up(HUB, by_key(FIRST, SECOND))
    assert memory.acts == ["set_peers"]


def test_a_changed_port_is_set_before_peers_and_replaces_none(memory):
    service = WireGuardService(memory)
    service.bring_up(HUB, by_key(FIRST))
    heard = service.observe("wg0").peers[FIRST.public_key]._replace(latest_handshake=1_700_000_000)
    memory.hear("wg0", heard)
    memory.acts.clear()
    service.bring_up(replace(HUB, listen_port=51999), by_key(FIRST, SECOND))
    assert memory.acts == ["set_interface", "set_peers"]
    assert service.observe("wg0").peers[FIRST.public_key] == heard


def test_an_interface_that_is_as_new_gets_everything_in_one_text(memory):
    memory.create_interface("wg0")  # as wireguard-go's own service brings it
    repair = WireGuardService(memory).bring_up(HUB, by_key(FIRST, SECOND))
    assert [drift.kind for drift in repair.done] == [Kind.INTERFACE_GONE]
    assert memory.acts == ["load_ruleset", "configure", "link_up"]
    assert set(WireGuardService(memory).observe("wg0").peers) == {FIRST.public_key, SECOND.public_key}


def test_the_firewall_stands_before_the_link_is_up(memory):
    WireGuardService(memory).bring_up(HUB, {})
    assert memory.acts.index("load_ruleset") < memory.acts.index("link_up")


def test_without_its_firewall_the_interface_does_not_come_up(memory, monkeypatch):
    def refuse(text):
        raise BackendError("no nft today")

    monkeypatch.setattr(memory, "load_ruleset", refuse)
    service = WireGuardService(memory)
    with pytest.raises(BackendError, match="no nft today"):
        service.bring_up(HUB, by_key(FIRST))
    assert service.status("wg0") is None


def test_an_empty_difference_asks_nothing_of_the_machine(memory):
    WireGuardService(memory).apply("wg7", Difference((), ()))
    assert memory.acts == []


@pytest.mark.parametrize("is_there", [True, False])
def test_a_firewall_that_this_service_never_applied_is_not_trusted(memory, is_there):
    WireGuardService(memory).bring_up(HUB, {})
    if not is_there:
        memory.load_ruleset(REMOVAL_TEXT)
    started_anew = WireGuardService(memory)
    assert wrong_with(started_anew) == ["firewall"]


def test_a_link_that_is_down_is_named(memory):
    service = WireGuardService(memory)
    service.bring_up(HUB, {})
    memory.delete_interface("wg0")
    memory.create_interface("wg0")
    words = wrong_with(service)
    assert words == ["private_key", "listen_port", "address", "link_down"]


def test_without_the_interface_nothing_can_be_observed(memory):
    service = WireGuardService(memory)
    assert service.status("wg0") is None
    with pytest.raises(InterfaceMissing):
        service.observe("wg0")


# --- the machine's own networks ---


@pytest.mark.parametrize(
    ("network", "overlaps"),
    [
        ("10.0.1.0/24", True),
        ("10.0.0.0/16", True),
        ("10.0.1.128/25", True),
        ("10.0.1.200/32", True),
        ("10.0.2.0/24", False),
        ("192.168.0.0/16", False),
        ("fd00::/8", False),
    ],
)
def test_a_network_the_machine_is_already_in_is_refused(network, overlaps):
    backend = MemoryBackend(networks=["203.0.113.0/24", network])
    service = WireGuardService(backend)
    if not overlaps:
        service.bring_up(HUB, {})
        return
    with pytest.raises(NetworkOverlap, match=f"network 10.0.1.0/24 overlaps {network}, which this machine"):
        service.bring_up(HUB, {})
    assert service.status("wg0") is None
    assert backend.firewall_table() is None


def test_every_one_of_the_hubs_addresses_is_compared():
    service = WireGuardService(MemoryBackend(networks=["fd00:1::/48"]))
    with pytest.raises(NetworkOverlap, match="fd00:1::/64 overlaps fd00:1::/48"):
        service.bring_up(replace(HUB, addresses=("10.0.1.1/24", "fd00:1::1/64")), {})


def test_a_bare_interface_gets_no_address_in_a_network_of_the_machine():
    backend = MemoryBackend(networks=["10.0.1.0/24"])
    backend.create_interface("wg0")
    with pytest.raises(NetworkOverlap):
        WireGuardService(backend).bring_up(HUB, {})
    assert backend.link_state("wg0").addresses == ()


def test_an_interface_that_runs_stays_manageable_when_the_machine_joins_an_overlapping_network(memory):
    service = WireGuardService(memory)
    service.bring_up(HUB, by_key(FIRST))
    memory.create_interface("wg1")
    memory.set_addresses("wg1", ["10.0.1.77/24"], 1420)
    service.bring_up(HUB, by_key(SECOND))
    assert routes(service.observe("wg0")) == routed(SECOND)


@pytest.mark.journey
def test_routes_count_as_networks_but_default_routes_do_not(machine):
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far")
    for command in (
        "address add 198.51.100.2/24 dev eth0",
        "link set eth0 up",
        "route add default via 198.51.100.1",
        "route add 0.0.0.0/1 via 198.51.100.1",
        "route add 128.0.0.0/1 via 198.51.100.1",
        "route add 10.7.0.0/16 via 198.51.100.1",
        "route add 10.8.0.0/16 nexthop via 198.51.100.1 dev eth0 nexthop via 198.51.100.3 dev eth0",
        "route add 172.20.0.0/16 via 198.51.100.1 table 77",
        "route add blackhole 10.0.0.0/8",
        "-6 route add 2001:db8:7::/48 dev eth0",
    ):
        run("ip", *command.split())
    expected = ["10.7.0.0/16", "10.8.0.0/16", "172.20.0.0/16", "198.51.100.0/24", "2001:db8:7::/48"]
    assert machine.local_networks(without="wg0") == expected


def test_our_table_is_listed_again_only_when_some_table_has_changed(memory, monkeypatch):
    service, listings = WireGuardService(memory), list[int]()
    service.bring_up(HUB, {})
    listed = memory.firewall_table

    def noted() -> str | None:
        listings.append(1)
        return listed()

    monkeypatch.setattr(memory, "firewall_table", noted)
    assert [wrong_with(service) for _ in range(3)] == [[], [], []]
    assert not listings
    memory._ruleset_generation += 1  # somebody else's table
    assert [wrong_with(service) for _ in range(3)] == [[], [], []]
    assert len(listings) == 1
    memory.load_ruleset(REMOVAL_TEXT)
    assert [wrong_with(service) for _ in range(2)] == [["firewall"], ["firewall"]]


def test_where_nobody_tells_the_generation_our_table_is_listed_at_every_look(memory, monkeypatch):
    service = WireGuardService(memory)
    monkeypatch.setattr(memory, "ruleset_generation", lambda: None)
    service.bring_up(HUB, {})
    assert wrong_with(service) == []
    memory.load_ruleset(REMOVAL_TEXT)
    assert wrong_with(service) == ["firewall"]


# --- with real sessions and a real firewall ---


@pytest.mark.journey
def test_a_live_session_survives_every_change_around_it(machine):
    service = WireGuardService(machine)
    spoke = WantedInterface("wg1", generate_private_key(), 51999, ("10.0.1.9/32",), 1420)
    live = WantedPeer(public_key_of(spoke.private_key), ("10.0.1.9/32",))
    service.bring_up(HUB, by_key(live, FIRST, SECOND))
    connect(machine, spoke)
    before = wait_for_handshake(service, live.public_key)
    changed = replace(SECOND, allowed_ips=("10.0.1.7/32",))
    service.bring_up(replace(HUB, mtu=1380), by_key(live, changed, THIRD))
    after = service.observe("wg0").peers[live.public_key]
    assert (after.latest_handshake, after.endpoint) == (before.latest_handshake, "127.0.0.1:51999")
    assert after.transfer_rx >= before.transfer_rx > 0


def connect(machine: WgBackend, spoke: WantedInterface) -> None:
    """A second interface in the same namespace that keeps a tunnel to the hub alive over loopback."""
    machine.create_interface(spoke.name)
    machine.set_interface(spoke.name, private_key=spoke.private_key, listen_port=spoke.listen_port)
    machine.link_up(spoke.name)
    hub_key = public_key_of(HUB.private_key)
    endpoint = ("endpoint", f"127.0.0.1:{HUB.listen_port}", "persistent-keepalive", "1")
    run("wg", "set", spoke.name, "peer", hub_key, "allowed-ips", "10.0.1.1/32", *endpoint)


def wait_for_handshake(service: WireGuardService, public_key: str):
    deadline = time.monotonic() + 60
    while not (peer := service.observe("wg0").peers[public_key]).latest_handshake:
        assert time.monotonic() < deadline, "no handshake within 60 s"
        time.sleep(0.05)
    return peer


@pytest.mark.journey
@pytest.mark.parametrize(
    "command",
    [
        "add rule inet wireguard_hub forward accept",
        "insert rule inet wireguard_hub forward accept",
        "flush chain inet wireguard_hub forward",
        "delete table inet wireguard_hub",
        "flush ruleset",
    ],
)
def test_a_firewall_changed_by_hand_is_seen_and_put_right(machine, command):
    service = WireGuardService(machine)
    service.bring_up(HUB, {})
    run("nft", *command.split())
    assert wrong_with(service) == ["firewall"]
    service.apply_firewall(WantedFirewall("wg0", HUB.addresses))
    assert wrong_with(service) == []


@pytest.mark.journey
def test_a_deleted_interface_has_left_no_control_socket_to_meet(machine):
    for _ in range(15):
        machine.create_interface("wg0")
        assert Path("/run/wireguard/wg0.sock").exists()
        machine.delete_interface("wg0")
        assert not Path("/run/wireguard/wg0.sock").exists()


@pytest.mark.journey
def test_a_port_that_is_taken_is_said_keeps_nothing_else_from_coming_up_and_is_had_once_it_is_free(machine):
    service = WireGuardService(machine)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", HUB.listen_port))
        with pytest.raises(BackendError, match="Another program has its UDP port"):
            service.bring_up(HUB, by_key(FIRST))
        failure = service.bring_up(HUB, by_key(FIRST)).failure
        assert "Another program has its UDP port" in str(failure)
        assert wrong_with(service) == [Kind.LISTEN_PORT]
        assert routes(service.observe("wg0")) == routed(FIRST)
    assert service.bring_up(HUB, by_key(FIRST)).failure is None
    assert wrong_with(service) == []


@pytest.mark.journey
def test_a_wireguard_go_that_was_killed_is_replaced(machine):
    service = WireGuardService(machine)
    service.bring_up(HUB, by_key(FIRST))
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended just now
            is_here = process.joinpath("ns/net").readlink() == Path("/proc/thread-self/ns/net").readlink()
            if is_here and "wireguard-go" in process.joinpath("cmdline").read_text():
                os.kill(int(process.name), signal.SIGKILL)
    while service.is_there("wg0"):
        time.sleep(0.01)
    service.bring_up(HUB, by_key(FIRST))
    assert wrong_with(service) == []
    assert routes(service.observe("wg0")) == routed(FIRST)


@pytest.mark.journey
def test_firewall_tables_of_others_are_left_alone(machine):
    run("nft", "add table inet theirs; add chain inet theirs input; add table ip wireguard_hub")
    theirs = [run("nft", "list", "table", *table.split()) for table in ("inet theirs", "ip wireguard_hub")]
    service = WireGuardService(machine)
    service.bring_up(HUB, {})
    service.bring_up(HUB, {})
    service.tear_down("wg0")
    tables = ("inet theirs", "ip wireguard_hub")
    assert [run("nft", "list", "table", *table.split()) for table in tables] == theirs


@pytest.mark.journey
def test_the_firewall_is_the_same_however_often_it_is_applied(machine):
    service = WireGuardService(machine)
    service.bring_up(HUB, {}, WantedFirewall("wg0", HUB.addresses))
    listed = run("nft", "list", "ruleset")
    for _ in range(3):
        service.apply_firewall(WantedFirewall("wg0", HUB.addresses))
    assert run("nft", "list", "ruleset") == listed
