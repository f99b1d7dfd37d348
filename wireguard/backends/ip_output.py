"""What `ip -json` says: text in, values out. See ip-address(8) and ip-route(8)."""

import ipaddress
import json
from collections.abc import Iterable, Iterator
from typing import Any

from wireguard.backends.contract import BackendError, LinkState, bare

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def link_state(name: str, addresses: str) -> LinkState:
    """The interface in what `ip address show` says of all of them; BackendError when that is not understood."""
    shown = _json_rows(addresses)
    try:
        return _link_state(name, shown)
    except (LookupError, TypeError):
        raise BackendError(f"`ip` described the interface {name} in a way that is not understood.") from None


def foreign_networks(*texts: str, without: str) -> list[str]:
    """The networks in what `ip address show` and `ip route show` say, each once, sorted by their text.

    Left out are those of the interface `without`. BackendError when something is not understood.
    """
    rows = [row for text in texts for row in _json_rows(text)]
    try:
        found = {str(network) for row in rows if without not in _devices(row) for network in _networks(row)}
    except (LookupError, TypeError, ValueError):
        raise BackendError("`ip` described this machine's networks in a way that is not understood.") from None
    return sorted(found)


def _json_rows(text: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text or "[]")
    except ValueError:
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BackendError("`ip` answered something that is not the JSON it should be.")
    return rows


def _link_state(name: str, rows: Iterable[dict[str, Any]]) -> LinkState:
    by_name = {row["ifname"]: row for row in rows}
    ours = by_name.pop(name)
    addresses = _addresses(ours)
    also_on = tuple(other for other, row in by_name.items() if bare(addresses) & bare(_addresses(row)))
    return LinkState(tuple(sorted(addresses)), int(ours["mtu"]), "UP" in ours["flags"], also_on)


def _addresses(row: dict[str, Any]) -> list[str]:
    # Linux gives wireguard-go's device a link-local address by itself; it is neither wanted nor foreign.
    return [f"{entry['local']}/{entry['prefixlen']}" for entry in row["addr_info"] if entry["scope"] != "link"]


def _devices(row: dict[str, Any]) -> set[str | None]:
    return {row.get("ifname"), row.get("dev")}


def _networks(row: dict[str, Any]) -> Iterator[_Network]:
    """Those that a machine can be in or be led to by this row."""
    return filter(_is_of_interest, _all_networks(row))


def _all_networks(row: dict[str, Any]) -> Iterator[_Network]:
    for address in row.get("addr_info", ()):
        yield ipaddress.ip_network(f"{address['local']}/{address['prefixlen']}", strict=False)
    # Routes of other types (local, broadcast, blackhole …) repeat an address or lead nowhere.
    if row.get("type", "unicast") == "unicast" and row.get("dst", "default") != "default":
        yield ipaddress.ip_network(row["dst"])


def _is_of_interest(network: _Network) -> bool:
    halves_of_everything = network.prefixlen <= 1
    return not (halves_of_everything or network.is_loopback or network.is_link_local or network.is_multicast)
