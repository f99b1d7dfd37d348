"""allauth's passkey forms with a stricter idea of what a browser sends: theirs fail on JSON of another shape."""

import struct
from typing import Any

from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from fido2.webauthn import AuthenticationResponse, RegistrationResponse

from hubproject.api import read_json_object
from hubproject.errors import HubError

UNREADABLE = (HubError, TypeError, ValueError, LookupError, AttributeError, struct.error)


class CredentialField(forms.JSONField):
    """What the browser's passkey ceremony returned: an object that can be read as `kind`."""

    widget = forms.HiddenInput

    def __init__(self, kind: type[AuthenticationResponse] | type[RegistrationResponse]) -> None:
        self.kind = kind
        super().__init__(error_messages={"required": "No passkey was used.", "invalid": "That is no passkey."})

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        try:
            credential = read_json_object(str(value).encode())
            self.kind.from_dict(credential)
        except UNREADABLE:
            raise forms.ValidationError(self.error_messages["invalid"]) from None
        return credential


class SignIn(LoginWebAuthnForm):  # type: ignore[misc] # allauth has no types
    credential = CredentialField(AuthenticationResponse)


class SecondFactor(AuthenticateWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField(AuthenticationResponse)


class Confirm(ReauthenticateWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField(AuthenticationResponse)


class Add(AddWebAuthnForm):  # type: ignore[misc]
    name = forms.CharField(max_length=60, required=False)
    credential = CredentialField(RegistrationResponse)
