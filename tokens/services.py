"""The verbs of installation tokens. Every move is one UPDATE that names the state it expects; its row count decides."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from hubproject import audit
from hubproject.audit import Caller
from hubproject.errors import HubError, InvalidFields, NotFound
from tokens import scripts
from tokens.errors import (
    AddressAlreadyAllocated,
    InvalidPlatform,
    InvalidTokenFormat,
    PoolExhausted,
    ScriptChanged,
    SpokeNameInUse,
    TokenAlreadyUsed,
    TokenCannotBeReissued,
    TokenCannotBeRevoked,
    TokenExpired,
    TokenNotFound,
    TokenRefused,
    TokenRevoked,
)
from tokens.models import InstallationToken, RestingAddress, State, TokenQuerySet
from tokens.pool import Pool, UnfitAddressError
from wireguard.models import HubConfig
from wireguard.services import lock_hub

_TOKEN_FORMAT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_NAME_FORMAT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
# How far one query looks ahead for a host that was never leased.
_STRIDE = 256
_PURGE_BATCH = 500


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A fresh token with its secret, which is shown once and kept nowhere."""

    row: InstallationToken
    secret: str = field(repr=False)
    script_sha256: dict[str, str]
    install_commands: dict[str, str] = field(repr=False)
    checked_commands: dict[str, str] = field(repr=False)


# --- Issue --------------------------------------------------------------------------------------------------------


def issue_token(
    *,
    spoke_name: str,
    by: Caller,
    now: datetime,
    custom_ip: str | None = None,
    expires_in_hours: int | None = None,
    platform: str = "",
) -> IssuedToken:
    """Leases an address and a name and makes the one-time token that goes with them.

    Raises InvalidFields, SpokeNameInUse, AddressAlreadyAllocated, PoolExhausted or HubNotInitialized.
    """
    _check_name(spoke_name)
    lifetime = _lifetime(expires_in_hours)
    with transaction.atomic():
        hub = lock_hub()
        _claim_name(spoke_name, now)
        host = _lease_host(hub, custom_ip, now)
        row, secret = _create_row(
            hub, host, now, spoke_name=spoke_name, platform=platform, spoke_id=uuid4(), lifetime=lifetime
        )
        _record("token.issued", row, by, now, address=row.address)
    return _with_commands(row, secret)


def _create_row(
    hub: HubConfig, host: int, now: datetime, *, spoke_name: str, platform: str, spoke_id: UUID, lifetime: timedelta
) -> tuple[InstallationToken, str]:
    secret = secrets.token_urlsafe(32)
    row = InstallationToken.objects.create(
        hub=hub,
        token_hash=hash_of(secret),
        token_prefix=secret[:6],
        spoke_id=spoke_id,
        spoke_name=spoke_name,
        platform=platform,
        host=host,
        address=str(Pool(hub.network).address_of(host)),
        lease_host=host,
        lease_name=spoke_name.lower(),
        created_at=now,
        expires_at=now + lifetime,
        hub_endpoint=hub.endpoint,
        hub_public_key=hub.public_key,
        network_cidr=hub.network_cidr,
        dns=hub.dns,
        persistent_keepalive=hub.persistent_keepalive,
    )
    return row, secret


def _check_name(spoke_name: str) -> None:
    if not _NAME_FORMAT.fullmatch(spoke_name):
        rule = "Must be 1 to 63 letters, digits, '.', '_' or '-', starting with a letter or digit."
        raise InvalidFields({"spokeName": [rule]})


def _lifetime(hours: int | None) -> timedelta:
    most = settings.TOKEN_EXPIRATION_HOURS
    if hours is not None and not 1 <= hours <= most:
        raise InvalidFields({"expiresInHours": [f"Must be between 1 and {most}."]})
    return timedelta(hours=most if hours is None else hours)


def _claim_name(spoke_name: str, now: datetime) -> None:
    holders = InstallationToken.objects.filter(lease_name=spoke_name.lower())
    _expire(holders, now)
    if holders.exists():
        raise SpokeNameInUse(f"{spoke_name} is already the name of a spoke or an open install command.")


def _lease_host(hub: HubConfig, custom_ip: str | None, now: datetime) -> int:
    pool = Pool(hub.network)
    if custom_ip is not None:
        return _lease_chosen_host(pool, custom_ip, now)
    host = _never_used_host(hub, pool) or _longest_resting_host()
    if host is None:
        _expire(InstallationToken.objects.order_by("expires_at"), now, most=1)
        host = _longest_resting_host()
    if host is None:
        raise PoolExhausted
    return host


def _lease_chosen_host(pool: Pool, custom_ip: str, now: datetime) -> int:
    try:
        host = pool.host_of(custom_ip)
    except UnfitAddressError as problem:
        raise InvalidFields({"customIP": [str(problem)]}) from None
    holder = InstallationToken.objects.filter(lease_host=host)
    _expire(holder, now)
    if taken := holder.first():
        raise AddressAlreadyAllocated(f"{taken.address} belongs to {taken.spoke_name}.")
    RestingAddress.objects.filter(host=host).delete()
    return host


def _never_used_host(hub: HubConfig, pool: Pool) -> int | None:
    """Moves the hub's counter to the first host that nobody ever leased; chosen addresses lie ahead of it."""
    start = hub.next_host
    while start <= pool.last_host:
        ahead = range(start, min(start + _STRIDE, pool.last_host + 1))
        used = _used_hosts(ahead)
        free = next((host for host in ahead if host not in used), None)
        start = ahead.stop if free is None else free + 1
        if free is not None:
            HubConfig.objects.filter(id=hub.id).update(next_host=start)
            return free
    if start != hub.next_host:
        HubConfig.objects.filter(id=hub.id).update(next_host=start)
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


def _with_commands(row: InstallationToken, secret: str) -> IssuedToken:
    sums = {platform: scripts.script_sha256(_render(row, secret, platform)) for platform in scripts.PLATFORMS}
    return IssuedToken(
        row=row,
        secret=secret,
        script_sha256=sums,
        install_commands=scripts.install_commands(settings.HUB_PUBLIC_URL, secret),
        checked_commands=scripts.checked_commands(settings.HUB_PUBLIC_URL, secret, sums),
    )


def _render(row: InstallationToken, secret: str, platform: str) -> str:
    return scripts.render_script(
        platform,
        scripts.ScriptValues(
            token=secret,
            spoke_name=row.spoke_name,
            hub_endpoint=row.hub_endpoint,
            hub_public_key=row.hub_public_key,
            spoke_ip=row.allowed_ips[0],
            network_cidr=row.network_cidr,
            dns_servers=tuple(row.dns),
            callback_url=f"{settings.HUB_PUBLIC_URL}/api/spoke/register",
            persistent_keepalive=row.persistent_keepalive,
        ),
    )


# --- Reissue ------------------------------------------------------------------------------------------------------


def reissue_token(*, token_id: UUID, by: Caller, now: datetime) -> IssuedToken:
    """A new secret for the same spoke name, id and address; the old one is worthless from then on.

    Where the old lease lapsed or was given back, it is taken again if it is still free. Raises NotFound,
    TokenCannotBeReissued, SpokeNameInUse or AddressAlreadyAllocated.
    """
    with transaction.atomic():
        hub = lock_hub()
        old = get_token(token_id)
        if old.state == State.REDEEMED:
            raise TokenCannotBeReissued
        if InstallationToken.objects.filter(pk=old.pk, state__in=[State.ISSUED, State.CLAIMED]).update(
            state=State.REVOKED, ended_at=now
        ):
            release_lease(old, now=now)
        _claim_name(old.spoke_name, now)
        if ip_address(old.address) not in hub.network:
            raise AddressAlreadyAllocated(f"{old.address} is not of the network {hub.network}, where the hub is now.")
        host = _lease_host(hub, old.address, now)
        row, secret = _create_row(
            hub,
            host,
            now,
            spoke_name=old.spoke_name,
            platform=old.platform,
            spoke_id=old.spoke_id,
            lifetime=_lifetime(None),
        )
        _record("token.reissued", row, by, now, address=row.address, replaces=str(old.pk))
    return _with_commands(row, secret)


def get_token(token_id: UUID) -> InstallationToken:
    """The row of this id; raises NotFound."""
    row = InstallationToken.objects.filter(pk=token_id).first()
    if row is None:
        raise NotFound("There is no such token.")
    return row


# --- Claim and redeem ---------------------------------------------------------------------------------------------


def claim_token(*, secret: str, platform: str, by: Caller, now: datetime, sha256: str | None = None) -> str:
    """Spends the token's one fetch and returns the script. Rendered in the same transaction: a fault burns nothing.

    Raises InvalidTokenFormat, InvalidPlatform, TokenNotFound, ScriptChanged or a TokenRefused.
    """
    check_format(secret)
    if platform not in scripts.PLATFORMS:
        raise InvalidPlatform
    try:
        with transaction.atomic():
            return _claim(secret, platform, sha256, by=by, now=now)
    except (TokenRefused, ScriptChanged) as refusal:
        record_refusal(secret, refusal, by=by, now=now)
        raise


def _claim(secret: str, platform: str, sha256: str | None, *, by: Caller, now: datetime) -> str:
    lock_hub()  # before the token's row, as everybody does: two orders would deadlock
    row = find_token(secret)
    changed = (
        InstallationToken.objects.filter(pk=row.pk)
        .claimable(now)
        .update(state=State.CLAIMED, claimed_at=now, claimed_from=by.address)
    )
    if not changed:
        raise refusal_of(row.pk, now)
    script = _render(row, secret, platform)
    if sha256 is not None and sha256 != scripts.script_sha256(script):
        raise ScriptChanged
    _record("token.claimed", row, by, now, platform=platform)
    return script


def redeem_token(*, row: InstallationToken, by: Caller, now: datetime) -> None:
    """Spends the token for good, in the caller's transaction. Raises a TokenRefused when somebody else was first."""
    changed = InstallationToken.objects.filter(pk=row.pk).redeemable(now).update(state=State.REDEEMED, redeemed_at=now)
    if not changed:
        raise refusal_of(row.pk, now)
    _record("token.redeemed", row, by, now)


def hash_of(secret: str) -> str:
    """How a token is kept: 32 random bytes need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def check_format(secret: str) -> None:
    """Raises InvalidTokenFormat unless this has the shape of a token."""
    if not _TOKEN_FORMAT.fullmatch(secret):
        raise InvalidTokenFormat


def find_token(secret: str) -> InstallationToken:
    """The row of a token; raises TokenNotFound."""
    row = InstallationToken.objects.filter(token_hash=hash_of(secret)).first()
    if row is None:
        raise TokenNotFound
    return row


def refusal_of(token_id: UUID, now: datetime) -> TokenRefused:
    """Why a token is good no more, read after its UPDATE changed nothing."""
    row = InstallationToken.objects.get(pk=token_id)
    match row.state_at(now):
        case State.REVOKED:
            return TokenRevoked()
        case State.CLAIMED | State.REDEEMED:
            return TokenAlreadyUsed()
    return TokenExpired(expiresAt=row.expires_at)


def record_refusal(secret: str, refusal: HubError, *, by: Caller, now: datetime, **details: Any) -> None:
    """Notes a refused use of a token that exists, in a transaction of its own: the refused one was rolled back."""
    with transaction.atomic():
        row = find_token(secret)
        _record("token.refused", row, by, now, reason=refusal.code, **details)


# --- Revoke, release, purge ---------------------------------------------------------------------------------------


def revoke_token(*, token_id: UUID, by: Caller, now: datetime) -> InstallationToken:
    """Makes an unredeemed token worthless and releases its lease. A token that ended before stays as it is.

    Raises NotFound or TokenCannotBeRevoked.
    """
    with transaction.atomic():
        lock_hub()
        row = get_token(token_id)
        changed = InstallationToken.objects.filter(pk=token_id, state__in=[State.ISSUED, State.CLAIMED]).update(
            state=State.REVOKED, ended_at=now
        )
        if changed:
            release_lease(row, now=now)
            _record("token.revoked", row, by, now)
        elif row.state == State.REDEEMED:
            raise TokenCannotBeRevoked
    row.refresh_from_db()
    return row


def release_lease(row: InstallationToken, *, now: datetime) -> None:
    """Gives address and name back, in the caller's transaction. Does nothing when they were given back before."""
    released = InstallationToken.objects.filter(pk=row.pk, lease_host__isnull=False).update(
        lease_host=None, lease_name=None
    )
    if released:
        RestingAddress.objects.update_or_create(host=row.host, defaults={"released_at": now})


def purge_tokens(*, by: Caller, now: datetime) -> tuple[int, int]:
    """Records lapsed tokens as expired and deletes unredeemed ones after TOKEN_RETENTION_DAYS; returns both counts."""
    if not HubConfig.objects.exists():
        return 0, 0
    expired = 0
    while batch := _expire_batch(by, now):
        expired += batch
    old = InstallationToken.objects.filter(
        state__in=[State.EXPIRED, State.REVOKED],
        ended_at__lte=now - timedelta(days=settings.TOKEN_RETENTION_DAYS),
    )
    with transaction.atomic():
        lock_hub()
        deleted, _ = old.delete()
        if deleted:
            audit.record("tokens.purged", by=by, about="tokens", now=now, deleted=deleted)
    return expired, deleted


def _expire_batch(by: Caller, now: datetime) -> int:
    with transaction.atomic():
        lock_hub()
        return _expire(InstallationToken.objects.order_by("expires_at"), now, by=by)


_BY_TIME = Caller(actor="hub")


def _expire(candidates: TokenQuerySet, now: datetime, *, by: Caller = _BY_TIME, most: int = _PURGE_BATCH) -> int:
    """Ends those of the candidates whose time has passed, under the hub's lock, and releases their leases."""
    expired = 0
    for row in candidates.lapsed(now)[:most]:
        if InstallationToken.objects.filter(pk=row.pk).lapsed(now).update(state=State.EXPIRED, ended_at=now):
            release_lease(row, now=now)
            _record("token.expired", row, by, now, address=row.address)
            expired += 1
    return expired


def _record(event: str, row: InstallationToken, by: Caller, now: datetime, **details: Any) -> None:
    audit.record(event, by=by, about=f"{row.spoke_name} ({row.token_prefix}…)", now=now, token=str(row.pk), **details)
