"""Who may do what: roles, API keys, the setup code, and the rule that nothing is allowed until it is declared."""

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from hubproject import audit
from hubproject.audit import Caller
from hubproject.errors import HubError, InvalidFields, MethodNotAllowed, NotAuthenticated, PermissionRefused
from hubproject.models import ApiKey, Role, Setup

KEY_START = "wgh_"
LONGEST_KEY_NAME = 63
LAST_USE_RESOLUTION = timedelta(minutes=1)
# What a view declares for a call that needs nobody.
ANYONE = "anyone"


class ApiKeyNameInUse(HubError):
    status = 409
    code = "API_KEY_NAME_IN_USE"
    sentence = "A live API key already has that name."
    recovery_hint = "Choose another name, or revoke that key first."


@dataclass(frozen=True, slots=True)
class ApiKeyUser:
    """What `request.user` is when an API key was sent."""

    name: str
    role: Role
    is_authenticated: bool = True
    is_active: bool = True

    def get_username(self) -> str:
        return f"api-key:{self.name}"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


# --- Roles --------------------------------------------------------------------------------------------------------


def role_of(user: AbstractBaseUser | AnonymousUser | ApiKeyUser) -> Role | None:
    """The highest role of a signed-in user or API key; None for nobody and for users without a role."""
    if isinstance(user, ApiKeyUser):
        return user.role
    return role_given_to(user) if isinstance(user, User) and user.is_active else None


def role_given_to(user: User) -> Role | None:
    """The role a user has while he is active."""
    if user.is_superuser:
        return Role.ADMIN
    names = {group.name for group in user.groups.all()}
    return max((role for role in Role if role.value in names), key=lambda role: role.rank, default=None)


class RoleRequired(BasePermission):
    """Lets a call pass when its view declares a role for the action and the caller has it. Undeclared is denied."""

    def has_permission(self, request: Request, view: Any) -> bool:
        action = getattr(view, "action", None)
        if action in {None, "metadata"}:  # DRF's name for OPTIONS, which says nothing here
            raise MethodNotAllowed
        needed = getattr(view, "roles", {}).get(action)
        if needed == ANYONE:
            return True
        role = role_of(request.user)
        return needed is not None and role is not None and role.includes(needed)


# --- Sessions -----------------------------------------------------------------------------------------------------


def has_second_factor(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether signing in takes this user more than a password."""
    return bool(is_mfa_enabled(user, [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]))


class DashboardSession(SessionAuthentication):
    """The session of the dashboard. Where a second factor is required, one signed in without is refused."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        found = super().authenticate(request)
        if found and settings.HUB_REQUIRE_MFA and not has_second_factor(found[0]):
            raise PermissionRefused(
                "This hub requires a second factor, and you have none yet.",
                recovery_hint="Open /account and add an authenticator app or a passkey.",
            )
        return found


# --- API keys -----------------------------------------------------------------------------------------------------


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer wgh_…`. A wrong key is refused at once rather than treated as nobody."""

    def authenticate(self, request: Request) -> tuple[ApiKeyUser, ApiKey] | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = live_api_key(secret.strip(), now=timezone.now())
        if key is None:
            raise NotAuthenticated("The API key is unknown, expired or revoked.")
        return ApiKeyUser(name=key.name, role=Role(key.role)), key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def live_api_key(secret: str, *, now: datetime) -> ApiKey | None:
    """The key that this secret opens, if it is neither revoked nor expired; notes its use at most once a minute."""
    key = ApiKey.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now), key_hash=_hash(secret), revoked_at=None
    ).first()
    # A moment in the future was noted before the clock was set back.
    if key and (key.last_used_at is None or abs(now - key.last_used_at) >= LAST_USE_RESOLUTION):
        # A full disk, or a writer that keeps the others waiting, is no reason to refuse a call that only reads.
        with suppress(OperationalError):
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


@transaction.atomic
def create_api_key(*, name: str, role: Role, by: Caller, now: datetime, expires_in_days: int | None = None) -> str:
    """Makes a key and returns its secret, which is kept nowhere. Raises InvalidFields or ApiKeyNameInUse."""
    if not (1 <= len(name) <= LONGEST_KEY_NAME and name.isprintable() and name.strip()):
        raise InvalidFields({"name": [f"Must be 1 to {LONGEST_KEY_NAME} printable characters."]})
    if ApiKey.objects.filter(name=name, revoked_at=None).exists():
        raise ApiKeyNameInUse
    secret = KEY_START + secrets.token_urlsafe(32)
    try:
        key = ApiKey.objects.create(
            name=name,
            prefix=secret[: len(KEY_START) + 6],
            key_hash=_hash(secret),
            role=role,
            created_by=by.actor,
            created_at=now,
            expires_at=now + timedelta(days=expires_in_days) if expires_in_days else None,
        )
    except IntegrityError:  # somebody else's, since we looked
        raise ApiKeyNameInUse from None
    audit.record("api_key.created", by=by, about=name, now=now, role=role.value, prefix=key.prefix)
    return secret


@transaction.atomic
def revoke_api_key(*, key_id: int, by: Caller, now: datetime) -> bool:
    """Makes a key worthless at once; tells whether it was good until then."""
    key = ApiKey.objects.get(pk=key_id)
    is_revoked = ApiKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=now) == 1
    if is_revoked:
        audit.record("api_key.revoked", by=by, about=key.name, now=now, role=key.role, prefix=key.prefix)
    return is_revoked


# --- The first run ------------------------------------------------------------------------------------------------


@transaction.atomic
def make_setup_code(*, by: Caller, now: datetime) -> str:
    """A new setup code in place of any earlier one; only its hash is kept."""
    code = "-".join(secrets.token_hex(2) for _ in range(8))
    Setup.objects.update_or_create(id=1, defaults={"code_hash": _hash(code), "code_made_at": now})
    audit.record("setup_code.made", by=by, about="setup", now=now)
    return code


def setup_code_matches(code: str) -> bool:
    """Whether this is the current setup code. Which doors it still opens is for the door to say."""
    setup = Setup.objects.filter(id=1).first()
    return setup is not None and secrets.compare_digest(setup.code_hash, setup_code_hash(code))


def setup_code_hash(code: str) -> str:
    """What is kept of a setup code; the case and the spaces around it do not matter."""
    return _hash(code.strip().lower())


def caller_of(user: Any) -> str:
    """The actor's name as it stands in the audit log."""
    return user.get_username() if user.is_authenticated else "anonymous"
