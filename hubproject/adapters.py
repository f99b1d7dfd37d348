"""What the hub decides where django-allauth asks."""

import io
import time
from typing import Any
from urllib.parse import urlsplit

import segno
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from hubproject.api import client_address
from hubproject.at_rest import decrypt, encrypt
from hubproject.sign_in_events import record_refused_sign_in

# How re-authentication is offered, by allauth's names.
WAYS_TO_CONFIRM = {
    "reauthenticate": "Use your password",
    "mfa_reauthenticate": "Use a code",
    "mfa_reauthenticate:webauthn": "Use a passkey",
}


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth has no types
    """Names and passwords; no e-mail, no sign-up."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "That name and password do not match.",
        "too_many_login_attempts": "Too many attempts. Wait five minutes, then try again.",
        "enter_current_password": "That is not your present password.",
        "incorrect_password": "That is not your password.",
        "incorrect_code": "That code is not right.",
        "rate_limited": "Too many attempts. Wait five minutes, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_ajax(self, request: HttpRequest) -> bool:
        """Only a passkey's challenge is asked for by script; everything else is a page."""
        return request.method == "GET" and request.path == reverse("mfa_login_webauthn")

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request) or "unknown"

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("mfa_index")

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        return not _signed_in_recently(context.request) and super().is_reauthentication_required(app=app, **kwargs)

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        return [
            {**way, "description": WAYS_TO_CONFIRM[way["id"]]} for way in super().get_reauthentication_methods(user)
        ]

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponseBase:
        record_refused_sign_in(request, user)
        answer: HttpResponseBase = super().respond_user_inactive(request, user)
        return answer


def _signed_in_recently(request: HttpRequest) -> bool:
    """A sign-in is as good as a confirmation for as long as one."""
    records = get_authentication_records(request, request.user)
    return bool(records) and time.time() - records[0]["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Authenticator apps and passkeys, under the hub's own name."""

    def encrypt(self, text: str) -> str:
        return encrypt(text, purpose="second factor")

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text, purpose="second factor")

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "That code is not right. An app shows a new one every 30 seconds, and each works once.",
    }

    def get_totp_issuer(self) -> str:
        return f"WireGuard hub {urlsplit(settings.HUB_PUBLIC_URL).hostname}"

    def build_totp_svg(self, url: str) -> str:
        picture = io.BytesIO()
        segno.make(url, micro=False).save(picture, kind="svg", xmldecl=False, scale=5, dark="#000", light="#fff")
        return picture.getvalue().decode()

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002 - allauth's name
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return "Passkey" if number == 1 else f"Passkey {number}"
