"""Forms of the first run. What the values mean is checked by the verbs; what they refuse stands beside the fields."""

import contextlib
from ipaddress import IPv6Address
from typing import Any

from django import forms

from hubproject.errors import HubError, InvalidFields
from hubproject.forms import TwicePassword
from wireguard.forms import SPOKE_TO_SPOKE, WIRE_NAMES, Listed

USUAL_DNS = ["1.1.1.1", "8.8.8.8"]


class SetupCode(forms.Form):
    code = forms.CharField(max_length=100, error_messages={"required": "Type the setup code."})


class FirstAdmin(TwicePassword):
    """The code comes along, hidden: it is kept nowhere between the two steps."""

    code = forms.CharField(max_length=100, widget=forms.HiddenInput)
    username = forms.CharField(max_length=150)


class NewHub(forms.Form):
    """The network step. An endpoint without a port gets the port beside it."""

    network_cidr = forms.CharField(max_length=43)
    listen_port = forms.IntegerField(min_value=1, max_value=65535)
    endpoint = forms.CharField(
        max_length=261, error_messages={"required": "Give the name or address that machines connect to."}
    )
    network_cidr6 = forms.CharField(max_length=43, required=False)
    dns = Listed(required=False)
    spoke_to_spoke = forms.ChoiceField(choices=SPOKE_TO_SPOKE, widget=forms.RadioSelect)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if endpoint := cleaned.get("endpoint"):
            cleaned["endpoint"] = with_port(endpoint, cleaned.get("listen_port"))
        return cleaned

    def wire_values(self) -> dict[str, Any]:
        """What `checked_values` takes; an IPv6 network only if there is one."""
        return {WIRE_NAMES[name]: value for name, value in self.cleaned_data.items() if value or name == "dns"}

    def refuse(self, refusal: HubError) -> None:
        """Puts the verb's refusal beside the fields it is about."""
        found = refusal.details["fields"] if isinstance(refusal, InvalidFields) else {}
        names = {wire_name: name for name, wire_name in WIRE_NAMES.items()}
        for wire_name, sentences in found.items():
            self.add_error(names.get(wire_name), " ".join(sentences))
        if not found:
            self.add_error(None, refusal.line())


def with_port(endpoint: str, port: int | None) -> str:
    """`host:port` of what a person wrote: the port may be left out, and an IPv6 address may stand without brackets."""
    endpoint = endpoint.strip()
    with contextlib.suppress(ValueError):
        endpoint = f"[{IPv6Address(endpoint)}]"
    has_port = ":" in endpoint.rpartition("]")[2]
    return endpoint if has_port or port is None else f"{endpoint}:{port}"
