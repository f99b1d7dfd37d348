"""The machine itself, by its programs: `wg`, `ip`, `nft` and, where the kernel has no WireGuard, `wireguard-go`."""

import errno
import os
import re
import socket
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from wireguard import firewall, forwarding
from wireguard.backends.contract import BackendError, BackendUnavailable, InterfaceMissing, LinkState, setconf_seconds
from wireguard.backends.ip_output import foreign_networks, link_state
from wireguard.backends.netlink import ruleset_generation
from wireguard.backends.programs import PROGRAM_PATH, Programs, failure_of
from wireguard.configtext import Difference, check_interface_name

PEERS_PER_SET = 500
_TUN = "/dev/net/tun"
_ALL_ROUTES = ("route", "show", "table", "all")
_KERNEL_WITHOUT_WIREGUARD = re.compile(r"Unknown device type|[Nn]ot supported")


class WgBackend:
    """The machine behind `wg`, `ip`, `nft` and, where the kernel has no WireGuard, `wireguard-go`.

    Needs CAP_NET_ADMIN. `timeout` is in seconds for one program; `path` is where programs are looked for.
    """

    def __init__(self, *, timeout: float = 5.0, path: str = PROGRAM_PATH) -> None:
        self._timeout = timeout
        self._programs = Programs(timeout=timeout, path=path)

    def interface_exists(self, name: str) -> bool:
        try:
            socket.if_nametoindex(check_interface_name(name))
        except OSError:
            return False
        return True

    def create_interface(self, name: str) -> None:
        if self.interface_exists(name):
            raise BackendError(f"The interface {name} cannot be created: it is there already.")
        finished = self._programs.finished(["ip", "link", "add", "dev", name, "type", "wireguard"])
        if finished.returncode == 0:
            return
        if not _KERNEL_WITHOUT_WIREGUARD.search(finished.stderr):
            raise failure_of(finished)
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
        # The MTU comes first: below 1280 the kernel takes no IPv6 address.
        if self.link_state(name).mtu != mtu:
            self._run_on(name, ["ip", "link", "set", "dev", name, "mtu", str(mtu)])
        # Removing comes next and the rest is read again: with a network's first address go its other ones.
        for address in sorted(set(self.link_state(name).addresses) - set(addresses)):
            self._run_on(name, ["ip", "address", "delete", address, "dev", name])
        there = self.link_state(name).addresses
        for address in [address for address in addresses if address not in there]:
            self._run_on(name, ["ip", "address", "add", address, "dev", name])

    def link_up(self, name: str) -> None:
        self._run_on(name, ["ip", "link", "set", "dev", name, "up"])

    def link_state(self, name: str) -> LinkState:
        if not self.interface_exists(name):
            raise InterfaceMissing(f"There is no interface {name}.")
        return link_state(name, self._run_on(name, ["ip", "-json", "address", "show"]))

    def dump(self, name: str) -> str:
        return self._run_on(name, ["wg", "show", name, "dump"])

    def local_networks(self, *, without: str) -> list[str]:
        addresses = self._programs.output(["ip", "-json", "address", "show"])
        routes = [self._programs.output(["ip", "-json", family, *_ALL_ROUTES]) for family in ("-4", "-6")]
        return foreign_networks(addresses, *routes, without=without)

    def load_ruleset(self, text: str) -> None:
        self._programs.output(["nft", "-f", "-"], standard_input=text)

    def firewall_table(self) -> str | None:
        finished = self._programs.finished(["nft", "--stateless", "list", "table", *firewall.TABLE.split()])
        if finished.returncode == 0:
            return finished.stdout
        if "No such file or directory" in finished.stderr:
            return None
        raise failure_of(finished)

    def ruleset_generation(self) -> int | None:
        return ruleset_generation(timeout=self._timeout)

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
        try:
            finished = self._programs.finished(["wireguard-go", name], leaves_daemon=True)
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
            return self._programs.output(arguments, standard_input=standard_input, timeout=timeout)
        except BackendUnavailable:
            raise
        except BackendError:
            if self.interface_exists(name):
                raise
        raise InterfaceMissing(f"There is no interface {name}.")


def _answers(control_socket: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        # A daemon that hangs takes no connection off its queue: for room in a full one we would wait for ever.
        connection.setblocking(False)
        return connection.connect_ex(control_socket) in {0, errno.EAGAIN}


def _forwarding_problem(name: str, failure: OSError) -> BackendError:
    return BackendError(
        f"What arrives by {name} cannot be passed on: {failure.filename}: {failure.strerror}. "
        "Where the service manager protects the kernel's tunables, let the agent write /proc/sys/net."
    )


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
