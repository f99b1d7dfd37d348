"""A machine that exists in memory only, for tests and for trying the product without any privilege."""

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from wireguard import firewall
from wireguard.backends.contract import BackendError, InterfaceMissing, LinkState, bare
from wireguard.configtext import Difference, WantedPeer, check_interface_name
from wireguard.dump import SeenPeer
from wireguard.keys import InvalidKeyError, decode_key, public_key_of

_NEW_LINK = LinkState(addresses=(), mtu=1420, is_up=False)


class MemoryBackend:
    """A machine that exists only in this process and behaves like the kernel, allowed-ips theft included.

    `networks` are those of the machine's other interfaces.
    """

    def __init__(self, *, networks: Iterable[str] = ()) -> None:
        self._networks = list(networks)
        self._interfaces: dict[str, _MemoryInterface] = {}
        self._firewall: str | None = None
        self._ruleset_generation = 1
        self._forwarding: dict[str, set[int]] = {}

    def interface_exists(self, name: str) -> bool:
        return name in self._interfaces

    def create_interface(self, name: str) -> None:
        if name in self._interfaces:
            raise BackendError(f"The interface {name} cannot be created: it is there already.")
        self._interfaces[check_interface_name(name)] = _MemoryInterface()

    def delete_interface(self, name: str) -> None:
        self._interface(name)
        del self._interfaces[name]

    def configure(self, name: str, config_text: str) -> None:
        interface = self._interface(name)
        settings, peers = _parsed_config(config_text)
        for public_key in list(interface.peers):
            interface.remove(public_key)
        interface.set_private_key(settings.get("PrivateKey", ""))
        interface.listen_port = int(settings.get("ListenPort", "0"))
        for peer in peers:
            interface.put(peer)

    def set_interface(self, name: str, *, private_key: str | None = None, listen_port: int | None = None) -> None:
        interface = self._interface(name)
        if private_key is not None:
            interface.set_private_key(private_key)
        if listen_port is not None:
            interface.listen_port = listen_port

    def set_peers(self, name: str, difference: Difference) -> None:
        interface = self._interface(name)
        for public_key in difference.remove:
            interface.remove(public_key)
        for peer in difference.put:
            interface.put(peer)
        for public_key in difference.without_keepalive:
            interface.peers[public_key].keepalive = "off"
        for public_key in difference.without_preshared_key:
            interface.peers[public_key].preshared_key = ""

    def set_addresses(self, name: str, addresses: Sequence[str], mtu: int) -> None:
        interface = self._interface(name)
        interface.link = replace(interface.link, addresses=tuple(sorted(addresses)), mtu=mtu)

    def link_up(self, name: str) -> None:
        interface = self._interface(name)
        interface.link = replace(interface.link, is_up=True)

    def link_state(self, name: str) -> LinkState:
        link = self._interface(name).link
        ours = bare(link.addresses)
        others = {other: interface.link.addresses for other, interface in self._interfaces.items() if other != name}
        return replace(link, also_on=tuple(other for other, addresses in others.items() if ours & bare(addresses)))

    def dump(self, name: str) -> str:
        interface = self._interface(name)
        head = (interface.private_key, interface.public_key, str(interface.listen_port), "off")
        rows = [head, *(peer.dump_fields() for peer in interface.peers.values())]
        return "".join("\t".join(field or "(none)" for field in row) + "\n" for row in rows)

    def local_networks(self, *, without: str) -> list[str]:
        others = [interface for name, interface in self._interfaces.items() if name != without]
        addresses = [address for interface in others for address in interface.link.addresses]
        return sorted({str(ipaddress.ip_network(text, strict=False)) for text in (*self._networks, *addresses)})

    def load_ruleset(self, text: str) -> None:
        if not text.startswith(firewall.REMOVAL_TEXT):
            raise BackendError("`nft -f -` failed with exit status 1: only scripts for our own table are known here.")
        self._firewall = text.removeprefix(firewall.REMOVAL_TEXT) or None
        self._ruleset_generation += 1

    def firewall_table(self) -> str | None:
        return self._firewall

    def ruleset_generation(self) -> int | None:
        return self._ruleset_generation

    def set_forwarding(self, name: str, *, versions: Collection[int]) -> None:
        self._forwarding[name] = set(versions)

    def is_forwarding(self, name: str, *, versions: Collection[int]) -> bool:
        return self._forwarding.get(name, set()).issuperset(versions)

    def hear(self, name: str, heard: SeenPeer) -> None:
        """What the network does to a peer: its endpoint, handshake and transfer become those given."""
        peer = self._interface(name).peers[heard.public_key]
        peer.endpoint, peer.latest_handshake = heard.endpoint or "", heard.latest_handshake
        peer.transfer_rx, peer.transfer_tx = heard.transfer_rx, heard.transfer_tx

    def decorate(self, name: str, public_key: str, *, preshared_key: str = "", keepalive: str = "off") -> None:
        """What somebody did to a peer by hand that a hub never does."""
        peer = self._interface(name).peers[public_key]
        peer.preshared_key, peer.keepalive = preshared_key, keepalive

    def _interface(self, name: str) -> "_MemoryInterface":
        try:
            return self._interfaces[name]
        except KeyError:
            raise InterfaceMissing(f"There is no interface {name}.") from None


@dataclass(slots=True)
class _MemoryPeer:
    public_key: str
    allowed_ips: set[str] = field(default_factory=set)
    endpoint: str = ""
    latest_handshake: int = 0
    transfer_rx: int = 0
    transfer_tx: int = 0
    preshared_key: str = ""
    keepalive: str = "off"

    def dump_fields(self) -> tuple[str, ...]:
        numbers = (self.latest_handshake, self.transfer_rx, self.transfer_tx)
        texts = (self.public_key, self.preshared_key, self.endpoint, ",".join(self.allowed_ips))
        return (*texts, *map(str, numbers), self.keepalive)


@dataclass(slots=True)
class _MemoryInterface:
    private_key: str = ""
    public_key: str = ""
    listen_port: int = 0
    link: LinkState = _NEW_LINK
    peers: dict[str, _MemoryPeer] = field(default_factory=dict)
    owners: dict[str, _MemoryPeer] = field(default_factory=dict)  # by allowed-ip: each has one owner at most

    def set_private_key(self, private_key: str) -> None:
        try:
            self.public_key = public_key_of(private_key) if private_key else ""
        except InvalidKeyError:
            raise _refused_by_wg() from None
        self.private_key = private_key
        self.remove(self.public_key)

    def put(self, wanted: WantedPeer) -> None:
        try:
            decode_key(wanted.public_key, called="A public key")
            allowed_ips = {str(ipaddress.ip_network(text, strict=False)) for text in wanted.allowed_ips}
        except ValueError:
            raise _refused_by_wg() from None
        if wanted.public_key == self.public_key:
            return  # no error and no peer, as in the kernel
        peer = self.peers.setdefault(wanted.public_key, _MemoryPeer(wanted.public_key))
        self._give_up(peer, peer.allowed_ips - allowed_ips)
        for allowed_ip in allowed_ips:
            self._give_up(self.owners.get(allowed_ip, peer), {allowed_ip})
            self.owners[allowed_ip] = peer
        peer.allowed_ips = allowed_ips

    def remove(self, public_key: str) -> None:
        peer = self.peers.pop(public_key, None)
        if peer is not None:
            self._give_up(peer, peer.allowed_ips)

    def _give_up(self, peer: _MemoryPeer, allowed_ips: set[str]) -> None:
        for allowed_ip in allowed_ips:
            self.owners.pop(allowed_ip, None)
        peer.allowed_ips = peer.allowed_ips - allowed_ips


def _refused_by_wg() -> BackendError:
    return BackendError("`wg` failed with exit status 1.")


def _parsed_config(text: str) -> tuple[dict[str, str], list[WantedPeer]]:
    """The [Interface] settings and the peers of a text for `wg setconf`."""
    settings: dict[str, str] = {}
    peers: list[dict[str, str]] = []
    section = settings
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, value = map(str.strip, line.partition("="))
        if line == "[Peer]":
            section = {}
            peers.append(section)
        elif value:
            section[name] = value
        elif line != "[Interface]":
            raise _refused_by_wg()
    return settings, [_wanted_peer(peer) for peer in peers]


def _wanted_peer(section: dict[str, str]) -> WantedPeer:
    allowed_ips = section.get("AllowedIPs", "").replace(" ", "")
    return WantedPeer(section.get("PublicKey", ""), tuple(filter(None, allowed_ips.split(","))))
