"""A hub's machine in a lab of its own: real WireGuard, the real agent, peers by the hundred, spokes that ping."""

import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.journeys.lab import Host, Lab, Process
from tests.live import mould
from wireguard.keys import generate_private_key, public_key_of

HUB = "203.0.113.1"
HUB_IN_TUNNEL = "10.0.0.1"
URL = f"http://{HUB}:8000"
# Endpoints, handshakes and counters are left out: they change by themselves.
_STATE = """
wg show wg0 dump | awk 'NR == 1; NR > 1 { print $1, $2, $4, $8 }' | sort
ip -json address show dev wg0 | grep -o '"mtu":[0-9]*\\|"UP"\\|"local":"10[^"]*"'
nft --stateless list table inet wireguard_hub
"""


class HubMachine:
    """A hub that has been set up (10.0.0.0/16), without web and agent until they are started."""

    def __init__(self, lab: Lab, name: str = "hub", address: str = HUB) -> None:
        cast = mould("")
        self.host = lab.host(name, address, forwarding=True)
        self.address = address
        self.keys = cast.keys
        # /tmp of a host is a copy of this machine's that nobody else sees: each host has the same hub of its own.
        self.settings = {
            "HUB_DATA_DIR": str(cast.home),
            "HUB_BIND": f"{address}:8000",
            "HUB_PUBLIC_URL": f"http://{address}:8000",
            "HUB_ALLOW_PLAIN_HTTP": "1",
            "RATE_LIMIT_MAX_TOKENS_PER_HOUR": "100000",
        }

    def start_agent(self) -> Process:
        agent = self.host.start([sys.executable, "manage.py", "hub_agent"], env=self.settings)
        self.wait_until_up()
        return agent

    def wait_until_up(self) -> None:
        self.host.run("until ip link show dev wg0 up 2>&1 | grep -q UP; do sleep 0.1; done", timeout=60)

    def start_web(self) -> Process:
        gunicorn = [sys.executable, "-m", "gunicorn", "--config", "python:hubproject.gunicorn_conf"]
        web = self.host.start(gunicorn, env=self.settings)
        self.host.run(f"until curl -s -o /dev/null {self.settings['HUB_PUBLIC_URL']}/api/healthz; do sleep 0.1; done")
        return web

    def want_peers(self, peers: Iterable[tuple[str, str]]) -> None:
        """Public keys with their allowed-ips, as rows of what is wanted."""
        given = "".join(f"{key} {allowed_ips}\n" for key, allowed_ips in peers)
        argv = [sys.executable, "-m", "tests.chaos.want_peers"]
        self.host.run(argv, given=given, env=self.settings, check=True)

    def state(self) -> str:
        """Everything that may drift, as text; what counts or moves by itself is left out."""
        return self.host.run(_STATE).stdout

    def public_key(self) -> str:
        return self.host.wg_dump()[0][1]


class PingingSpoke:
    """A spoke with a tunnel made by hand, that pings the hub until it is asked what was answered."""

    def __init__(self, lab: Lab, name: str, address: str, in_tunnel: str) -> None:
        self.host: Host = lab.host(name, address)
        self.private_key = generate_private_key()
        self.public_key = public_key_of(self.private_key)
        self.in_tunnel = in_tunnel

    def connect(self, hub: HubMachine) -> None:
        self.host.write("/run/key", self.private_key)
        self.host.run(
            "set -e; wireguard-go wg0 >/dev/null 2>&1 </dev/null;"
            f"wg set wg0 private-key /run/key peer {hub.public_key()} allowed-ips 10.0.0.0/16"
            f" endpoint {hub.address}:51820 persistent-keepalive 1;"
            f"ip address add {self.in_tunnel}/16 dev wg0; ip link set wg0 up;"
            f"until ping -c 1 -W 1 {HUB_IN_TUNNEL} >/dev/null; do sleep 0.1; done",
            check=True,
        )

    @contextmanager
    def pinging(self) -> Iterator[Process]:
        ping = self.host.start(["ping", "-n", "-D", "-i", "0.1", HUB_IN_TUNNEL])
        try:
            while "icmp_seq=" not in ping.written():
                assert ping.poll() is None, ping.complaints()
                time.sleep(0.02)
            yield ping
        finally:
            ping.send_signal(2)
            ping.wait(60)


def lost(ping: Process) -> int:
    """How many pings stayed without an answer although a later one had one: the last may still be under way."""
    answered = {int(number) for number in re.findall(r"icmp_seq=([0-9]+) ttl", ping.written())}
    return max(answered) - len(answered)


def new_peers(count: int, *, start: int = 4) -> list[tuple[str, str]]:
    """So many peers, from 10.0.`start`.1 on."""
    keys = [public_key_of(generate_private_key()) for _ in range(count)]
    return [(key, f"10.0.{start + number // 250}.{number % 250 + 1}/32") for number, key in enumerate(keys)]


def cpu_seconds(process: Process) -> float:
    """What a process of a host has used so far, with the programs that it started and that have ended."""
    child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / 100
