"""The verbs of the hub itself: initialise, change what is wanted, hold."""

from collections.abc import Callable, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from django.db import IntegrityError, connection, transaction

from hubproject import audit
from hubproject.audit import Caller
from hubproject.errors import InvalidFields
from hubproject.statements import find, insert
from wireguard.configtext import check_interface_name
from wireguard.errors import HubAlreadyInitialized, HubNotInitialized, NetworkInUse
from wireguard.firewall import ISOLATED, MODES
from wireguard.hub_values import (
    in_range,
    one_of,
    parse_dns_server,
    parse_domain,
    parse_each,
    parse_endpoint,
    parse_network,
    parse_network6,
)
from wireguard.keys import generate_private_key, public_key_of
from wireguard.models import AgentState, HubConfig, Peer
from wireguard.sealed_key import sealed_private_key

GENERATION_CHANNEL = "hub_generation"
# PostgreSQL delivers the note at commit and drops it on rollback; on SQLite the agent watches the file.
_NOTE = f"pg_notify('{GENERATION_CHANNEL}', '')"

# By hand, for every registration comes through here.
_NEXT_GENERATION = "UPDATE hub_config SET generation = generation + 1 WHERE id = 1 RETURNING generation"


# --- The hub ------------------------------------------------------------------------------------------------------


def initialize_hub(
    *,
    network_cidr: str,
    endpoint: str,
    by: Caller,
    now: datetime,
    network_cidr6: str | None = None,
    listen_port: int = 51820,
    dns: Sequence[str] = (),
    dns_domains: Sequence[str] = (),
    mtu: int = 1420,
    persistent_keepalive: int = 25,
    spoke_to_spoke: str = ISOLATED,
    interface_name: str = "wg0",
) -> HubConfig:
    """Makes the hub's keys and its one row.

    Raises InvalidFields, or HubAlreadyInitialized, also for all but one of several calls at once.
    """
    values = checked_values(
        networkCIDR=network_cidr,
        **({"networkCIDR6": network_cidr6} if network_cidr6 else {}),
        endpoint=endpoint,
        listenPort=listen_port,
        dns=dns,
        dnsDomains=dns_domains,
        mtu=mtu,
        persistentKeepalive=persistent_keepalive,
        spokeToSpoke=spoke_to_spoke,
        interfaceName=interface_name,
    )
    _check_room(values["networkCIDR"], values.get("networkCIDR6"))
    try:
        with transaction.atomic():
            if HubConfig.objects.exists():
                raise HubAlreadyInitialized
            hub = _create_hub(values, now)
            _notify_agent()
            details = {"network": hub.network_cidr, "endpoint": hub.endpoint}
            if hub.network_cidr6:
                details["network6"] = hub.network_cidr6
            audit.record("hub.initialized", by=by, about="hub", now=now, **details)
            return hub
    except IntegrityError:
        raise HubAlreadyInitialized from None


# How each value an operator writes is parsed, by its name on the wire.
_PARSERS: dict[str, Callable[[Any], Any]] = {
    "networkCIDR": parse_network,
    "networkCIDR6": parse_network6,
    "endpoint": parse_endpoint,
    "listenPort": in_range(1, 65535),
    "dns": parse_each(parse_dns_server),
    "dnsDomains": parse_each(parse_domain),
    "mtu": in_range(1280, 65456),
    "persistentKeepalive": in_range(0, 65535),
    "spokeToSpoke": one_of(*MODES),
    "interfaceName": check_interface_name,
}


def checked_values(**written: Any) -> dict[str, Any]:
    """The parsed values under the same names; raises InvalidFields with every problem found."""
    values, problems = {}, {}
    for name, value in written.items():
        try:
            values[name] = _PARSERS[name](value)
        except ValueError as problem:
            problems[name] = [str(problem)]
    if problems:
        raise InvalidFields(problems)
    return values


def _check_room(network: IPv4Network, network6: IPv6Network | None) -> None:
    """A spoke's host number is the same in both networks, so the second has to have room for those of the first."""
    if network6 is not None and network6.num_addresses < network.num_addresses:
        longest = 128 - (32 - network.prefixlen)
        raise InvalidFields({"networkCIDR6": [f"Must have room for every host of {network}: at most a /{longest}."]})


def update_hub(*, by: Caller, now: datetime, **written: Any) -> HubConfig:
    """Changes what is written, by its names on the wire; the agent brings the interface in line.

    Raises InvalidFields, HubNotInitialized, or NetworkInUse when a network would change under a lease; a
    first IPv6 prefix is such a change, for the spokes that are there have no address in it.
    """
    values = checked_values(**written)
    with transaction.atomic():
        hub = lock_hub()
        columns = {COLUMNS[name]: value for name, value in values.items()}
        changed = {name: value for name, value in columns.items() if str(getattr(hub, name)) != str(value)}
        if changed.keys() & _NETWORKS:
            _move_to_networks(hub, changed.get("network_cidr", hub.network), changed.get("network_cidr6", hub.network6))
        for name, value in changed.items():
            setattr(hub, name, str(value) if name in _NETWORKS else value)
        if changed:
            hub.updated_at = now
            hub.save(update_fields=[*changed, "interface_address", "interface_address6", "next_host", "updated_at"])
            hub.generation = _next_generation()
            audit.record(
                "hub.changed",
                by=by,
                about="hub",
                now=now,
                changed={name: str(value) for name, value in changed.items()},
            )
    return hub


# Where each value is kept, and what `initialize_hub` calls it, by its name on the wire.
COLUMNS = {
    "networkCIDR": "network_cidr",
    "networkCIDR6": "network_cidr6",
    "endpoint": "endpoint",
    "listenPort": "listen_port",
    "dns": "dns",
    "dnsDomains": "dns_domains",
    "mtu": "mtu",
    "persistentKeepalive": "persistent_keepalive",
    "spokeToSpoke": "spoke_to_spoke",
}
_NETWORKS = {"network_cidr", "network_cidr6"}


def _move_to_networks(hub: HubConfig, network: IPv4Network, network6: IPv6Network | None) -> None:
    _check_room(network, network6)
    if hub.tokens.filter(lease_host__isnull=False).exists():
        raise NetworkInUse
    if network != hub.network:
        hub.resting_addresses.all().delete()
        hub.next_host = 2
    hub.interface_address = _hubs_address(network)
    hub.interface_address6 = _hubs_address(network6) if network6 else None


def _hubs_address(network: IPv4Network | IPv6Network) -> str:
    """Its first host, with the prefix length."""
    return f"{network[1]}/{network.prefixlen}"


def _create_hub(values: dict[str, Any], now: datetime) -> HubConfig:
    network, network6 = values["networkCIDR"], values.get("networkCIDR6")
    private_key = generate_private_key()
    return HubConfig.objects.create(
        interface_name=values["interfaceName"],
        interface_address=_hubs_address(network),
        interface_address6=_hubs_address(network6) if network6 else None,
        listen_port=values["listenPort"],
        public_key=public_key_of(private_key),
        sealed_private_key=sealed_private_key(private_key),
        network_cidr=str(network),
        network_cidr6=str(network6) if network6 else None,
        dns=values["dns"],
        dns_domains=values["dnsDomains"],
        endpoint=values["endpoint"],
        mtu=values["mtu"],
        persistent_keepalive=values["persistentKeepalive"],
        spoke_to_spoke=values["spokeToSpoke"],
        created_at=now,
        updated_at=now,
    )


def get_hub() -> HubConfig:
    """The hub's row; raises HubNotInitialized."""
    hub = HubConfig.objects.filter(id=1).first()
    if hub is None:
        raise HubNotInitialized
    return hub


def lock_hub() -> HubConfig:
    """The hub's row, locked until the transaction ends: whoever changes what is wanted holds it."""
    hub = find(HubConfig, "id", 1, locked=True)
    if hub is None:
        raise HubNotInitialized
    return hub


# --- What is wanted -----------------------------------------------------------------------------------------------


def add_peer(*, public_key: str, allowed_ips: str) -> Peer:
    """Wants a peer on the interface, in the caller's transaction."""
    peer = Peer(public_key=public_key, live_key=public_key, allowed_ips=allowed_ips, generation=_next_generation())
    insert(peer)
    return peer


def remove_peers(peer_ids: Sequence[int], *, now: datetime) -> int:
    """Wants these peers off the interface, in the caller's transaction; returns the generation that says so."""
    generation = _next_generation()
    Peer.objects.filter(id__in=peer_ids, removed_at=None).update(
        live_key=None, removed_at=now, forwarding_group=None, generation=generation
    )
    return generation


def set_forwarding_group(peer_id: int, group: int | None) -> None:
    """Says with which other peers this one may talk in the mode `cluster`, in the caller's transaction."""
    Peer.objects.filter(id=peer_id).update(forwarding_group=group)
    # Its row keeps its own generation: the firewall changes, and nobody's entry on the interface.
    _next_generation()


def _next_generation() -> int:
    statement = f"{_NEXT_GENERATION}, {_NOTE}" if connection.vendor == "postgresql" else _NEXT_GENERATION
    with connection.cursor() as cursor:
        cursor.execute(statement)
        ((generation, *_),) = cursor.fetchall()
    return int(generation)


def _notify_agent() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {_NOTE}")


# --- Hold ---------------------------------------------------------------------------------------------------------


def start_hold(*, by: Caller, now: datetime) -> None:
    """After a restore: the agent tells what differs, and neither cuts nor revives a peer until `release_hold`.

    A backup may be older than a removal made since; whoever was cut off must not come back by the restore alone.
    """
    with transaction.atomic():
        AgentState.objects.update_or_create(id=1, defaults={"hold": True, "differences": []})
        audit.record("hub.held", by=by, about="hub", now=now)
        _notify_agent()


def release_hold(*, by: Caller, now: datetime) -> bool:
    """Lets the agent make the interface what the database says. False when there was no hold."""
    with transaction.atomic():
        if not AgentState.objects.filter(id=1, hold=True).update(hold=False, differences=[]):
            return False
        audit.record("hub.released", by=by, about="hub", now=now)
        _notify_agent()
    return True
