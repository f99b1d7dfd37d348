"""What the hub asks of a machine, what it gets to know, and how it is told that something did not work."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wireguard.configtext import Difference


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


def bare(addresses: Iterable[str]) -> set[str]:
    """The addresses without the length of their network."""
    return {address.partition("/")[0] for address in addresses}
