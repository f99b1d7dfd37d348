"""The one door to the WireGuard interface: from what is wanted and what is seen to the smallest change."""

import ipaddress
import threading
from collections.abc import Iterable, Mapping

from wireguard.backends import Backend, BackendError, LinkState
from wireguard.configtext import Difference, WantedInterface, WantedPeer, difference, setconf_text
from wireguard.dump import SeenInterface, parse_dump
from wireguard.firewall import REMOVAL_TEXT, WantedFirewall, ruleset_text
from wireguard.keys import public_key_of


class NetworkOverlap(BackendError):
    """The wanted network overlaps one this machine is already in; the message names both."""


class WireGuardService:
    """Brings the interface up, changes its peers, and says what it sees. Keeps nothing but what nft listed.

    Every method may raise BackendError (or its kinds InterfaceMissing, BackendUnavailable); what was done
    until then stays, and the same call again finishes it.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._firewall: WantedFirewall | None = None
        self._applied_firewall: str | None = None
        # Looking and applying go on in different threads; a table must not be seen before it is known.
        self._table_lock = threading.Lock()

    def bring_up(
        self,
        interface: WantedInterface,
        peers: Mapping[str, WantedPeer],
        firewall: WantedFirewall | None = None,
    ) -> None:
        """Make the interface right in everything. Of `peers`, by public key, right ones keep their sessions.

        Without a `firewall` spokes reach the hub itself, and no service or spoke. Raises NetworkOverlap, with nothing
        changed, when the interface does not have its addresses yet and one is in another network of the machine.
        """
        self._refuse_overlap(interface)
        # Before the link is up, so that no spoke reaches another in between.
        firewall = firewall or WantedFirewall(interface.name, interface.addresses)
        self._load_table(firewall)
        self._configure(interface, peers)
        self._backend.set_addresses(interface.name, interface.addresses, interface.mtu)
        self._backend.link_up(interface.name)
        self._forward_as(firewall)

    def apply(self, name: str, change: Difference) -> None:
        """Remove and put these peers, and touch no other. It is the next look that proves it."""
        if change:
            self._backend.set_peers(name, change)

    def observe(self, name: str) -> SeenInterface:
        """What the interface holds now; DumpError (a ValueError) when `wg` printed something else."""
        return parse_dump(self._backend.dump(name))

    def apply_firewall(self, firewall: WantedFirewall) -> None:
        """Replace our own firewall table, in one transaction, and touch no peer."""
        self._load_table(firewall)
        self._forward_as(firewall)

    def has_applied(self, firewall: WantedFirewall) -> bool:
        """Whether it is the one applied last; what became of it since, a look tells."""
        return firewall == self._firewall

    def is_there(self, name: str) -> bool:
        """Whether there is an interface of this name; cheap enough to ask at every turn."""
        return self._backend.interface_exists(name)

    def status(self, name: str) -> LinkState | None:
        """The interface as a link; None when there is none."""
        return self._backend.link_state(name) if self._backend.interface_exists(name) else None

    def is_right(self, interface: WantedInterface, seen: SeenInterface) -> list[str]:
        """What is wrong but peers: "private key", "listen port", "address", "mtu", "link down", "firewall",
        "forwarding".

        Empty when all is right. The firewall is right while nft lists it as it did after we applied it.
        """
        link = self._backend.link_state(interface.name)
        is_wrong = {
            "private key": seen.public_key != public_key_of(interface.private_key),
            "listen port": seen.listen_port != interface.listen_port,
            "address": set(link.addresses) != set(interface.addresses),
            "mtu": link.mtu != interface.mtu,
            "link down": not link.is_up,
            "firewall": not self._is_table_right(),
            "forwarding": not self._is_forwarding(),
        }
        return [word for word, wrong in is_wrong.items() if wrong]

    def tear_down(self, name: str) -> None:
        """End the interface, if there is one, and take our firewall table away."""
        if self._backend.interface_exists(name):
            self._backend.delete_interface(name)
        self._backend.set_forwarding(name, versions=())
        self._backend.load_ruleset(REMOVAL_TEXT)
        self._firewall = self._applied_firewall = None

    def _load_table(self, firewall: WantedFirewall) -> None:
        self._firewall = None
        with self._table_lock:
            self._backend.load_ruleset(ruleset_text(firewall))
            self._applied_firewall = self._backend.firewall_table()

    def _is_table_right(self) -> bool:
        with self._table_lock:
            return self._applied_firewall is not None and self._backend.firewall_table() == self._applied_firewall

    def _forward_as(self, firewall: WantedFirewall) -> None:
        self._backend.set_forwarding(firewall.interface, versions=firewall.forwarded_versions)
        self._firewall = firewall

    def _is_forwarding(self) -> bool:
        firewall = self._firewall
        return firewall is None or self._backend.is_forwarding(firewall.interface, versions=firewall.forwarded_versions)

    def _configure(self, interface: WantedInterface, peers: Mapping[str, WantedPeer]) -> None:
        if not self._backend.interface_exists(interface.name):
            self._backend.create_interface(interface.name)
        seen = self.observe(interface.name)
        if not seen.peers:
            # Nobody has a session to lose, and one text is the fastest way to 10 000 peers.
            self._backend.configure(interface.name, setconf_text(interface, peers.values()))
            return
        self._set_key_and_port(interface, seen)
        self.apply(interface.name, difference(peers, seen))

    def _set_key_and_port(self, interface: WantedInterface, seen: SeenInterface) -> None:
        if (seen.public_key, seen.listen_port) != (
            public_key_of(interface.private_key),
            interface.listen_port,
        ):
            self._backend.set_interface(
                interface.name, private_key=interface.private_key, listen_port=interface.listen_port
            )

    def _refuse_overlap(self, interface: WantedInterface) -> None:
        link = self.status(interface.name)
        if link is not None and set(interface.addresses) <= set(link.addresses):
            return  # what is running already must stay manageable, whatever the machine joined since
        others = self._backend.local_networks(without=interface.name)
        for address in interface.addresses:
            _refuse_overlap_with(ipaddress.ip_interface(address).network, others)


def _refuse_overlap_with(wanted: ipaddress.IPv4Network | ipaddress.IPv6Network, others: Iterable[str]) -> None:
    for other in map(ipaddress.ip_network, others):
        if wanted.overlaps(other):
            raise NetworkOverlap(f"The network {wanted} overlaps {other}, which this machine is already in.")
