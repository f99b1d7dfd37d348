"""The lease of an address and a name: who gets which, and how it comes back. All under the hub's lock."""

from datetime import datetime
from typing import Any

from hubproject import audit
from hubproject.audit import Caller, Happening
from hubproject.errors import InvalidFields
from tokens.errors import AddressAlreadyAllocated, PoolExhausted, SpokeNameInUse
from tokens.models import InstallationToken, RestingAddress, State, TokenQuerySet
from tokens.pool import Pool, UnfitAddressError
from wireguard.models import HubConfig

# How far one query looks ahead for a host that was never leased.
_STRIDE = 256
EXPIRE_BATCH = 500


def lease_name(spoke_name: str, now: datetime) -> None:
    """Makes sure that nobody holds this name, in any case; raises SpokeNameInUse."""
    holders = InstallationToken.objects.filter(lease_name=spoke_name.lower())
    expire_lapsed(holders, now)
    holder = holders.first()
    if holder is not None and holder.state == State.REDEEMED:
        raise SpokeNameInUse(f"{spoke_name} is already the name of a spoke.")
    if holder is not None:
        # Perhaps of this very caller, whose answer was lost: the command was shown in that answer alone.
        raise SpokeNameInUse(
            f"{spoke_name} is already the name of an open install command, {holder.token_prefix}….",
            recovery_hint="Where that command was lost, reissue it: in the dashboard, or by POST "
            f"/api/installation/token/{holder.pk}/reissue. Else choose another name, or revoke it first.",
        )


def lease_host(hub: HubConfig, custom_ip: str | None, now: datetime) -> int:
    """A host number nobody holds: the chosen one, else one never used, else the one that has rested longest.

    Raises InvalidFields, AddressAlreadyAllocated or PoolExhausted.
    """
    pool = Pool(hub.network)
    if custom_ip is not None:
        return _lease_chosen_host(pool, custom_ip, now)
    host = _never_used_host(hub, pool) or _longest_resting_host()
    if host is None:
        expire_lapsed(InstallationToken.objects.order_by("expires_at"), now, most=1)
        host = _longest_resting_host()
    if host is None:
        raise _pool_exhausted()
    return host


def _pool_exhausted() -> PoolExhausted:
    """Says when time alone will give an address back, if any install command is open."""
    open_tokens = InstallationToken.objects.filter(lease_host__isnull=False, state__in=[State.ISSUED, State.CLAIMED])
    lapses_at = open_tokens.order_by("expires_at").values_list("expires_at", flat=True).first()
    if lapses_at is None:
        return PoolExhausted()
    return PoolExhausted(f"No address is free. An open install command expires at {lapses_at:%Y-%m-%d %H:%M} UTC.")


def next_free_address(hub: HubConfig) -> str | None:
    """What a lease would most likely get now, for a hint: nothing is held. None when no address is free."""
    pool = Pool(hub.network)
    resting = RestingAddress.objects.order_by("released_at", "host").values_list("host", flat=True)
    host = _first_unused(hub.next_host, pool) or resting.first()
    return None if host is None else str(pool.address_of(host))


def _lease_chosen_host(pool: Pool, custom_ip: str, now: datetime) -> int:
    try:
        host = pool.host_of(custom_ip)
    except UnfitAddressError as problem:
        raise InvalidFields({"customIP": [str(problem)]}) from None
    holder = InstallationToken.objects.filter(lease_host=host)
    expire_lapsed(holder, now)
    if taken := holder.first():
        raise AddressAlreadyAllocated(f"{taken.address} belongs to {taken.spoke_name}.")
    RestingAddress.objects.filter(host=host).delete()
    return host


def _never_used_host(hub: HubConfig, pool: Pool) -> int | None:
    """Moves the hub's counter to the first host that nobody ever leased; chosen addresses lie ahead of it."""
    free = _first_unused(hub.next_host, pool)
    next_host = pool.last_host + 1 if free is None else free + 1
    if next_host != hub.next_host:
        HubConfig.objects.filter(id=hub.id).update(next_host=next_host)
    return free


def _first_unused(start: int, pool: Pool) -> int | None:
    for first in range(start, pool.last_host + 1, _STRIDE):
        ahead = range(first, min(first + _STRIDE, pool.last_host + 1))
        used = _used_hosts(ahead)
        free = next((host for host in ahead if host not in used), None)
        if free is not None:
            return free
    return None


def _used_hosts(hosts: range) -> set[int]:
    bounds = (hosts.start, hosts.stop - 1)
    leased = InstallationToken.objects.filter(lease_host__range=bounds).values_list("lease_host", flat=True)
    resting = RestingAddress.objects.filter(host__range=bounds).values_list("host", flat=True)
    return {host for host in leased if host is not None} | set(resting)


def _longest_resting_host() -> int | None:
    resting = RestingAddress.objects.order_by("released_at", "host").first()
    if resting is None:
        return None
    host = resting.host
    resting.delete()
    return host


def release_lease(row: InstallationToken, *, now: datetime) -> None:
    """Gives address and name back, in the caller's transaction. Does nothing when they were given back before."""
    released = InstallationToken.objects.filter(pk=row.pk, lease_host__isnull=False).update(
        lease_host=None, lease_name=None
    )
    if released:
        RestingAddress.objects.update_or_create(host=row.host, defaults={"released_at": now})


_BY_TIME = Caller(actor="hub")


def expire_lapsed(candidates: TokenQuerySet, now: datetime, *, by: Caller = _BY_TIME, most: int | None = None) -> int:
    """Ends those of the candidates whose time has passed, under the hub's lock, and releases their leases."""
    expired = 0
    for row in candidates.lapsed(now)[: most or EXPIRE_BATCH]:
        if InstallationToken.objects.filter(pk=row.pk).lapsed(now).update(state=State.EXPIRED, ended_at=now):
            release_lease(row, now=now)
            record_event("token.expired", row, by, now, address=row.address)
            expired += 1
    return expired


def record_event(event: str, row: InstallationToken, by: Caller, now: datetime, **details: Any) -> None:
    audit.record_all(happening(event, row, by, now, **details))


def happening(event: str, row: InstallationToken, by: Caller, now: datetime, **details: Any) -> Happening:
    """What is recorded of a token."""
    return Happening(event, by, name_in_log(row), now, {"token": str(row.pk), **details})


def name_in_log(row: InstallationToken) -> str:
    """What the audit log calls a token."""
    return f"{row.spoke_name} ({row.token_prefix}…)"
