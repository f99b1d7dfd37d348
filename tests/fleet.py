"""A fleet of any size in every state, written in bulk: 10 000 spokes take seconds.

`python -m tests.fleet 148` fills the database that the environment names.
"""

import secrets
import sys
import uuid
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from typing import Any

import django

NAMES = [
    ("linux", "db-primary"),
    ("linux", "gw-lisbon"),
    ("macos", "laptop"),
    ("windows", "desk"),
    ("linux", "build-arm"),
    ("macos", "studio"),
    ("windows", "print-lyon"),
]
# Name, datacentre, description, enrolled nodes, members nobody enrolled, seconds since each enrolled node was heard.
CLUSTERS: list[tuple[str, str, str, list[str], list[int | None]]] = [
    ("datacenter1-prod", "US-East-1", "Production cluster for primary workloads", [], [48, 60, 125]),
    ("datacenter2-backup", "US-West-2", "Backup targets and cold spare", ["pve3"], [70, 900]),
    ("edge-site1", "Lyon depot", "Cameras and access control", [], [33, 1860, 1860]),
    ("pve-lab", "", "", [], [10, 20, None]),
    ("pve-lab", "", "", [], [3 * 86400]),
]
BATCH = 500
LIVES = 6


def seed_fleet(count: int, now: datetime, *, clusters: bool = True) -> None:
    """`count` live spokes on 10.0.0.0/16, of which some are nodes of clusters, and a hub if there is none."""
    from wireguard.models import AgentState, HubConfig

    _make_hub(now)
    AgentState.objects.update_or_create(
        id=1, defaults={"applied_generation": 10**9, "alive_at": now, "synced_at": now, "interface_up": True}
    )
    rows = list(_rows(count, now, clusters=clusters))
    for start in range(0, len(rows), BATCH):
        _write(rows[start : start + BATCH], now)
    HubConfig.objects.filter(id=1).update(next_host=count + 2, generation=count + 1)
    _tell_lives()


def _make_hub(now: datetime) -> None:
    from hubproject.audit import Caller
    from wireguard.models import HubConfig
    from wireguard.services import initialize_hub

    if not HubConfig.objects.exists():
        by = Caller(actor="root", address="192.0.2.1")
        initialize_hub(network_cidr="10.0.0.0/16", endpoint="vpn.example.com:51820", by=by, now=now)


def _rows(count: int, now: datetime, *, clusters: bool) -> Iterator[dict[str, Any]]:
    """What is told apart between spokes; every state occurs among the first twenty."""
    from spokes.models import Spoke

    first, made = Spoke.objects.count(), 0
    for row in _nodes(now) if clusters and count >= 20 else []:
        yield row
        made += 1
    for number in range(first, first + count - made):
        os, stem = NAMES[number % len(NAMES)]
        yield {"name": f"{stem}-{number:03}", "os": os, "heard": _heard(number)}


def _tell_lives() -> None:
    """What the audit log has of the first few: enough for a time line."""
    from hubproject.audit import Caller, record
    from spokes.models import Spoke
    from tokens.leases import record_event

    operator = Caller(actor="root", address="192.0.2.1", user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0")
    machine = Caller(actor="spoke", address="203.0.113.60", user_agent="curl/7.88.1")
    for spoke in Spoke.objects.select_related("token").order_by("registered_at")[:LIVES]:
        token, about = spoke.token, {"address": spoke.token.address, "spoke": str(spoke.pk), "os": spoke.os}
        record_event("token.issued", token, operator, token.created_at, address=token.address)
        record_event("token.claimed", token, machine, token.claimed_at, platform=spoke.os)
        record("spoke.registered", by=machine, about=spoke.name, now=spoke.registered_at, **about)


def _heard(number: int) -> int | None:
    """Seconds since spoke `number` was heard: most are active, some silent for minutes, a day or a week, some new."""
    if number % 20 == 5:
        return None
    return {3: 3 * 3600, 11: 26 * 3600, 17: 6 * 86400}.get(number % 20, number * 7 % 170)


def _nodes(now: datetime) -> Iterator[dict[str, Any]]:
    from proxmox.models import Cluster

    for number, (name, place, about, missing, heard) in enumerate(CLUSTERS):
        nodes = [f"pve{node + 1}" for node in range(len(heard))]
        cluster = Cluster.objects.create(
            cluster_name=name,
            fingerprint=f"{number + 74:02x}" * 32,
            datacenter=place,
            description=about,
            known_nodes=[*nodes, *missing],
            created_at=now,
            updated_at=now,
        )
        for node, seconds in zip(nodes, heard, strict=True):
            yield {
                "name": f"{node}.{number}.{name}",
                "os": "proxmox",
                "heard": seconds,
                "is_proxmox": True,
                "proxmox_cluster": cluster,
                "proxmox_node_name": node,
                "proxmox_version": "8.2.4",
                "confirmed": name != "pve-lab",
                "metadata": {"quorate": name != "edge-site1", "kernelVersion": "6.8.4-2-pve"},
            }
    yield {"name": "pve-standalone", "os": "proxmox", "heard": 60, "is_proxmox": True, "proxmox_version": "7.4-18"}


def _write(rows: Sequence[dict[str, Any]], now: datetime) -> None:
    from spokes.models import Spoke
    from tokens.models import InstallationToken, State
    from wireguard.models import HubConfig, Peer, PeerStatus

    hub = HubConfig.objects.get()
    first = Peer.objects.count()
    addresses = [str(IPv4Network("10.0.0.0/16")[first + number + 2]) for number in range(len(rows))]
    keys = [b64encode(secrets.token_bytes(32)).decode() for _ in rows]
    peers = Peer.objects.bulk_create(
        Peer(public_key=key, live_key=key, allowed_ips=f"{address}/32", generation=first + 2)
        for key, address in zip(keys, addresses, strict=True)
    )
    at = [now - timedelta(days=30) + timedelta(minutes=first + number) for number in range(len(rows))]
    tokens = InstallationToken.objects.bulk_create(
        InstallationToken(
            hub=hub,
            token_hash=secrets.token_hex(32),
            token_prefix=secrets.token_urlsafe(9)[:6],
            spoke_id=uuid.uuid4(),
            spoke_name=row["name"],
            platform=row["os"],
            host=first + number + 2,
            address=addresses[number],
            lease_host=first + number + 2,
            lease_name=row["name"].lower(),
            state=State.REDEEMED,
            created_at=at[number],
            expires_at=at[number] + timedelta(hours=24),
            claimed_at=at[number] + timedelta(minutes=3),
            claimed_from="203.0.113.60",
            redeemed_at=at[number] + timedelta(minutes=4),
            hub_endpoint=hub.endpoint,
            hub_public_key=hub.public_key,
            network_cidr=hub.network_cidr,
        )
        for number, row in enumerate(rows)
    )
    Spoke.objects.bulk_create(
        Spoke(
            id=token.spoke_id,
            token=token,
            peer=peer,
            registered_at=token.redeemed_at,
            registered_from="203.0.113.60",
            **{name: value for name, value in row.items() if name != "heard"},
        )
        for row, token, peer in zip(rows, tokens, peers, strict=True)
    )
    PeerStatus.objects.bulk_create(
        PeerStatus(
            peer=peer,
            endpoint=f"203.0.113.{number % 250 + 1}:51820",
            latest_handshake_at=now - timedelta(seconds=row["heard"]),
            heard_at=now - timedelta(seconds=row["heard"]),
            transfer_rx=(number + 1) * 7_654_321,
            transfer_tx=(number + 1) * 1_234_567,
            rate_rx=(number * 7919 % 2_400_000) if row["heard"] < 180 else 0,
            rate_tx=(number * 6007 % 880_000) if row["heard"] < 180 else 0,
        )
        for number, (row, peer) in enumerate(zip(rows, peers, strict=True))
        if row["heard"] is not None
    )


if __name__ == "__main__":
    django.setup()
    from django.utils import timezone

    seed_fleet(int(sys.argv[1]), timezone.now())
