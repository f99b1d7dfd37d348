"""Who reaches whom through the hub: real pings and forged packets between machines, every mode, IPv4 and IPv6.

The hub's machine does not forward by itself: what passes, passes because the agent has let it.
"""

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest

from tests.journeys.conftest import needs_root
from tests.journeys.demo import (
    HUB,
    KEY_HEADER,
    SETTINGS,
    Hub,
    Spoke,
    answers_of,
    hub_answers,
    start_ping,
    wait_for_answers,
    wait_for_health,
)
from tests.journeys.lab import Host, Lab, Process

pytestmark = [pytest.mark.journey, needs_root]

OUTSIDER = "203.0.113.99"
FAR_AWAY = "198.51.100.1"
OPENED, CLOSED = 8080, 8081
HUB_ADDRESSES = {4: "10.0.1.1", 6: "fd00::1"}
# A protocol number kept for experiments: no ports, no checksums, no program answers.
PROTOCOL = 253
MAY_BE_UNDER_WAY = 1.0
THREE_PINGS = ("ping", "-n", "-c", "3", "-i", "0.2", "-W", "1")
# Writes an IP header of its own, whatever addresses the machine has.
FORGE = f"""
import socket, struct, sys
source, target = sys.argv[1:]
if ":" in source:
    family, header = socket.AF_INET6, struct.pack("!IHBB", 6 << 28, 4, {PROTOCOL}, 64)
else:
    family, header = socket.AF_INET, struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, {PROTOCOL}, 0)
packet = header + socket.inet_pton(family, source) + socket.inet_pton(family, target) + b"hear"
socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW).sendto(packet, (target, 0))
"""
# Says where each such packet came from.
HEAR = f"""
import select, socket
ears = [socket.socket(family, socket.SOCK_RAW, {PROTOCOL}) for family in (socket.AF_INET, socket.AF_INET6)]
print("ready", flush=True)
while True:
    for ear in select.select(ears, [], [])[0]:
        print(ear.recvfrom(2000)[1][0], flush=True)
"""
FOREIGN_TABLE = """
table inet theirs {
    set friends { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 } }
    chain forward { type filter hook forward priority -5; policy accept; ip saddr @friends accept; }
}
"""


@dataclass
class Machine:
    host: Host
    id: str
    public_key: str
    addresses: dict[int, str]
    cluster: str | None

    @property
    def name(self) -> str:
        return self.host.name


@dataclass
class World:
    """A hub, two confirmed nodes of one cluster, one that nobody confirmed, a confirmed one of another, an outsider."""

    hub: Hub
    outsider: Host
    spokes: list[Machine] = field(default_factory=list)

    def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        sent = ["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body else []
        status, answer = self.hub.call(method, path, "-H", f"@{KEY_HEADER}", *sent)
        assert status in {200, 201}, (method, path, status, answer)
        return answer

    def set_mode(self, mode: str) -> None:
        self.call("PUT", "/api/hub/config", spokeToSpoke=mode)
        self.wait_until_applied()

    def wait_until_applied(self) -> None:
        wait_for(lambda: (told := self.call("GET", "/api/hub/status"))["appliedGeneration"] == told["generation"])

    def confirm(self, spoke: Machine, method: str = "POST") -> None:
        self.call(method, f"/api/proxmox/clusters/{spoke.cluster}/nodes/{spoke.id}/confirm")
        self.wait_until_applied()

    def join(self, host: Host, cluster: str) -> Machine:
        """Enrols over REST and brings up what the answer says."""
        private_key = host.run(["wg", "genkey"], check=True).stdout
        public_key = host.run(["wg", "pubkey"], given=private_key, check=True).stdout.strip()
        token = self.call("POST", "/api/installation/token", spokeName=host.name)["token"]["token"]
        report = {"os": "proxmox", "proxmoxNodeName": host.name, "proxmoxClusterName": cluster}
        told = self.call("POST", "/api/spoke/register", token=token, publicKey=public_key, **report)
        host.write("/etc/wireguard/wg0.conf", config_text(private_key, told))
        # A first handshake that the hub does not know of yet is tried again after five seconds only.
        self.wait_until_applied()
        host.run(["wg-quick", "up", "wg0"], check=True)
        wait_for(lambda: host.ping(HUB_ADDRESSES[4]))
        spoke = told["spoke"]
        addresses = [text.partition("/")[0] for text in told["allowedIPs"]]
        by_version = {ip_address(text).version: text for text in addresses}
        return Machine(host, spoke["id"], public_key, by_version, spoke["proxmoxClusterId"])

    def agent(self) -> str:
        return self.hub.host.run(["pgrep", "-f", "manage.py hub_agent"]).stdout.strip()


def config_text(private_key: str, told: dict[str, Any]) -> str:
    hub = told["hub"]
    networks = ", ".join(filter(None, [hub["networkCIDR"], hub["networkCIDR6"]]))
    return (
        f"[Interface]\nAddress = {', '.join(told['allowedIPs'])}\nPrivateKey = {private_key}\n"
        f"[Peer]\nPublicKey = {hub['publicKey']}\nEndpoint = {hub['endpoint']}\nAllowedIPs = {networks}\n"
        f"PersistentKeepalive = {hub['persistentKeepalive']}\n"
    )


def wait_for(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab() as lab:
        hub = Hub(lab.host("hub", HUB))
        hub.host.write(f"{SETTINGS['HUB_DATA_DIR']}/.env", f"HUB_SPOKE_SERVICES=tcp/{OPENED}\n")
        hub.host.run(["nft", "-f", "-"], given=FOREIGN_TABLE, check=True)
        hub_answers(hub)
        networks = ("--network", "10.0.1.0/24", "--network6", "fd00::/64")
        hub.manage("init_hub", *networks, "--endpoint", f"{HUB}:51820")
        key = hub.manage("create_api_key", "--role", "admin", "--name", "journey")
        hub.host.write(KEY_HEADER, f"Authorization: Bearer {key}\n")
        wait_for_health(hub, lambda health: health.get("agent") == "ok")
        world = World(hub, lab.host("outsider", OUTSIDER))
        for number, (name, cluster) in enumerate(
            [("berlin1", "berlin"), ("berlin2", "berlin"), ("unproven", "berlin"), ("tokyo1", "tokyo")], start=11
        ):
            world.spokes.append(world.join(lab.host(name, f"203.0.113.{number}"), cluster))
        for spoke in world.spokes:
            if spoke.name != "unproven":
                world.confirm(spoke)
        yield world


@pytest.fixture
def spokes(world: World) -> dict[str, Machine]:
    return {spoke.name: spoke for spoke in world.spokes}


def who_reaches_whom(world: World, version: int) -> set[tuple[str, str]]:
    """Every spoke pings every other at the same time."""
    pings = {
        (one.name, other.name): one.host.start([*THREE_PINGS, other.addresses[version]])
        for one in world.spokes
        for other in world.spokes
        if one is not other
    }
    return {pair for pair, ping in pings.items() if ping.wait(60) == 0}


def reaches_hub(spoke: Machine, version: int) -> bool:
    return spoke.host.ping(HUB_ADDRESSES[version])


NAMES = ("berlin1", "berlin2", "unproven", "tokyo1")
EVERYBODY = {(one, other) for one in NAMES for other in NAMES if one != other}
ALLOWED = {"isolated": set(), "cluster": {("berlin1", "berlin2"), ("berlin2", "berlin1")}, "open": EVERYBODY}


@pytest.mark.parametrize("mode", ["open", "cluster", "isolated"])
def test_spokes_reach_the_hub_always_and_each_other_as_the_mode_says(world, mode):
    world.set_mode(mode)
    for version in (4, 6):
        assert all(reaches_hub(spoke, version) for spoke in world.spokes)
        assert who_reaches_whom(world, version) == ALLOWED[mode]


def test_a_node_takes_part_from_its_confirmation_until_that_is_taken_back(world, spokes):
    world.set_mode("cluster")
    unproven, node = spokes["unproven"], spokes["berlin1"]
    assert not unproven.host.ping(node.addresses[4], timeout=0.5)
    world.confirm(unproven)
    assert unproven.host.ping(node.addresses[4])
    assert node.host.ping(unproven.addresses[6])
    assert not unproven.host.ping(spokes["tokyo1"].addresses[4], timeout=0.5)
    world.confirm(unproven, "DELETE")
    assert not unproven.host.ping(node.addresses[4], timeout=0.5)
    assert not node.host.ping(unproven.addresses[6], timeout=0.5)


def test_changing_the_mode_drops_no_ping_to_the_hub_and_ends_what_is_not_allowed_any_more(world, spokes):
    world.set_mode("isolated")
    node, other = spokes["berlin1"], spokes["berlin2"]
    to_hub = start_ping(Spoke(node.host), HUB_ADDRESSES[4])
    # A tunnel in use shakes hands anew every two minutes: not in the midst of this.
    wait_for(lambda: time.time() - int(world.hub.peer(node.public_key)[4]) < 60, seconds=150)
    entry = world.hub.peer(node.public_key)
    to_node = start_ping(Spoke(node.host), other.addresses[4])
    for mode in ("open", "cluster", "isolated"):
        world.set_mode(mode)
        closed_at = time.time()
        assert wait_for_answers(to_hub, lambda answers, since=closed_at: answers[-1][0] > since + 0.5)
    # What is under way may still arrive; who goes on answering does so for longer.
    wait_for(lambda: answers_of(to_hub)[-1][0] > closed_at + 2 * MAY_BE_UNDER_WAY)
    for ping in (to_hub, to_node):
        ping.send_signal(signal.SIGINT)
        ping.wait(60)
    numbers = [number for _, number in answers_of(to_hub)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 20
    assert world.hub.peer(node.public_key) == entry
    among_nodes = [when for when, _ in answers_of(to_node)]
    assert len(among_nodes) > 10
    assert max(among_nodes) < closed_at + MAY_BE_UNDER_WAY


def test_spokes_reach_the_services_that_are_named_and_no_others(world, spokes):
    world.set_mode("open")
    for port in (OPENED, CLOSED):
        world.hub.host.start(["python3", "-m", "http.server", str(port), "--bind", "::", "--directory", "/run/lock"])
    spoke = spokes["tokyo1"]
    for host in ("10.0.1.1", "[fd00::1]"):
        wait_for(lambda host=host: fetch(spoke, f"http://{host}:{OPENED}/") == 0)
        assert fetch(spoke, f"http://{host}:{CLOSED}/") == 28  # no answer
    wait_for(lambda: fetch(spoke, f"http://{HUB}:{CLOSED}/") == 0)  # not through the tunnel: it is there


def fetch(spoke: Machine, url: str) -> int:
    return spoke.host.run(["curl", "-gsS", "-m", "1", "-o", "/dev/null", url]).returncode


@pytest.fixture
def hear() -> Iterator[Callable[[Host], Process]]:
    """Listens on a host for forged packets."""
    listening: list[Process] = []

    def start(host: Host) -> Process:
        listening.append(host.start(["python3", "-c", HEAR]))
        wait_for(lambda: "ready" in listening[-1].written())
        return listening[-1]

    yield start
    for process in listening:
        process.kill()


def forge(host: Host, source: str, target: str) -> None:
    host.run(["python3", "-c", FORGE, source, target])


def heard(ears: Process, count: int = 0) -> list[str]:
    """Where packets came from: once there were so many, and no more came for a while."""
    wait_for(lambda: len(ears.written().split()) > count)
    time.sleep(0.5)
    return ears.written().split()[1:]


def test_a_spoke_sends_from_its_own_address_only(world, spokes, hear):
    world.set_mode("open")
    liar, target, victim = spokes["tokyo1"], spokes["berlin1"], spokes["berlin2"]
    ears = hear(target.host)
    for version in (4, 6):
        for source in (victim.addresses[version], HUB_ADDRESSES[version]):
            forge(liar.host, source, target.addresses[version])
        forge(liar.host, liar.addresses[version], target.addresses[version])
    assert heard(ears, 2) == [liar.addresses[4], liar.addresses[6]]


def test_nobody_is_taken_for_the_hub_even_when_his_entry_was_widened_by_hand(world, spokes, hear):
    world.set_mode("open")
    liar, target = spokes["tokyo1"], spokes["berlin1"]
    ears = hear(target.host)
    agent = world.agent()
    world.hub.host.run(["kill", "-STOP", agent], check=True)
    try:
        widened = f"{liar.addresses[4]}/32,{liar.addresses[6]}/128,10.0.1.1/32,fd00::1/128,192.0.2.0/24,2001:db8::/32"
        world.hub.host.run(["wg", "set", "wg0", "peer", liar.public_key, "allowed-ips", widened], check=True)
        for source in ("10.0.1.1", "192.0.2.7"):
            forge(liar.host, source, target.addresses[4])
        for source in ("fd00::1", "2001:db8::7", liar.addresses[6]):
            forge(liar.host, source, target.addresses[6])
        assert heard(ears, 1) == [liar.addresses[6]]
    finally:
        world.hub.host.run(["kill", "-CONT", agent])


def test_nobody_outside_is_taken_for_a_spoke_or_comes_in_and_no_spoke_comes_out(world, spokes, hear):
    """On a machine that forwards for reasons of its own: here the table is all that stands between."""
    world.set_mode("open")
    hub, spoke, outsider = world.hub.host, spokes["berlin1"], world.outsider
    hub.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
    outsider.run(["ip", "route", "add", "10.0.1.0/24", "via", HUB], check=True)
    outsider.run(["ip", "address", "add", f"{FAR_AWAY}/32", "dev", "lo"], check=True)
    hub.run(["ip", "route", "add", FAR_AWAY, "via", OUTSIDER], check=True)
    spoke.host.run(["wg", "set", "wg0", "peer", hub_key(spoke), "allowed-ips", "0.0.0.0/0,fd00::/64"], check=True)
    spoke.host.run(["ip", "route", "add", FAR_AWAY, "dev", "wg0"], check=True)
    ears = {name: hear(host) for name, host in (("hub", hub), ("spoke", spoke.host), ("outsider", outsider))}

    def try_all(**count: int) -> dict[str, list[str]]:
        forge(outsider, OUTSIDER, HUB)
        forge(outsider, spokes["berlin2"].addresses[4], HUB)
        forge(outsider, OUTSIDER, HUB_ADDRESSES[4])
        forge(outsider, OUTSIDER, spoke.addresses[4])
        forge(outsider, spokes["berlin2"].addresses[4], spoke.addresses[4])
        forge(spoke.host, spoke.addresses[4], FAR_AWAY)
        return {name: heard(process, count.get(name, 0)) for name, process in ears.items()}

    assert try_all(hub=1) == {"hub": [OUTSIDER], "spoke": [], "outsider": []}
    agent = world.agent()
    hub.run(["kill", "-STOP", agent], check=True)
    try:
        hub.run(["nft", "delete", "table", "inet", "wireguard_hub"], check=True)
        without = try_all(hub=4, spoke=2, outsider=1)
    finally:
        hub.run(["kill", "-CONT", agent])
    forged = spokes["berlin2"].addresses[4]
    assert without["hub"][1:] == [OUTSIDER, forged, OUTSIDER]
    assert without["spoke"] == [OUTSIDER, forged]
    assert without["outsider"] == [spoke.addresses[4]]
    wait_for(lambda: "wireguard_hub" in hub.run(["nft", "list", "tables"]).stdout)
    assert not heard_after(ears["spoke"], lambda: forge(outsider, OUTSIDER, spoke.addresses[4]))


def hub_key(spoke: Machine) -> str:
    return spoke.host.wg_dump()[1][0]


def heard_after(ears: Process, act: Callable[[], None]) -> list[str]:
    before = len(heard(ears))
    act()
    return heard(ears)[before:]


def test_no_spoke_is_told_of_a_shorter_way(world, spokes):
    world.set_mode("open")
    for interface in ("all", "wg0"):
        world.hub.host.run(["sysctl", "-qw", f"net.ipv4.conf.{interface}.send_redirects=1"], check=True)
    spoke = spokes["berlin1"]
    assert spoke.host.ping(spokes["tokyo1"].addresses[4], count=5)
    assert "IcmpInRedirects                 0" in spoke.host.run(["nstat", "-asz", "IcmpInRedirects"]).stdout


def test_a_removed_node_is_in_no_set_and_its_address_opens_nothing(world, spokes):
    world.set_mode("cluster")
    leaver = spokes["berlin2"]
    world.spokes.remove(leaver)
    world.call("DELETE", f"/api/spoke/{leaver.id}")
    world.wait_until_applied()
    table = world.hub.host.run(["nft", "list", "table", "inet", "wireguard_hub"]).stdout
    assert spokes["berlin1"].addresses[4] in table
    assert leaver.addresses[4] not in table
    assert leaver.addresses[6] not in table


def test_tables_of_others_are_as_they_were(world):
    listed = world.hub.host.run(["nft", "list", "table", "inet", "theirs"], check=True).stdout
    assert "192.0.2.1, 192.0.2.2" in listed
    assert "ip saddr @friends accept" in listed
