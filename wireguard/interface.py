"""The one door to the WireGuard interface: from what is wanted and what is seen to the smallest change."""

import ipaddress
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from wireguard.backends import Backend, BackendError, InterfaceMissing, LinkState, setconf_seconds
from wireguard.configtext import Difference, WantedInterface, WantedPeer, setconf_text
from wireguard.drift import Drift, Kind, peer_drift, repair_of
from wireguard.dump import DumpReader, SeenInterface
from wireguard.firewall import REMOVAL_TEXT, WantedFirewall, ruleset_text
from wireguard.keys import public_key_of

_PEER_KINDS = {
    Kind.PEER_MISSING,
    Kind.PEER_FOREIGN,
    Kind.ALLOWED_IPS_WIDENED,
    Kind.ALLOWED_IPS_STOLEN,
    Kind.KEEPALIVE,
    Kind.PRESHARED_KEY,
}
WRITE_SECONDS = 5.0  # the longest that one change takes, but for the one text that carries every peer


class InterfaceRefused(BackendError):
    """The interface is not brought up, and nothing was changed: the message says why."""


class NetworkOverlap(InterfaceRefused):
    """The wanted network overlaps one this machine is already in; the message names both."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the interface found."""

    seen: SeenInterface
    wrong: tuple[Drift, ...]  # what is wrong with the interface itself; its peers are for `peer_drift` to judge
    problem: str  # what cannot be told, or not be put right from here: one sentence, or empty


@dataclass(frozen=True, slots=True)
class Repair:
    """What was put right, and why the rest was not."""

    done: tuple[Drift, ...] = ()
    failure: BackendError | None = None


class WireGuardService:
    """Brings the interface up, changes its peers, and says what it sees. Keeps nothing but what nft and wg listed last.

    Every method may raise BackendError (or its kinds InterfaceMissing, BackendUnavailable); what was done
    until then stays, and the same call again finishes it. `may_write` is called with the seconds that a change
    may take, before each, and refuses by raising.
    """

    def __init__(self, backend: Backend, *, may_write: Callable[[float], object] = float) -> None:
        self._backend = backend
        self._may_write = may_write
        self._dumps = DumpReader()
        self._firewall: WantedFirewall | None = None
        self._applied_firewall: str | None = None
        self._listed_at: int | None = None  # the generation of all tables at which ours was as applied
        # Looking and applying go on in different threads; a table must not be seen before it is known.
        self._table_lock = threading.Lock()

    def bring_up(
        self,
        interface: WantedInterface,
        peers: Mapping[str, WantedPeer],
        firewall: WantedFirewall | None = None,
    ) -> Repair:
        """Make the interface right in everything. Of `peers`, by public key, right ones keep their sessions.

        Without a `firewall` spokes reach the hub itself, and no service or spoke. Raises NetworkOverlap, with nothing
        changed, when the interface does not have its addresses yet and one is in another network of the machine.
        """
        self._refuse_overlap(interface)
        firewall = firewall or WantedFirewall(interface.name, interface.addresses)
        if not self.is_there(interface.name):
            self._create(interface, peers, firewall)
            return Repair((Drift(Kind.INTERFACE_GONE),))
        look = self.look(interface)
        if look.seen.public_key is None and not look.seen.peers:
            self._load_table(firewall)
            self._furnish(interface, peers, firewall)
            return Repair((Drift(Kind.INTERFACE_GONE),))
        found = [*look.wrong, *peer_drift(peers, look.seen)]
        if not self.has_applied(firewall) and Drift(Kind.FIREWALL) not in found:
            found.append(Drift(Kind.FIREWALL))
        return self.repair(interface, found, peers, firewall)

    def repair(
        self,
        interface: WantedInterface,
        drifts: Collection[Drift],
        peers: Mapping[str, WantedPeer],
        firewall: WantedFirewall,
    ) -> Repair:
        """End these drifts, each by the smallest change. One that cannot be ended keeps no other from it."""
        done: list[Drift] = []
        failures: list[BackendError] = []
        for kinds, act in self._repairs(interface, drifts, peers, firewall):
            if due := [drift for drift in drifts if drift.kind in kinds]:
                try:
                    act()
                    done += due
                except InterfaceMissing:
                    raise
                except BackendError as failure:
                    failures.append(failure)
        return Repair(tuple(done), failures[0] if failures else None)

    def _repairs(
        self,
        interface: WantedInterface,
        drifts: Collection[Drift],
        peers: Mapping[str, WantedPeer],
        firewall: WantedFirewall,
    ) -> Iterator[tuple[set[Kind], Callable[[], None]]]:
        """Which kinds of drift are ended by what, in this order."""
        name = interface.name
        yield {Kind.PRIVATE_KEY}, lambda: self._writable().set_interface(name, private_key=interface.private_key)
        yield {Kind.LISTEN_PORT}, lambda: self._writable().set_interface(name, listen_port=interface.listen_port)
        yield _PEER_KINDS, lambda: self.apply(name, repair_of(drifts, peers))
        yield (
            {Kind.ADDRESS, Kind.MTU},
            lambda: self._writable().set_addresses(name, interface.addresses, interface.mtu),
        )
        yield {Kind.FIREWALL}, lambda: self.apply_firewall(firewall)
        yield {Kind.LINK_DOWN}, lambda: self._link_up(name)
        yield {Kind.FORWARDING}, lambda: self._forward_as(firewall)

    def apply(self, name: str, change: Difference) -> None:
        """Change these peers, and touch no other. It is the next look that proves it."""
        if change:
            self._writable().set_peers(name, change)

    def observe(self, name: str) -> SeenInterface:
        """What the interface holds now; DumpError (a ValueError) when `wg` printed something else."""
        return self._dumps.read(self._backend.dump(name))

    def look(self, interface: WantedInterface) -> Look:
        """What the interface holds and what is wrong with it. The firewall is right while nft lists it as it did after
        we applied it; where nft does not answer, the rest is seen none the less."""
        seen, link = self.observe(interface.name), self._backend.link_state(interface.name)
        problem = _shared_address(interface, link)
        is_wrong = {
            Kind.PRIVATE_KEY: seen.public_key != public_key_of(interface.private_key),
            Kind.LISTEN_PORT: seen.listen_port != interface.listen_port,
            Kind.ADDRESS: set(link.addresses) != set(interface.addresses),
            Kind.MTU: link.mtu != interface.mtu,
            Kind.LINK_DOWN: not link.is_up,
        }
        for kind, is_right in ((Kind.FIREWALL, self._is_table_right), (Kind.FORWARDING, self._is_forwarding)):
            try:
                is_wrong[kind] = not is_right()
            except BackendError as failure:
                problem = problem or str(failure)
        return Look(seen, tuple(Drift(kind) for kind, wrong in is_wrong.items() if wrong), problem)

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

    def tear_down(self, name: str) -> None:
        """End the interface, if there is one, and take our firewall table away."""
        if self._backend.interface_exists(name):
            self._writable().delete_interface(name)
        self._writable().set_forwarding(name, versions=())
        self._writable().load_ruleset(REMOVAL_TEXT)
        self._firewall = self._applied_firewall = self._listed_at = None

    def _writable(self, seconds: float = WRITE_SECONDS) -> Backend:
        """The backend, after whoever is in charge has agreed to a change that may take so long."""
        self._may_write(seconds)
        return self._backend

    def _create(self, interface: WantedInterface, peers: Mapping[str, WantedPeer], firewall: WantedFirewall) -> None:
        # Before the link is up, so that no spoke reaches another in between.
        self._load_table(firewall)
        self._writable().create_interface(interface.name)
        self._furnish(interface, peers, firewall)

    def _furnish(self, interface: WantedInterface, peers: Mapping[str, WantedPeer], firewall: WantedFirewall) -> None:
        """Makes an interface right that is as new: wireguard-go of a service of its own brings one without anything."""
        # Nobody has a session to lose, and one text is the fastest way to 10 000 peers.
        text = setconf_text(interface, peers.values())
        self._writable(setconf_seconds(text)).configure(interface.name, text)
        self._writable().set_addresses(interface.name, interface.addresses, interface.mtu)
        self._writable().link_up(interface.name)
        self._forward_as(firewall)

    def _link_up(self, name: str) -> None:
        if self._firewall is None:
            raise BackendError(f"{name} stays down until its firewall table is there: spokes could reach each other.")
        self._writable().link_up(name)

    def _load_table(self, firewall: WantedFirewall) -> None:
        self._firewall = self._listed_at = None
        with self._table_lock:
            self._writable().load_ruleset(ruleset_text(firewall))
            generation = self._backend.ruleset_generation()
            self._applied_firewall = self._backend.firewall_table()
            self._listed_at = generation

    def _is_table_right(self) -> bool:
        """With thousands of nodes a listing costs more than all the rest of a look, and mostly nothing has changed."""
        with self._table_lock:
            generation = self._backend.ruleset_generation()
            if generation is not None and generation == self._listed_at:
                return True
            is_right = self._applied_firewall is not None and self._backend.firewall_table() == self._applied_firewall
            # Asked for before it was listed: whatever changed since is seen next time.
            self._listed_at = generation if is_right else None
            return is_right

    def _forward_as(self, firewall: WantedFirewall) -> None:
        self._writable().set_forwarding(firewall.interface, versions=firewall.forwarded_versions)
        self._firewall = firewall

    def _is_forwarding(self) -> bool:
        firewall = self._firewall
        return firewall is None or self._backend.is_forwarding(firewall.interface, versions=firewall.forwarded_versions)

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


def _shared_address(interface: WantedInterface, link: LinkState) -> str:
    """Another interface with an address of ours is not ours to change, and answers in our place: for a human."""
    if not link.also_on:
        return ""
    return (
        f"An address of {interface.name} ({', '.join(interface.addresses)}) is on {', '.join(link.also_on)}, too: "
        "packets for the hub may go astray. Take it off there."
    )
