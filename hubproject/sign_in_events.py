"""Sign-ins and second factors in the audit log. Signals are the door that allauth offers; nothing else uses any."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.signals import password_changed, user_logged_in
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed, authenticator_added, authenticator_removed, authenticator_reset
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from hubproject import audit


@receiver(user_logged_in)
def signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    by = [record.get("type") or record["method"] for record in get_authentication_records(request, user)]
    _record("sign_in.succeeded", request, user, methods=by)


@receiver(user_login_failed)
def sign_in_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Names nobody bears are not kept: what is typed there is a password now and then."""
    if request is None:
        return
    name = str(credentials.get("username", ""))
    known = User.objects.filter(username__iexact=name).values_list("username", flat=True).first()
    _record_event("sign_in.failed", request, "anonymous", about=known or "(unknown name)")


def record_refused_sign_in(request: HttpRequest, user: User) -> None:
    """A deactivated user proved who he is, and was not let in."""
    _record("sign_in.refused", request, user)


@receiver(user_logged_out)
def signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        _record("signed_out", request, user)


@receiver(password_changed)
def own_password_changed(request: HttpRequest, user: User, **_: Any) -> None:
    _record("password.changed", request, user)


@receiver(authenticator_added)
def second_factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    _record("second_factor.added", request, user, kind=authenticator.type)


@receiver(authenticator_removed)
def second_factor_removed(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    _record("second_factor.removed", request, user, kind=authenticator.type)


@receiver(authenticator_reset)
def recovery_codes_renewed(request: HttpRequest, user: User, **_: Any) -> None:
    _record("recovery_codes.renewed", request, user)


@receiver(authentication_failed)
def second_factor_failed(request: HttpRequest, user: User, **_: Any) -> None:
    _record("second_factor.failed", request, user)


def _record(event: str, request: HttpRequest, user: User, **details: Any) -> None:
    _record_event(event, request, user.username, about=user.username, **details)


def _record_event(event: str, request: HttpRequest, actor: str, *, about: str, **details: Any) -> None:
    # Not at the top: the agent loads this module too, and what REST is made of would be a quarter of its memory.
    from hubproject.api import caller, now

    audit.record(event, by=caller(request, actor), about=about, now=now(), **details)
