"""What the first run can find out by itself: does the network overlap one of this machine's, is the port free, …

Read without privilege and without starting anything. Web may run on another machine than the agent, so nothing here
stops anybody; what only the agent can know, its report says.
"""

import errno
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path

from wireguard.hub_values import parse_endpoint, parse_network
from wireguard.models import AgentState

ROUTES = Path("/proc/self/net/route")  # /proc/net is hidden from a hardened service
# Host names that no machine elsewhere can look up.
LOCAL_NAMES = ("localhost", ".localhost", ".local", ".lan", ".internal", ".home.arpa")


@dataclass(frozen=True, slots=True)
class Check:
    """`mark` is ok, warn or bad."""

    mark: str
    fact: str
    detail: str = ""


def checks_of(
    *, network: str, port: int | None, endpoint: str, agent: AgentState, now: datetime, routes: str | None = None
) -> Iterator[Check]:
    """One line for each thing that was looked at. What is not filled in rightly yet is left out."""
    text = _read(ROUTES) if routes is None else routes
    yield from _overlap(network, networks_of(text))
    if port is not None and 1 <= port <= 65535:
        yield _port(port)
    yield _interface(agent, now)
    yield from _endpoint(endpoint)


def networks_of(routes: str) -> list[tuple[str, IPv4Network]]:
    """Interface and network of each route in the text of /proc/net/route, without the default ones."""
    found = []
    for line in routes.splitlines()[1:]:
        fields = line.split()
        try:
            address, mask = _from_hex(fields[1]), _from_hex(fields[7])
            network = IPv4Network(f"{address}/{mask}")
        except (IndexError, ValueError):
            continue
        if network.prefixlen:
            found.append((fields[0], network))
    return list(dict.fromkeys(found))


def endpoint_warning(endpoint: str) -> tuple[str, str] | None:
    """A bold fact and what it means, for an endpoint that is good but not wise; else None."""
    try:
        host = parse_endpoint(endpoint).rpartition(":")[0].strip("[]")
    except ValueError:
        return None
    try:
        address = ip_address(host)
    except ValueError:
        is_local = host.endswith(LOCAL_NAMES) or "." not in host
        return ("This name is known on your own network only.", _UNREACHABLE) if is_local else None
    if not address.is_global:
        return "This is a private address.", _UNREACHABLE
    return "This is a bare address.", (
        "If the hub ever moves, every machine must be set up again. "
        "A name such as vpn.example.com that points to it avoids that."
    )


_UNREACHABLE = "Machines elsewhere cannot reach it."


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _from_hex(text: str) -> IPv4Address:
    """The kernel writes addresses as the machine's own 32-bit numbers: here the last byte first."""
    return IPv4Address(int.from_bytes(bytes.fromhex(text), "little"))


def _overlap(text: str, local: Sequence[tuple[str, IPv4Network]]) -> Iterator[Check]:
    try:
        network = parse_network(text)
    except ValueError:
        return
    words = [f"{interface} has {own}" for interface, own in local]
    if overlaps := [word for word, (_, own) in zip(words, local, strict=True) if own.overlaps(network)]:
        yield Check("bad", f"{network} overlaps", f"{', '.join(overlaps)}. Take another network, such as 10.86.0.0/24.")
    else:
        yield Check("ok", "No overlap", ", ".join(words) or "No other network was found on this machine.")


def _port(port: int) -> Check:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - WireGuard binds all addresses as well
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                return Check("bad", f"UDP {port} is taken", "Something on this machine listens there already.")
            return Check(
                "warn", f"UDP {port} could not be tried", "This process may not open that port; the agent may."
            )
    return Check("ok", f"UDP {port} is free")


def _interface(agent: AgentState, now: datetime) -> Check:
    if not agent.is_alive(now):
        how = "Start it with systemctl start wireguard-hub-agent. You can go on meanwhile."
        return Check("warn", "The agent has not reported", how)
    if not agent.is_managing:
        return Check("bad", "The agent may not make an interface", agent.problem)
    if agent.problem:
        return Check("bad", "The agent reports a problem", agent.problem)
    return Check("ok", "The agent is alive", "It brings the interface up as soon as the hub is set up.")


def _endpoint(endpoint: str) -> Iterator[Check]:
    if warning := endpoint_warning(endpoint):
        fact = warning[0].rstrip(".").replace("This", "The endpoint", 1)
        yield Check("warn", fact, "You can go on; see the note beside it.")
