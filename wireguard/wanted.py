"""What is wanted of the interface itself and of its firewall, as the database has it; of its peers: `live_peers`."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.conf import settings

from wireguard.configtext import WantedInterface
from wireguard.firewall import CLUSTER, WantedFirewall, parse_services
from wireguard.models import HubConfig, Peer
from wireguard.sealed_key import opened_private_key


def wanted_interface(hub: HubConfig) -> WantedInterface:
    """The hub's [Interface], its private key opened. Raises SealingError when the sealing key is wrong or missing."""
    return WantedInterface(
        name=hub.interface_name,
        private_key=opened_private_key(hub.sealed_private_key),
        listen_port=hub.listen_port,
        addresses=hub.addresses,
        mtu=hub.mtu,
    )


def wanted_firewall(hub: HubConfig) -> WantedFirewall:
    """What may pass at the hub's interface."""
    groups: dict[int, list[str]] = defaultdict(list)
    if hub.spoke_to_spoke == CLUSTER:
        members = Peer.objects.filter(live_key__isnull=False, forwarding_group__isnull=False).order_by("id")
        rows: Iterable[Any] = members.values_list("forwarding_group", "allowed_ips")
        for group, allowed_ips in rows:
            groups[group] += allowed_ips.split(",")
    return WantedFirewall(
        interface=hub.interface_name,
        addresses=hub.addresses,
        mode=hub.spoke_to_spoke,
        services=_services_for_spokes(hub),
        groups=groups,
    )


def _services_for_spokes(hub: HubConfig) -> tuple[str, ...]:
    """What the operator named, and DNS where spokes are told that the hub itself is their server."""
    own = {address.partition("/")[0] for address in hub.addresses}
    dns = "tcp/53 udp/53" if own.intersection(hub.dns) else ""
    return parse_services(f"{settings.HUB_SPOKE_SERVICES} {dns}")
