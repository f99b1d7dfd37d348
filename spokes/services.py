"""The verbs of spokes: register, remove."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from hubproject import audit
from hubproject.audit import Caller, Happening
from hubproject.liveness import Status
from hubproject.statements import find, insert
from proxmox.models import Cluster
from proxmox.services import join_cluster
from spokes.errors import PublicKeyInUse, SpokeNotFound
from spokes.models import OperatingSystem, Spoke
from tokens.errors import TokenAlreadyUsed, TokenRefused
from tokens.leases import release_lease
from tokens.models import InstallationToken, State
from tokens.services import check_format, find_token, record_refusal, redeem_token
from wireguard.errors import InvalidPublicKey
from wireguard.keys import InvalidKeyError, check_public_key
from wireguard.models import HubConfig, Peer
from wireguard.services import add_peer, lock_hub, remove_peers, set_forwarding_group
from wireguard.waiting import wait_until_applied

LONGEST_NAME = 63
# Proxmox VE clusters are tested to some fifty nodes.
MOST_NODES = 128
REGISTER_WAIT_SECONDS = 1.0
REMOVE_WAIT_SECONDS = 2.0
REMOVED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine says of itself. All of it is a claim; none of it opens anything by itself."""

    os: OperatingSystem
    is_proxmox: bool = False
    node_name: str = ""
    cluster_name: str = ""
    cluster_fingerprint: str = ""
    proxmox_version: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def cluster_members(self) -> list[str]:
        """The cluster's node names, which scripts send as a list or as comma-separated text."""
        told = self.metadata.get("clusterNodes") or []
        names = told.split(",") if isinstance(told, str) else told if isinstance(told, list) else []
        texts = [name.strip() for name in names if isinstance(name, str)]
        return [name for name in texts if name.isprintable() and 0 < len(name) <= LONGEST_NAME][:MOST_NODES]


@dataclass(frozen=True, slots=True)
class Registration:
    """The outcome of a register call; `is_new` is False for a repeat of the same token and key."""

    spoke: Spoke
    hub: HubConfig
    is_new: bool
    peer_applied: bool


# --- Register -----------------------------------------------------------------------------------------------------


def register_spoke(*, secret: str, public_key: str, machine: Machine, by: Caller, now: datetime) -> Registration:
    """Turns a token and a public key into a spoke, once; the same pair again gives the same answer.

    Raises InvalidTokenFormat, InvalidPublicKey, TokenNotFound, PublicKeyInUse or a TokenRefused. Whatever is refused
    for its content burns nothing. After the commit it waits a moment for the agent to let the peer in.
    """
    check_format(secret)
    _check_key(public_key)
    try:
        with transaction.atomic():
            hub = lock_hub()
            row = find_token(secret)
            # Only a token that was redeemed has a spoke; that one is asked for with all that an answer says of it.
            is_redeemed = row.state == State.REDEEMED
            known = Spoke.objects.with_status(now).filter(token=row).first() if is_redeemed else None
            spoke = known or _new_spoke(hub, row, public_key, machine, by=by, now=now)
            if known:
                _check_replay(known, public_key)
                _record("spoke.replayed", known, by, now)
    except (TokenRefused, PublicKeyInUse, InvalidPublicKey) as refusal:
        record_refusal(secret, refusal, by=by, now=now, publicKey=public_key, **_earlier_sources(secret))
        raise
    is_applied = wait_until_applied(spoke.peer.generation, seconds=REGISTER_WAIT_SECONDS)
    return Registration(spoke=spoke, hub=hub, is_new=known is None, peer_applied=is_applied)


def _check_key(public_key: str) -> None:
    try:
        check_public_key(public_key)
    except InvalidKeyError as problem:
        raise InvalidPublicKey(str(problem)) from None


def _check_replay(known: Spoke, public_key: str) -> None:
    if known.removed_at is not None or known.peer.public_key != public_key:
        raise TokenAlreadyUsed


def _earlier_sources(secret: str) -> dict[str, Any]:
    """Where the token was used before: an operator who sees it refused wants to know both addresses."""
    row = find_token(secret)
    spoke = Spoke.objects.filter(token=row).first()
    return {"claimedFrom": row.claimed_from, "registeredFrom": spoke.registered_from if spoke else None}


def _new_spoke(
    hub: HubConfig, row: InstallationToken, public_key: str, machine: Machine, *, by: Caller, now: datetime
) -> Spoke:
    if public_key == hub.public_key:
        raise InvalidPublicKey("That is the hub's own public key.")
    if find(Peer, "live_key", public_key):
        raise PublicKeyInUse
    redeemed = redeem_token(row=row, by=by, now=now)
    spoke = Spoke(
        id=row.spoke_id,
        token=row,
        peer=add_peer(public_key=public_key, allowed_ips=",".join(row.routed_ips)),
        name=row.spoke_name,
        registered_at=now,
        registered_from=by.address,
        **_as_fields(machine, row, by, now),
    )
    insert(spoke)
    spoke.status, spoke.last_handshake = Status.PENDING.value, None
    if spoke.confirmed and spoke.proxmox_cluster:
        set_forwarding_group(spoke.peer_id, spoke.proxmox_cluster.forwarding_group)
    facts = {"address": row.address, "publicKey": public_key, "os": machine.os.value, "token": str(row.pk)}
    node = {"confirmedNode": machine.node_name} if spoke.confirmed else {}
    audit.record_all(redeemed, _happening("spoke.registered", spoke, by, now, **facts, **node))
    return spoke


def _as_fields(machine: Machine, row: InstallationToken, by: Caller, now: datetime) -> dict[str, Any]:
    cluster = None
    if machine.is_proxmox and machine.cluster_name:
        cluster = join_cluster(
            name=machine.cluster_name,
            fingerprint=machine.cluster_fingerprint or None,
            known_nodes=machine.cluster_members,
            by=by,
            now=now,
        )
    return {
        "os": machine.os,
        "is_proxmox": machine.is_proxmox,
        "proxmox_cluster": cluster,
        "proxmox_node_name": machine.node_name,
        "proxmox_version": machine.proxmox_version,
        "confirmed": _is_expected(row, cluster, machine),
        "metadata": machine.metadata,
    }


def _is_expected(row: InstallationToken, cluster: Cluster | None, machine: Machine) -> bool:
    """Whether the token was issued by "enrol this node" for the very node that now registers."""
    if cluster is None or row.expected_cluster is None:
        return False
    return (row.expected_cluster, row.expected_node) == (cluster.pk, machine.node_name)


# --- Confirm ------------------------------------------------------------------------------------------------------


def confirm_node(*, cluster_id: UUID, spoke_id: UUID, by: Caller, now: datetime) -> None:
    """An operator says that this spoke is a node of this cluster. Raises SpokeNotFound when it does not claim to be."""
    _set_confirmed(cluster_id, spoke_id, confirmed=True, by=by, now=now)


def unconfirm_node(*, cluster_id: UUID, spoke_id: UUID, by: Caller, now: datetime) -> None:
    """Takes that word back: the cluster's nodes no longer talk to it. Raises SpokeNotFound."""
    _set_confirmed(cluster_id, spoke_id, confirmed=False, by=by, now=now)


def _set_confirmed(cluster_id: UUID, spoke_id: UUID, *, confirmed: bool, by: Caller, now: datetime) -> None:
    with transaction.atomic():
        lock_hub()
        nodes = Spoke.objects.live().select_related("proxmox_cluster")
        node = nodes.filter(id=spoke_id, proxmox_cluster_id=cluster_id).first()
        if node is None or node.proxmox_cluster is None:
            raise SpokeNotFound("There is no such node in this cluster.")
        if Spoke.objects.filter(pk=node.pk, confirmed=not confirmed).update(confirmed=confirmed):
            set_forwarding_group(node.peer_id, node.proxmox_cluster.forwarding_group if confirmed else None)
            event = "node.confirmed" if confirmed else "node.unconfirmed"
            _record(event, node, by, now, cluster=str(cluster_id))


# --- Remove -------------------------------------------------------------------------------------------------------


def remove_spoke(*, spoke_id: UUID, by: Caller, now: datetime) -> bool:
    """Removes one spoke; tells whether the agent has confirmed that its peer is off. Raises SpokeNotFound."""
    if not Spoke.objects.live().filter(id=spoke_id).exists():
        raise SpokeNotFound
    return remove_spokes(spoke_ids=[spoke_id], by=by, now=now)


def remove_spokes(*, spoke_ids: Sequence[UUID], by: Caller, now: datetime) -> bool:
    """Removes the live ones among these: peers off, leases back, cluster links cleared. Waits for the agent once.

    Many go a batch a transaction, so that nobody else waits long for the hub's lock. Raises SpokeNotFound when none
    of them is live.
    """
    generation = 0
    for start in range(0, len(spoke_ids), REMOVED_AT_ONCE):
        batch = spoke_ids[start : start + REMOVED_AT_ONCE]
        generation = _remove_batch(batch, by=by, now=now) or generation
    if not generation:
        raise SpokeNotFound
    return wait_until_applied(generation, seconds=REMOVE_WAIT_SECONDS)


def _remove_batch(spoke_ids: Sequence[UUID], *, by: Caller, now: datetime) -> int:
    """The generation that says so; 0 when none of them is live."""
    with transaction.atomic():
        lock_hub()
        spokes = list(Spoke.objects.live().select_related("token").filter(id__in=spoke_ids))
        if not spokes:
            return 0
        generation = remove_peers([spoke.peer_id for spoke in spokes], now=now)
        Spoke.objects.filter(id__in=[spoke.id for spoke in spokes]).update(
            removed_at=now, proxmox_cluster=None, confirmed=False
        )
        for spoke in spokes:
            release_lease(spoke.token, now=now)
        audit.record_all(
            *(_happening("spoke.removed", spoke, by, now, address=spoke.token.address) for spoke in spokes)
        )
    return generation


def _record(event: str, spoke: Spoke, by: Caller, now: datetime, **details: Any) -> None:
    audit.record_all(_happening(event, spoke, by, now, **details))


def _happening(event: str, spoke: Spoke, by: Caller, now: datetime, **details: Any) -> Happening:
    return Happening(event, by, spoke.name, now, {"spoke": str(spoke.id), **details})
