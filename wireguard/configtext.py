"""What the interface should be, the text that makes it so, and what a change of its peers is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# wg-quick(8)'s rule, minus a leading dash, which programs would take for an option.
_INTERFACE_NAME = re.compile(r"(?!-)[A-Za-z0-9_=+.-]{1,15}")


@dataclass(frozen=True, slots=True)
class WantedPeer:
    """A peer that should be on the interface."""

    public_key: str
    allowed_ips: tuple[str, ...]  # networks as the kernel prints them: "10.0.1.5/32"


@dataclass(frozen=True, slots=True)
class WantedInterface:
    """The hub's own interface as it should be."""

    name: str
    private_key: str = field(repr=False)  # empty where it is not known: an export without it
    listen_port: int
    addresses: tuple[str, ...]  # with the length of their network: "10.0.1.1/24"
    mtu: int


@dataclass(frozen=True, slots=True)
class Difference:
    """The smallest change that makes the peers right; false when there is nothing to do."""

    remove: tuple[str, ...]  # public keys
    put: tuple[WantedPeer, ...]  # to be added, or given these allowed-ips and no others
    without_keepalive: tuple[str, ...] = ()  # public keys
    without_preshared_key: tuple[str, ...] = ()  # public keys

    def __bool__(self) -> bool:
        return bool(self.remove or self.put or self.without_keepalive or self.without_preshared_key)


def check_interface_name(name: str) -> str:
    """`name` itself when Linux and wg-quick(8) would take it; ValueError otherwise."""
    if not _INTERFACE_NAME.fullmatch(name) or name in {".", "..", "all", "default"}:
        raise ValueError("An interface name is 1 to 15 letters, digits or _ = + . - and does not start with a dash.")
    return name


def setconf_text(interface: WantedInterface, peers: Iterable[WantedPeer]) -> str:
    """The whole configuration for `wg setconf`, which drops every session: for an interface without peers."""
    if not interface.private_key:
        raise ValueError("Without its private key `wg setconf` would erase the one the interface has.")
    return _joined(
        ["[Interface]", f"PrivateKey = {interface.private_key}", f"ListenPort = {interface.listen_port}"],
        peers,
    )


def wg_quick_text(interface: WantedInterface, peers: Iterable[WantedPeer]) -> str:
    """A file for wg-quick(8). Where the private key is not known, a comment says where it belongs."""
    private_key = interface.private_key
    return _joined(
        [
            "[Interface]",
            f"PrivateKey = {private_key}" if private_key else "# PrivateKey = (not exported: put it here)",
            f"ListenPort = {interface.listen_port}",
            f"Address = {', '.join(interface.addresses)}",
            f"MTU = {interface.mtu}",
        ],
        peers,
    )


def _joined(lines: list[str], peers: Iterable[WantedPeer]) -> str:
    for peer in peers:
        lines += ["", "[Peer]", f"PublicKey = {peer.public_key}"]
        if peer.allowed_ips:  # wg(8) refuses an empty AllowedIPs
            lines.append(f"AllowedIPs = {', '.join(peer.allowed_ips)}")
    text = "\n".join([*lines, ""])
    # A line break inside a value would be a setting of its own.
    if text.count("\n") != len(lines):
        raise ValueError("A value of this configuration holds a line break.")
    return text
