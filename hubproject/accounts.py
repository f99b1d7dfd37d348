"""People: how they get an account, what changes it, and what ends their sessions."""

from datetime import datetime
from typing import Any

from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q, QuerySet

from hubproject import audit
from hubproject.access import role_given_to, setup_code_hash, setup_code_matches
from hubproject.audit import Caller
from hubproject.errors import HubError, NotAuthenticated, NotFound, PermissionRefused
from hubproject.models import Role, Setup


class UserNameInUse(HubError):
    status = 409
    code = "USER_NAME_IN_USE"
    sentence = "A user of that name exists already."
    recovery_hint = "Choose another name."


class UnknownUser(NotFound):
    sentence = "There is no user of that name."
    recovery_hint = "Leave --reset out to make a new admin."


class LastAdmin(HubError):
    status = 409
    code = "LAST_ADMIN"
    sentence = "That is the last active admin of this hub."
    recovery_hint = "Make somebody else an admin first."


class SetupIsOver(NotFound):
    sentence = "This hub has been set up already."
    recovery_hint = f"Sign in; `{settings.PROGRAM} create_admin` on the hub makes another admin."


class WrongSetupCode(NotAuthenticated):
    sentence = "That setup code is wrong."
    recovery_hint = f"Run {settings.PROGRAM} setup_code on the hub for a new one."


# --- Making them --------------------------------------------------------------------------------------------------


def create_user(
    *, username: str, password: str, role: Role, by: Caller, now: datetime, up_to: Role = Role.ADMIN
) -> User:
    """A user with a validated password; Django's ValidationError for a weak one.

    `up_to` is the role of whoever grants: nobody grants more than he has.
    """
    _refuse_above(role, up_to)
    with transaction.atomic():
        _one_at_a_time()
        if User.objects.filter(username__iexact=username).exists():
            raise UserNameInUse
        user = User(username=username)
        user.full_clean(exclude=["password"])
        validate_password(password, user)
        user.set_password(password)
        user.save()
        _put_in_role(user, role, now)
        audit.record("user.created", by=by, about=username, now=now, role=role.value)
    return user


def create_admin(*, username: str, password: str, by: Caller, now: datetime) -> User:
    """An admin. Shuts the first run's door, if it was open still."""
    return create_user(username=username, password=password, role=Role.ADMIN, by=by, now=now)


def reset_admin(*, username: str, password: str, by: Caller, now: datetime) -> User:
    """The recovery on the host: whatever locked this user out, he is an active admin with that password alone."""
    with transaction.atomic():
        _one_at_a_time()  # before the audit log's head, as everybody does: two orders would deadlock
        user = User.objects.filter(username__iexact=username).first()
        if user is None:
            raise UnknownUser
        set_password(user=user, password=password, by=by, now=now)
        remove_second_factors(user=user, by=by, now=now)
        set_active(user=user, active=True, by=by, now=now)
        set_role(user=user, role=Role.ADMIN, by=by, now=now)
    return user


def first_admin_is_wanted() -> bool:
    """Whether the first run's door is open: nobody was ever made an admin here."""
    return not Setup.objects.filter(first_admin_made_at__isnull=False).exists() and not _admins().exists()


def create_first_admin(*, code: str, username: str, password: str, by: Caller, now: datetime) -> User:
    """The first admin, for whoever has the setup code. Of several at once, one conditional UPDATE lets one through."""
    if not first_admin_is_wanted():
        raise SetupIsOver
    if not setup_code_matches(code):
        raise WrongSetupCode
    with transaction.atomic():
        _one_at_a_time()
        door = Setup.objects.filter(id=1, first_admin_made_at=None, code_hash=setup_code_hash(code))
        if door.update(first_admin_made_at=now) != 1:
            raise SetupIsOver
        return create_admin(username=username, password=password, by=by, now=now)


# --- Changing them ------------------------------------------------------------------------------------------------


def set_role(*, user: User, role: Role, by: Caller, now: datetime, up_to: Role = Role.ADMIN) -> None:
    """Gives the user another role and ends his sessions; nothing happens when he has it already."""
    _refuse_above(role, up_to)
    with transaction.atomic():
        _one_at_a_time()
        had = role_given_to(User.objects.get(pk=user.pk))
        if had == role:
            return
        if role != Role.ADMIN:
            _refuse_to_lose(user)
        _put_in_role(user, role, now)
        end_sessions(user, now=now)
        was = had.value if had else ""
        audit.record("user.role_changed", by=by, about=user.username, now=now, role=role.value, was=was)


def set_active(*, user: User, active: bool, by: Caller, now: datetime) -> None:
    """Lets a user in or shuts him out, at once."""
    with transaction.atomic():
        _one_at_a_time()
        if not active:
            _refuse_to_lose(user)
        if User.objects.filter(pk=user.pk, is_active=not active).update(is_active=active) != 1:
            return
        user.is_active = active
        end_sessions(user, now=now)
        audit.record("user.activated" if active else "user.deactivated", by=by, about=user.username, now=now)


def set_password(*, user: User, password: str, by: Caller, now: datetime) -> None:
    """A password somebody else chose for the user. Every session of his ends."""
    validate_password(password, user)
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        end_sessions(user, now=now)
        audit.record("password.reset", by=by, about=user.username, now=now)


def remove_second_factors(*, user: User, by: Caller, now: datetime) -> bool:
    """For a user who has lost them: his password alone lets him in again. Tells whether there was anything."""
    with transaction.atomic():
        removed, _ = Authenticator.objects.filter(user=user).delete()
        if removed:
            end_sessions(user, now=now)
            audit.record("second_factor.removed", by=by, about=user.username, now=now, kind="all")
    return bool(removed)


def delete_user(*, user: User, by: Caller, now: datetime) -> None:
    """Removes the account; what the user did stays in the audit log."""
    with transaction.atomic():
        _one_at_a_time()
        _refuse_to_lose(user)
        end_sessions(user, now=now)
        User.objects.filter(pk=user.pk).delete()
        audit.record("user.deleted", by=by, about=user.username, now=now)


def is_last_admin(user: User) -> bool:
    """Whether without this user nobody could administer the hub."""
    admins = set(_admins().values_list("pk", flat=True))
    return admins == {user.pk}


def end_sessions(user: User, *, now: datetime) -> None:
    """Signs the user out everywhere, sign-ins that wait for a second factor included."""
    theirs = [row.pk for row in Session.objects.filter(expire_date__gt=now) if _belongs_to(row.get_decoded(), user)]
    Session.objects.filter(pk__in=theirs).delete()


def _belongs_to(session: dict[str, Any], user: User) -> bool:
    half_way = session.get("account_login")
    is_half_way = isinstance(half_way, dict) and half_way.get("user_pk") == user_pk_to_url_str(user)
    return is_half_way or session.get(SESSION_KEY) == str(user.pk)


def _admins() -> QuerySet[User]:
    return User.objects.filter(
        Q(is_superuser=True) | Q(pk__in=User.objects.filter(groups__name=Role.ADMIN)), is_active=True
    )


def _refuse_to_lose(user: User) -> None:
    if is_last_admin(user):
        raise LastAdmin


def _refuse_above(role: Role, up_to: Role) -> None:
    if not up_to.includes(role):
        raise PermissionRefused("Nobody may grant a role above his own.")


def _one_at_a_time() -> None:
    """Held until the transaction ends, so that two admins cannot remove each other at the same moment."""
    Group.objects.select_for_update().get(name=Role.ADMIN)


def _put_in_role(user: User, role: Role, now: datetime) -> None:
    user.is_staff, user.is_superuser = True, role == Role.ADMIN
    user.save(update_fields=["is_staff", "is_superuser"])
    user.groups.set([Group.objects.get(name=role)])
    if role == Role.ADMIN:
        Setup.objects.get_or_create(id=1, defaults={"code_hash": "", "code_made_at": now})
        Setup.objects.filter(id=1, first_admin_made_at=None).update(first_admin_made_at=now)
