"""The form of the hub's settings. Whether a value is good is for `update_hub` to say; here it is text and numbers."""

from typing import Any

from django import forms

from hubproject.errors import HubError, InvalidFields
from wireguard.errors import NetworkInUse
from wireguard.firewall import CLUSTER, ISOLATED, OPEN
from wireguard.models import HubConfig
from wireguard.services import COLUMNS

# The names of the fields on the wire, by which the verb takes them and names what is wrong.
WIRE_NAMES = {column: name for name, column in COLUMNS.items()}
NETWORKS = ("network_cidr", "network_cidr6")
SPOKE_TO_SPOKE = [
    (ISOLATED, "Isolated|Machines reach the hub only"),
    (CLUSTER, "Cluster|Confirmed nodes of one Proxmox cluster reach each other"),
    (OPEN, "Open|Every machine reaches every other"),
]


class Listed(forms.Field):
    """Values with commas or spaces between them."""

    widget = forms.TextInput

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        return value if isinstance(value, list) else str(value or "").replace(",", " ").split()

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class HubSettings(forms.Form):
    """What an admin may change of the hub; the networks only while nobody has an address in them."""

    endpoint = forms.CharField(max_length=261)
    listen_port = forms.IntegerField()
    spoke_to_spoke = forms.ChoiceField(choices=SPOKE_TO_SPOKE, widget=forms.RadioSelect)
    dns = Listed(required=False)
    dns_domains = Listed(required=False)
    network_cidr = forms.CharField(max_length=43)
    network_cidr6 = forms.CharField(max_length=43, required=False)
    mtu = forms.IntegerField()
    persistent_keepalive = forms.IntegerField()

    def __init__(self, data: Any = None, *, hub: HubConfig, networks_are_fixed: bool) -> None:
        super().__init__(data, initial={name: getattr(hub, name) for name in WIRE_NAMES})
        for name in NETWORKS:
            self.fields[name].disabled = networks_are_fixed

    def changes(self) -> dict[str, Any]:
        """What was changed, as `update_hub` takes it."""
        return {WIRE_NAMES[name]: self.cleaned_data[name] for name in self.changed_data}

    def refuse(self, refusal: HubError) -> None:
        """Puts what the verb refused beside the fields it is about."""
        found = refusal.details["fields"] if isinstance(refusal, InvalidFields) else {}
        if isinstance(refusal, NetworkInUse):
            found = {"networkCIDR": [refusal.line()]}
        if not found:
            self.add_error(None, refusal.line())
        for name, wire_name in WIRE_NAMES.items():
            for sentence in found.get(wire_name, []):
                self.add_error(name, sentence)
