"""The verbs of installation tokens. Every move is one UPDATE that names the state it expects; its row count decides."""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from hubproject import audit
from hubproject.audit import Caller, Happening
from hubproject.errors import HubError, InvalidFields, NotFound
from hubproject.statements import find, update
from tokens import scripts
from tokens.errors import (
    AddressAlreadyAllocated,
    InvalidPlatform,
    InvalidTokenFormat,
    ScriptChanged,
    TokenAlreadyUsed,
    TokenCannotBeReissued,
    TokenCannotBeRevoked,
    TokenExpired,
    TokenNotFound,
    TokenRefused,
    TokenRevoked,
)
from tokens.leases import expire_lapsed, happening, lease_host, lease_name, record_event, release_lease
from tokens.models import InstallationToken, State
from tokens.pool import Pool
from wireguard.models import HubConfig
from wireguard.services import lock_hub

PURGED_AT_ONCE = 500

_TOKEN_FORMAT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_NAME_FORMAT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


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
    expected_cluster: UUID | None = None,
    expected_node: str = "",
    token_id: UUID | None = None,
) -> IssuedToken:
    """Leases an address and a name and makes the one-time token that goes with them.

    The machine that registers as `expected_node` of `expected_cluster` counts as confirmed by this operator. A form
    that chose the `token_id` beforehand issues once, however often it is sent. Raises InvalidFields, SpokeNameInUse,
    AddressAlreadyAllocated, PoolExhausted or HubNotInitialized.
    """
    lifetime = _lifetime(expires_in_hours)
    node = {"node": expected_node, "cluster": str(expected_cluster)} if expected_cluster else {}
    with transaction.atomic():
        row, secret = _issue(
            lock_hub(),
            now,
            by=by,
            facts=node,
            custom_ip=custom_ip,
            lifetime=lifetime,
            id=token_id or uuid4(),
            spoke_name=spoke_name,
            platform=platform,
            expected_cluster=expected_cluster,
            expected_node=expected_node,
        )
    return _with_commands(row, secret)


def issue_tokens(
    *, token_ids: Mapping[str, UUID], by: Caller, now: datetime, expires_in_hours: int | None = None, platform: str = ""
) -> list[IssuedToken]:
    """Tokens with these ids for several spokes, by name: all of them or none.

    Raises InvalidFields with what is wrong with which name, or HubNotInitialized.
    """
    lifetime = _lifetime(expires_in_hours)
    issued: list[tuple[InstallationToken, str]] = []
    problems: dict[str, list[str]] = {}
    with transaction.atomic():
        hub = lock_hub()
        for name, token_id in token_ids.items():
            try:
                issued.append(
                    _issue(hub, now, by=by, lifetime=lifetime, id=token_id, spoke_name=name, platform=platform)
                )
            except HubError as refusal:
                problems[name] = _sentences_of(refusal)
        if problems:
            raise InvalidFields(problems)
    return [_with_commands(row, secret) for row, secret in issued]


def _sentences_of(refusal: HubError) -> list[str]:
    if isinstance(refusal, InvalidFields):
        return [sentence for sentences in refusal.details["fields"].values() for sentence in sentences]
    return [refusal.line()]


def _issue(
    hub: HubConfig,
    now: datetime,
    *,
    by: Caller,
    spoke_name: str,
    lifetime: timedelta,
    custom_ip: str | None = None,
    facts: dict[str, str] | None = None,
    **columns: Any,
) -> tuple[InstallationToken, str]:
    _check_name(spoke_name)
    lease_name(spoke_name, now)
    host = lease_host(hub, custom_ip, now)
    row, secret = _create_row(
        hub, host, now, by=by, spoke_id=uuid4(), spoke_name=spoke_name, lifetime=lifetime, **columns
    )
    record_event("token.issued", row, by, now, address=row.address, **(facts or {}))
    return row, secret


def _create_row(
    hub: HubConfig, host: int, now: datetime, *, by: Caller, spoke_name: str, lifetime: timedelta, **columns: Any
) -> tuple[InstallationToken, str]:
    secret = secrets.token_urlsafe(32)
    row = InstallationToken.objects.create(
        hub=hub,
        token_hash=hash_of(secret),
        token_prefix=secret[:6],
        spoke_name=spoke_name,
        host=host,
        address=str(Pool(hub.network).address_of(host)),
        address6=str(hub.network6[host]) if hub.network6 else None,
        lease_host=host,
        lease_name=spoke_name.lower(),
        created_at=now,
        issued_by=by.actor[:200],
        expires_at=now + lifetime,
        hub_endpoint=hub.endpoint,
        hub_public_key=hub.public_key,
        network_cidr=hub.network_cidr,
        network_cidr6=hub.network_cidr6,
        dns=hub.dns,
        persistent_keepalive=hub.persistent_keepalive,
        **columns,
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
            spoke_ip6=row.allowed_ips[1] if row.address6 else "",
            network_cidr6=row.network_cidr6 or "",
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
        # By this token or by one that replaced it: a spoke's id is taken for good, also when the spoke was removed.
        if InstallationToken.objects.filter(spoke_id=old.spoke_id, state=State.REDEEMED).exists():
            raise TokenCannotBeReissued
        if InstallationToken.objects.filter(pk=old.pk, state__in=[State.ISSUED, State.CLAIMED]).update(
            state=State.REVOKED, ended_at=now
        ):
            release_lease(old, now=now)
        lease_name(old.spoke_name, now)
        if ip_address(old.address) not in hub.network:
            raise AddressAlreadyAllocated(f"{old.address} is not of the network {hub.network}, where the hub is now.")
        host = lease_host(hub, old.address, now)
        row, secret = _create_row(
            hub,
            host,
            now,
            by=by,
            lifetime=_lifetime(None),
            spoke_id=old.spoke_id,
            spoke_name=old.spoke_name,
            platform=old.platform,
            expected_cluster=old.expected_cluster,
            expected_node=old.expected_node,
        )
        record_event("token.reissued", row, by, now, address=row.address, replaces=str(old.pk))
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
    record_event("token.claimed", row, by, now, platform=platform)
    return script


def redeem_token(*, row: InstallationToken, by: Caller, now: datetime) -> Happening:
    """Spends the token for good, in the caller's transaction. Raises a TokenRefused when somebody else was first.

    `row` was read under the hub's lock. Returns what the caller records, together with what became of the token.
    """
    if row.state_at(now) not in {State.ISSUED, State.CLAIMED} or not _mark_redeemed(row, now):
        raise refusal_of(row.pk, now)
    return happening("token.redeemed", row, by, now)


def _mark_redeemed(row: InstallationToken, now: datetime) -> bool:
    """False when the token is no longer in the state that `row` was read in."""
    known = {"token_hash": row.token_hash, "state": row.state}
    return update(InstallationToken, {"state": State.REDEEMED, "redeemed_at": now}, where=known) == 1


def hash_of(secret: str) -> str:
    """How a token is kept: 32 random bytes need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def check_format(secret: str) -> None:
    """Raises InvalidTokenFormat unless this has the shape of a token."""
    if not _TOKEN_FORMAT.fullmatch(secret):
        raise InvalidTokenFormat


def find_token(secret: str) -> InstallationToken:
    """The row of a token; raises TokenNotFound."""
    row = find(InstallationToken, "token_hash", hash_of(secret))
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
        record_event("token.refused", row, by, now, reason=refusal.code, **details)


# --- Revoke and purge ---------------------------------------------------------------------------------------


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
            record_event("token.revoked", row, by, now)
        elif row.state == State.REDEEMED:
            raise TokenCannotBeRevoked
    row.refresh_from_db()
    return row


def purge_tokens(*, by: Caller, now: datetime) -> tuple[int, int]:
    """Records lapsed tokens as expired and deletes unredeemed ones after TOKEN_RETENTION_DAYS; returns both counts."""
    if not HubConfig.objects.exists():
        return 0, 0
    return _all_batches(_expire_batch, by, now), _all_batches(_delete_batch, by, now)


def _all_batches(act: Callable[[Caller, datetime], int], by: Caller, now: datetime) -> int:
    """A batch a transaction, so that nobody else waits long for the hub's lock; how many tokens there were in all."""
    total = 0
    while batch := act(by, now):
        total += batch
    return total


def _expire_batch(by: Caller, now: datetime) -> int:
    with transaction.atomic():
        lock_hub()
        return expire_lapsed(InstallationToken.objects.order_by("expires_at"), now, by=by)


def _delete_batch(by: Caller, now: datetime) -> int:
    ended = InstallationToken.objects.filter(
        state__in=[State.EXPIRED, State.REVOKED],
        ended_at__lte=now - timedelta(days=settings.TOKEN_RETENTION_DAYS),
    )
    with transaction.atomic():
        lock_hub()
        ids = list(ended.order_by("ended_at").values_list("pk", flat=True)[:PURGED_AT_ONCE])
        deleted, _ = InstallationToken.objects.filter(pk__in=ids).delete()
        if deleted:
            audit.record("tokens.purged", by=by, about="tokens", now=now, deleted=deleted)
    return deleted
