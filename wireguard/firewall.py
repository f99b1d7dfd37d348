"""The hub's own nftables table, as scripts for `nft -f`. Tables of others are never named, never touched.

One script is one transaction: at every instant either the old table holds or the new one. Whatever is dropped here is
dropped; what is accepted here still has to pass the tables of others.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_interface

from wireguard.configtext import check_interface_name

TABLE = "inet wireguard_hub"
ISOLATED, CLUSTER, OPEN = MODES = ("isolated", "cluster", "open")

# Declaring before deleting works whether the table was there or not; one script is one transaction.
REMOVAL_TEXT = f"table {TABLE}\ndelete table {TABLE}\n"

_SERVICE = re.compile(r"(tcp|udp)/([0-9]{1,5})", re.ASCII)
# The names nft has for the two families; a set holds addresses of one family only.
_FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}


@dataclass(frozen=True, slots=True)
class WantedFirewall:
    """What may pass at the hub's interface.

    `isolated`: spokes reach the hub, not each other. `cluster`: those of one group each other, too. `open`: all do.
    """

    interface: str
    addresses: tuple[str, ...]  # the hub's own, with the length of their network: "10.0.1.1/24"
    mode: str = ISOLATED
    services: tuple[str, ...] = ()  # of the hub's, for spokes: "tcp/443"
    groups: Mapping[int, Sequence[str]] = field(default_factory=dict)  # allowed-ips by group, in mode `cluster`

    @property
    def forwarded_versions(self) -> set[int]:
        """The IP versions that the kernel has to pass on from spoke to spoke."""
        return set() if self.mode == ISOLATED else {ip_interface(text).version for text in self.addresses}


def parse_services(text: str) -> tuple[str, ...]:
    """`tcp/443 udp/53` in canonical form and order; ValueError with a sentence for the person who wrote it."""
    return tuple(sorted({_service(word) for word in text.split()}))


def _service(word: str) -> str:
    found = _SERVICE.fullmatch(word)
    if not found or not 1 <= int(found[2]) <= 65535:
        raise ValueError(f"{word!r} is no service: write tcp/443 or udp/53, with spaces between several.")
    return f"{found[1]}/{int(found[2])}"


def ruleset_text(wanted: WantedFirewall) -> str:
    """A script that replaces our table by the one wanted; ValueError when the mode is unknown."""
    if wanted.mode not in MODES:
        raise ValueError(f"The forwarding mode {wanted.mode!r} is not known; known are: {', '.join(MODES)}.")
    inside = f'iifname "{check_interface_name(wanted.interface)}"'
    outside = f'iifname != {{ "lo", "{wanted.interface}" }}'
    towards = f'oifname "{wanted.interface}"'
    blocks = [
        *(_clusters(wanted.groups) if wanted.mode == CLUSTER else ()),
        # Before connection tracking, so that forged packets cost nothing.
        _chain("prerouting", *_genuine_sources(wanted.addresses, inside, outside), hook="prerouting priority raw"),
        _chain("input", f"{inside} goto from_spokes", hook="input priority filter"),
        _chain("from_spokes", *_open_to_spokes(wanted)),
        _chain(
            "forward",
            f"{inside} {towards} goto between_spokes",
            f"{inside} drop",
            f"{towards} drop",
            hook="forward priority filter",
        ),
        _chain("between_spokes", *_between_spokes(wanted.mode)),
        # Forwarding back to where a packet came from, the kernel would tell its sender of a shorter way. There is none.
        _chain(
            "output",
            f"{towards} icmp type redirect drop",
            f"{towards} icmpv6 type nd-redirect drop",
            hook="output priority filter",
        ),
    ]
    return f"{REMOVAL_TEXT}table {TABLE} {{\n{''.join(blocks)}}}\n"


def _chain(name: str, *rules: str, hook: str = "") -> str:
    lines = [f"type filter hook {hook}; policy accept;", *rules] if hook else rules
    return f"\tchain {name} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"


def _genuine_sources(addresses: Iterable[str], inside: str, outside: str) -> Iterator[str]:
    """That a spoke sends from its own address only, WireGuard itself sees to; the rest is here."""
    missing = {4: "ipv4", 6: "ipv6"}
    for own in map(ip_interface, addresses):
        family, _ = _FAMILIES[own.version]
        del missing[own.version]
        yield f"{inside} {family} saddr {own.ip} drop"
        yield f"{inside} {family} saddr != {own.network} drop"
        yield f"{outside} {family} saddr {own.network} drop"
        yield f"{outside} {family} daddr {own.network} drop"
    for family in missing.values():
        yield f"{inside} meta nfproto {family} drop"


def _open_to_spokes(wanted: WantedFirewall) -> Iterator[str]:
    yield "ct state established,related accept"
    for own in map(ip_interface, wanted.addresses):
        yield f"{_FAMILIES[own.version][0]} daddr != {own.ip} drop"
    yield "icmp type echo-request accept"
    yield "icmpv6 type echo-request accept"
    for protocol in ("tcp", "udp"):
        ports = [service.partition("/")[2] for service in wanted.services if service.startswith(protocol)]
        if ports:
            yield f"{protocol} dport {{ {', '.join(ports)} }} accept"
    yield "drop"


def _between_spokes(mode: str) -> Iterator[str]:
    if mode == OPEN:
        yield "accept"
        return
    if mode == CLUSTER:
        yield from (f"{family} saddr vmap @cluster_of{version}" for version, (family, _) in _FAMILIES.items())
    yield "drop"


def _clusters(groups: Mapping[int, Iterable[str]]) -> Iterator[str]:
    """Per group a set and a chain, and a map that finds the sender's: constant cost for a packet, linear in memory."""
    members = {group: _hosts_by_version(allowed_ips) for group, allowed_ips in sorted(groups.items())}
    for group, hosts in members.items():
        accepted = []
        for version, (family, kind) in _FAMILIES.items():
            yield _set(f"set nodes{version}_{group}", kind, hosts[version])
            accepted.append(f"{family} daddr @nodes{version}_{group} accept")
        yield _chain(f"cluster_{group}", *accepted)
    for version, (_, kind) in _FAMILIES.items():
        verdicts = [f"{host} : jump cluster_{group}" for group, hosts in members.items() for host in hosts[version]]
        yield _set(f"map cluster_of{version}", f"{kind} : verdict", verdicts)


def _hosts_by_version(allowed_ips: Iterable[str]) -> dict[int, list[str]]:
    """Addresses by IP version. What is longer than one host is nobody's own address and left out."""
    hosts: dict[int, list[str]] = {4: [], 6: []}
    for host, _, length in (text.partition("/") for text in allowed_ips):
        if length == "32" and ":" not in host:
            hosts[4].append(host)
        elif length == "128":
            hosts[6].append(host)
    return hosts


def _set(head: str, kind: str, elements: list[str]) -> str:
    # nft refuses an empty list of elements.
    filling = f"\t\telements = {{ {', '.join(elements)} }}\n" if elements else ""
    return f"\t{head} {{\n\t\ttype {kind}\n{filling}\t}}\n"
