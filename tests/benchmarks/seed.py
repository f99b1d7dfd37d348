"""Fills the database that the environment names, as standard input says in JSON: so many `spokes`, the first of them
with these public `keys`; `leased` and `resting` addresses of spokes that are no
more than a lease, the others `used_up`; so many `groups` of confirmed nodes. Prints the peers' keys and allowed-ips."""

import json
import secrets
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Network

import django

django.setup()

from django.db import transaction
from django.utils import timezone

from tests.fleet import seed_fleet
from tokens.models import InstallationToken, RestingAddress, State
from wireguard.models import AgentState, HubConfig, Peer

NETWORK = IPv4Network("10.0.0.0/16")
BATCH = 500


def seed(
    endpoint: str,
    *,
    spokes: int = 0,
    keys: tuple[str, ...] = (),
    leased: int = 0,
    resting: int = 0,
    groups: int = 0,
    used_up: int = 0,
) -> list[tuple[str, str]]:
    now = timezone.now()
    HubConfig.objects.filter(id=1).update(endpoint=endpoint)
    if spokes:
        seed_fleet(spokes, now)
    # What an agent would have reported, which there has not been yet.
    AgentState.objects.filter(id=1).update(applied_generation=0, alive_at=None, synced_at=None, interface_up=False)
    peers = list(Peer.objects.order_by("id"))
    for peer, key in zip(peers, keys, strict=False):
        peer.public_key = peer.live_key = key
    for number, peer in enumerate(peers):
        peer.forwarding_group = number % groups + 1 if groups else peer.forwarding_group
    Peer.objects.bulk_update(
        peers if groups else peers[: len(keys)], ["public_key", "live_key", "forwarding_group"], BATCH
    )
    InstallationToken.objects.bulk_create(_leases(range(spokes + 2, spokes + 2 + leased)), BATCH)
    first = spokes + 2 + leased
    RestingAddress.objects.bulk_create(
        RestingAddress(host=host, released_at=now - timedelta(seconds=first + resting - host))
        for host in range(first, first + resting)
    )
    next_host = NETWORK.num_addresses - 1 if used_up else first + resting
    HubConfig.objects.filter(id=1).update(next_host=next_host)
    return list(Peer.objects.values_list("public_key", "allowed_ips"))


def _leases(hosts: range) -> Iterator[InstallationToken]:
    now, hub = timezone.now(), HubConfig.objects.get()
    for host in hosts:
        name = f"spoke-{host}"
        yield InstallationToken(
            hub=hub,
            token_hash=secrets.token_hex(32),
            token_prefix=secrets.token_urlsafe(9)[:6],
            spoke_id=uuid.uuid4(),
            spoke_name=name,
            host=host,
            address=str(NETWORK[host]),
            lease_host=host,
            lease_name=name,
            state=State.REDEEMED,
            created_at=now,
            expires_at=now + timedelta(hours=24),
            redeemed_at=now,
            hub_endpoint=hub.endpoint,
            hub_public_key=hub.public_key,
            network_cidr=hub.network_cidr,
        )


if __name__ == "__main__":
    with transaction.atomic():
        print(json.dumps(seed(**json.load(sys.stdin))))
