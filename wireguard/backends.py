"""What stands behind the interface: the machine's own programs, or a dict that behaves like the kernel.

The only module of the project that starts processes. Both backends are held to one contract test.
"""

import errno
import ipaddress
import json
import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, Protocol

from wireguard import firewall, forwarding
from wireguard.configtext import Difference, WantedPeer, check_interface_name
from wireguard.dump import SeenPeer
from wireguard.keys import InvalidKeyError, decode_key, public_key_of

PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PEERS_PER_SET = 500
_TUN = "/dev/net/tun"

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PACKAGES = {"wg": "wireguard-tools", "ip": "iproute2", "nft": "nftables", "wireguard-go": "wireguard-go"}
_LACKING_PRIVILEGE = re.compile(r"Operation not permitted|Permission denied|must be root")
_KERNEL_WITHOUT_WIREGUARD = re.compile(r"Unknown device type|[Nn]ot supported")
# The one thing wg(8) says that cannot hold part of a key; its complaints about input quote that input.
_HARMLESS_WG_ERROR = re.compile(r"^Unable to (?:access|modify) interface: ([A-Z][a-z]+(?: [a-z]+)*)$", re.MULTILINE)
# What nft(8) asks the kernel to learn whether anything has changed: linux/netfilter/nfnetlink.h and nf_tables.h.
_NETLINK_NETFILTER, _NF_TABLES = 12, 10 << 8
_NEW_GENERATION = _NF_TABLES | 15
_GET_GENERATION = struct.pack("=IHHIIBBH", 20, _NF_TABLES | 16, 1, 1, 0, 0, 0, 0)


class BackendError(Exception):
    """The machine did not do what was asked; the message is one plain sentence and holds no key."""


class BackendUnavailable(BackendError):
    """A program is missing or this process lacks the privilege: nothing will work until a human acts."""


class PrivilegeMissing(BackendUnavailable):
    """This process may not manage interfaces at all."""


class InterfaceMissing(BackendError):
    """There is no interface of that name."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """The interface as a network link, whatever WireGuard holds."""

    addresses: tuple[str, ...]  # sorted as text, with the length of their network; link-local ones left out
    mtu: int
    is_up: bool
    also_on: tuple[str, ...] = ()  # other interfaces that bear one of the addresses, too


class Backend(Protocol):
    """Everything the hub asks of a machine.

    Every method may raise BackendError; those that name an interface, InterfaceMissing when there is none.
    """

    def interface_exists(self, name: str) -> bool:
        """Whether there is a network interface of this name, of any kind."""
        ...

    def create_interface(self, name: str) -> None:
        """A new WireGuard interface: down, without key, address or peers."""
        ...

    def delete_interface(self, name: str) -> None:
        """End the interface with everything on it."""
        ...

    def configure(self, name: str, config_text: str) -> None:
        """Replace key, port and all peers (`wg setconf`); every session drops."""
        ...

    def set_interface(self, name: str, *, private_key: str | None = None, listen_port: int | None = None) -> None:
        """Set key, port or both, and touch no peer."""
        ...

    def set_peers(self, name: str, difference: Difference) -> None:
        """Remove, then put, and touch no other peer. An exit status 0 is no proof: the next look is."""
        ...

    def set_addresses(self, name: str, addresses: Sequence[str], mtu: int) -> None:
        """Make these the only addresses, and this the MTU in bytes; what is right already stays untouched."""
        ...

    def link_up(self, name: str) -> None:
        """Bring the link up; nothing happens when it is."""
        ...

    def link_state(self, name: str) -> LinkState:
        """Addresses, MTU, whether the link is up, and who else has one of the addresses."""
        ...

    def dump(self, name: str) -> str:
        """The raw text of `wg show NAME dump`. Line 1 holds the private key: parse it, never log it."""
        ...

    def local_networks(self, *, without: str) -> list[str]:
        """The networks this machine has addresses or routes in, apart from those of the interface `without`.

        Left out: default routes (also as two halves, the way VPN clients set them), loopback, link-local.
        """
        ...

    def load_ruleset(self, text: str) -> None:
        """Run an nft script, all of it or nothing."""
        ...

    def firewall_table(self) -> str | None:
        """Our own table as the firewall lists it, without counters; None when it is not there."""
        ...

    def ruleset_generation(self) -> int | None:
        """A number that moves with every change of any firewall table of this machine; None where nobody tells."""
        ...

    def set_forwarding(self, name: str, *, versions: Collection[int]) -> None:
        """Pass on what arrives by the interface, for these IP versions; for others do as the machine does by itself."""
        ...

    def is_forwarding(self, name: str, *, versions: Collection[int]) -> bool:
        """Whether what arrives by the interface is passed on for each of these IP versions."""
        ...


def setconf_seconds(config_text: str) -> float:
    """How long `configure` may take: 10 000 peers take wireguard-go over a second on a small machine."""
    return 5.0 + len(config_text) / 100_000


class WgBackend:
    """The machine behind `wg`, `ip`, `nft` and, where the kernel has no WireGuard, `wireguard-go`.

    Needs CAP_NET_ADMIN. `timeout` is in seconds for one program; `path` is where programs are looked for.
    """

    def __init__(self, *, timeout: float = 5.0, path: str = PROGRAM_PATH) -> None:
        self._timeout = timeout
        # Nothing is inherited: the C locale keeps messages recognisable, no variable changes what wg does.
        self._environment = {"PATH": path, "LC_ALL": "C"}

    def interface_exists(self, name: str) -> bool:
        try:
            socket.if_nametoindex(check_interface_name(name))
        except OSError:
            return False
        return True

    def create_interface(self, name: str) -> None:
        if self.interface_exists(name):
            raise BackendError(f"The interface {name} cannot be created: it is there already.")
        finished = self._finished(["ip", "link", "add", "dev", name, "type", "wireguard"])
        if finished.returncode == 0:
            return
        if not _KERNEL_WITHOUT_WIREGUARD.search(finished.stderr):
            raise _failure(finished)
        self._start_wireguard_go(name)

    def delete_interface(self, name: str) -> None:
        self._run_on(name, ["ip", "link", "delete", "dev", name])
        # wireguard-go ends a moment later; a successor of the same name would find its control socket in use.
        self._wait_until(lambda: not self.interface_exists(name) and not _answers(f"/run/wireguard/{name}.sock"))

    def configure(self, name: str, config_text: str) -> None:
        timeout = max(self._timeout, setconf_seconds(config_text))
        self._run_on(name, ["wg", "setconf", name, "/dev/stdin"], standard_input=config_text, timeout=timeout)

    def set_interface(self, name: str, *, private_key: str | None = None, listen_port: int | None = None) -> None:
        port = [] if listen_port is None else ["listen-port", str(listen_port)]
        key = [] if private_key is None else ["private-key", "/dev/stdin"]
        given = None if private_key is None else f"{private_key}\n"
        self._run_on(name, ["wg", "set", name, *port, *key], standard_input=given)

    def set_peers(self, name: str, difference: Difference) -> None:
        for chunk in _chunks(_peer_entries(difference)):
            self._run_on(name, ["wg", "set", name, *(word for words in chunk for word in words)])

    def set_addresses(self, name: str, addresses: Sequence[str], mtu: int) -> None:
        # Removing comes first and the rest is read again: with a network's first address go its other ones.
        for address in sorted(set(self.link_state(name).addresses) - set(addresses)):
            self._run_on(name, ["ip", "address", "delete", address, "dev", name])
        state = self.link_state(name)
        for address in [address for address in addresses if address not in state.addresses]:
            self._run_on(name, ["ip", "address", "add", address, "dev", name])
        if state.mtu != mtu:
            self._run_on(name, ["ip", "link", "set", "dev", name, "mtu", str(mtu)])

    def link_up(self, name: str) -> None:
        self._run_on(name, ["ip", "link", "set", "dev", name, "up"])

    def link_state(self, name: str) -> LinkState:
        if not self.interface_exists(name):
            raise InterfaceMissing(f"There is no interface {name}.")
        shown = _json_rows(self._run_on(name, ["ip", "-json", "address", "show"]))
        try:
            return _link_state(name, shown)
        except (LookupError, TypeError):
            raise BackendError(f"`ip` described the interface {name} in a way that is not understood.") from None

    def dump(self, name: str) -> str:
        return self._run_on(name, ["wg", "show", name, "dump"])

    def local_networks(self, *, without: str) -> list[str]:
        rows = _json_rows(self._run(["ip", "-json", "address", "show"]))
        for family in ("-4", "-6"):
            rows += _json_rows(self._run(["ip", "-json", family, "route", "show", "table", "all"]))
        try:
            return _foreign_networks(rows, without)
        except (LookupError, TypeError, ValueError):
            raise BackendError("`ip` described this machine's networks in a way that is not understood.") from None

    def load_ruleset(self, text: str) -> None:
        self._run(["nft", "-f", "-"], standard_input=text)

    def firewall_table(self) -> str | None:
        finished = self._finished(["nft", "--stateless", "list", "table", *firewall.TABLE.split()])
        if finished.returncode == 0:
            return finished.stdout
        if "No such file or directory" in finished.stderr:
            return None
        raise _failure(finished)

    def ruleset_generation(self) -> int | None:
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as kernel:
                kernel.settimeout(self._timeout)
                kernel.send(_GET_GENERATION)
                return _generation_in(kernel.recv(8192))
        except OSError:
            return None

    def set_forwarding(self, name: str, *, versions: Collection[int]) -> None:
        try:
            for version in (4, 6):
                change = forwarding.start_forwarding if version in versions else forwarding.stop_forwarding
                change(check_interface_name(name), version)
        except OSError as failure:
            raise _forwarding_problem(name, failure) from None

    def is_forwarding(self, name: str, *, versions: Collection[int]) -> bool:
        try:
            return all(forwarding.is_forwarding(check_interface_name(name), version) for version in versions)
        except OSError as failure:
            raise _forwarding_problem(name, failure) from None

    def _start_wireguard_go(self, name: str) -> None:
        if not os.access(_TUN, os.R_OK | os.W_OK):
            # An installed agent is kept from it: a unit of its own runs wireguard-go, soon, and again after a crash.
            raise BackendError(
                f"This kernel has no WireGuard, and {name} is not there yet: wireguard-hub-userspace.service makes it. "
                f"By hand, wireguard-go needs CAP_NET_ADMIN and {_TUN}."
            )
        # It leaves a daemon behind that would hold our pipes open for as long as the interface lives.
        try:
            finished = self._finished(["wireguard-go", name], quiet=True)
        except BackendUnavailable as missing:
            raise BackendUnavailable(f"This kernel has no WireGuard, and there is no stand-in: {missing}") from None
        if finished.returncode != 0:
            raise BackendUnavailable(f"wireguard-go could not create {name}: it needs CAP_NET_ADMIN and /dev/net/tun.")
        if not self._wait_until(lambda: self.interface_exists(name)):
            raise BackendError(f"wireguard-go started, but the interface {name} did not appear.")
        # Its daemon answers only once it is ready; deleted before that, the interface would leave its socket behind.
        self._run_on(name, ["wg", "show", name, "listen-port"])

    def _wait_until(self, holds: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + self._timeout
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def _run_on(
        self,
        name: str,
        arguments: list[str],
        *,
        standard_input: str | None = None,
        timeout: float | None = None,
    ) -> str:
        check_interface_name(name)
        try:
            return self._run(arguments, standard_input=standard_input, timeout=timeout)
        except BackendUnavailable:
            raise
        except BackendError:
            if self.interface_exists(name):
                raise
        raise InterfaceMissing(f"There is no interface {name}.")

    def _run(self, arguments: list[str], *, standard_input: str | None = None, timeout: float | None = None) -> str:
        finished = self._finished(arguments, standard_input=standard_input, timeout=timeout)
        if finished.returncode != 0:
            raise _failure(finished)
        return finished.stdout

    def _finished(
        self,
        arguments: list[str],
        *,
        standard_input: str | None = None,
        timeout: float | None = None,
        quiet: bool = False,
    ) -> "subprocess.CompletedProcess[str]":
        """The program after it ended by itself, whatever its exit status."""
        output = subprocess.DEVNULL if quiet else subprocess.PIPE
        try:
            return subprocess.run(  # noqa: S603 - a list of arguments, no shell, nothing of it from a user
                arguments,
                input=standard_input,
                stdin=subprocess.DEVNULL if standard_input is None else None,
                stdout=output,
                stderr=output,
                env=self._environment,
                timeout=self._timeout if timeout is None else timeout,
                start_new_session=quiet,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = _start_problem(arguments, error)
        # Raised out here because a timeout's exception carries what the program printed, keys included.
        raise problem


def _generation_in(answer: bytes) -> int | None:
    """NFTA_GEN_ID, the first attribute of the kernel's answer; None when it is an error."""
    if len(answer) < 28 or struct.unpack_from("=H", answer, 4)[0] != _NEW_GENERATION:
        return None
    length, kind, generation = struct.unpack_from("=HH4s", answer, 20)
    return int.from_bytes(generation, "big") if (length, kind) == (8, 1) else None


def become_wireguard_go(name: str) -> NoReturn:
    """This process turns into wireguard-go, in the foreground; it ends with the interface."""
    os.execvpe("wireguard-go", ["wireguard-go", "-f", check_interface_name(name)], {"PATH": PROGRAM_PATH})  # noqa: S606, S607 - found in PROGRAM_PATH


def _answers(control_socket: str) -> bool:
    """Whether somebody listens there. Who hangs lets callers queue up; beyond them it would be waited for ever."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        return connection.connect_ex(control_socket) in {0, errno.EAGAIN}


def _forwarding_problem(name: str, failure: OSError) -> BackendError:
    return BackendError(
        f"What arrives by {name} cannot be passed on: {failure.filename}: {failure.strerror}. "
        "Where the service manager protects the kernel's tunables, let the agent write /proc/sys/net."
    )


def _start_problem(arguments: list[str], error: OSError | subprocess.TimeoutExpired) -> BackendError:
    program = arguments[0]
    if isinstance(error, subprocess.TimeoutExpired):
        return BackendError(f"`{_shortened(arguments)}` did not answer within {error.timeout:g} s and was ended.")
    if isinstance(error, FileNotFoundError):
        return BackendUnavailable(
            f"{program} is not installed (Debian and Ubuntu: apt-get install {_PACKAGES[program]})."
        )
    if isinstance(error, PermissionError):
        return BackendUnavailable(f"This process may not run {program}.")
    return BackendError(f"{program} could not be started: {error.strerror}.")


def _failure(finished: "subprocess.CompletedProcess[str]") -> BackendError:
    command = _shortened(finished.args)
    if _LACKING_PRIVILEGE.search(finished.stderr):
        return PrivilegeMissing(f"`{command}` was refused: this process lacks the privilege (CAP_NET_ADMIN).")
    reason = _quotable(finished.args[0], finished.stderr.strip())
    # The interface was given addresses of its own before: what is in use is its port.
    hint = " Another program has its UDP port: ss -lunp shows which." if "Address already in use" in reason else ""
    return BackendError(f"`{command}` failed with exit status {finished.returncode}{reason}.{hint}")


def _quotable(program: str, complaint: str) -> str:
    """What may be repeated of a program's complaint: of wg(8), which is given keys, next to nothing."""
    if program != "wg":
        return f": {complaint.splitlines()[0].rstrip('.')}" if complaint else ""
    harmless = _HARMLESS_WG_ERROR.search(complaint)
    return f": {harmless[1]}" if harmless else ""


def _shortened(arguments: Sequence[str]) -> str:
    return " ".join(arguments[:6]) + (" …" if len(arguments) > 6 else "")


def _peer_entries(change: Difference) -> list[list[str]]:
    """The arguments of `wg set` for each peer, removals first."""
    return [
        *(["peer", public_key, "remove"] for public_key in change.remove),
        *(["peer", peer.public_key, "allowed-ips", ",".join(peer.allowed_ips)] for peer in change.put),
        *(["peer", public_key, "persistent-keepalive", "0"] for public_key in change.without_keepalive),
        # wg(8) takes an empty file for no key.
        *(["peer", public_key, "preshared-key", "/dev/null"] for public_key in change.without_preshared_key),
    ]


def _chunks(entries: Sequence[list[str]]) -> Iterator[Sequence[list[str]]]:
    return (entries[start : start + PEERS_PER_SET] for start in range(0, len(entries), PEERS_PER_SET))


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
    also_on = tuple(other for other, row in by_name.items() if _bare(addresses) & _bare(_addresses(row)))
    return LinkState(tuple(sorted(addresses)), int(ours["mtu"]), "UP" in ours["flags"], also_on)


def _addresses(row: dict[str, Any]) -> list[str]:
    # Linux gives wireguard-go's device a link-local address by itself; it is neither wanted nor foreign.
    return [f"{entry['local']}/{entry['prefixlen']}" for entry in row["addr_info"] if entry["scope"] != "link"]


def _bare(addresses: Iterable[str]) -> set[str]:
    return {address.partition("/")[0] for address in addresses}


def _foreign_networks(rows: Iterable[dict[str, Any]], without: str) -> list[str]:
    """The networks in rows of `ip address` and `ip route`, each once, sorted by their text."""
    found: set[str] = set()
    for row in rows:
        if without not in _devices(row):
            found.update(str(network) for network in _networks(row) if _is_of_interest(network))
    return sorted(found)


def _devices(row: dict[str, Any]) -> set[str | None]:
    return {row.get("ifname"), row.get("dev")}


def _networks(row: dict[str, Any]) -> Iterator[_Network]:
    for address in row.get("addr_info", ()):
        yield ipaddress.ip_network(f"{address['local']}/{address['prefixlen']}", strict=False)
    # Routes of other types (local, broadcast, blackhole …) repeat an address or lead nowhere.
    if row.get("type", "unicast") == "unicast" and row.get("dst", "default") != "default":
        yield ipaddress.ip_network(row["dst"])


def _is_of_interest(network: _Network) -> bool:
    halves_of_everything = network.prefixlen <= 1
    return not (halves_of_everything or network.is_loopback or network.is_link_local or network.is_multicast)


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
        ours = _bare(link.addresses)
        others = {other: interface.link.addresses for other, interface in self._interfaces.items() if other != name}
        return replace(link, also_on=tuple(other for other, addresses in others.items() if ours & _bare(addresses)))

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
    link: LinkState = LinkState((), 1420, is_up=False)
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
