"""Forms of the pages that add spokes. The verbs check what values mean; what they refuse stands beside the fields."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

from django import forms
from django.conf import settings

from hubproject.errors import HubError, InvalidFields
from tokens import scripts
from tokens.errors import AddressAlreadyAllocated, PoolExhausted, SpokeNameInUse

PLATFORM_NAMES = {"linux": "Linux", "macos": "macOS", "windows": "Windows", "proxmox": "Proxmox VE"}
MOST_AT_ONCE = 50
_LIFETIMES = (1, 4, 12, 24, 72, 168)

# Where a refusal of the verb belongs.
_FIELD_OF: dict[type[HubError], str] = {
    SpokeNameInUse: "name",
    AddressAlreadyAllocated: "address",
    PoolExhausted: "address",
}
_FIELDS_BY_WIRE_NAME = {"spokeName": "name", "customIP": "address", "expiresInHours": "hours"}


def platform_choices() -> list[tuple[str, str]]:
    """The platforms there is a script for, as a person calls them."""
    return [(platform, PLATFORM_NAMES[platform]) for platform in scripts.PLATFORMS]


def lifetime_choices(now: datetime) -> list[tuple[int, str]]:
    """How long a command may be good for: round numbers of hours up to the longest that is allowed."""
    most = settings.TOKEN_EXPIRATION_HOURS
    hours = [*(lifetime for lifetime in _LIFETIMES if lifetime < most), most]
    return [(number, f"{_span(number)}, until {now + timedelta(hours=number):%-d %b %H:%M} UTC") for number in hours]


def _span(hours: int) -> str:
    if hours % 24 == 0 and hours > 24:
        return f"{hours // 24} days"
    return "1 hour" if hours == 1 else f"{hours} hours"


class _Issue(forms.Form):
    """What one command and many have in common. `form_id` is chosen when the page is made: sent twice, issued once."""

    form_id = forms.UUIDField(widget=forms.HiddenInput)
    platform = forms.ChoiceField(widget=forms.RadioSelect)
    hours = forms.TypedChoiceField(coerce=int)

    def __init__(self, data: Any, *, now: datetime, initial: Mapping[str, Any]) -> None:
        usual = {"form_id": uuid4(), "platform": scripts.PLATFORMS[0], "hours": settings.TOKEN_EXPIRATION_HOURS}
        super().__init__(data, initial=usual | dict(initial))
        self.fields["platform"].choices = platform_choices()  # type: ignore[attr-defined]
        self.fields["hours"].choices = lifetime_choices(now)  # type: ignore[attr-defined]

    def id_for(self, name: str) -> UUID:
        """The id of this name's token, the same whenever the same page is sent."""
        return uuid5(self.cleaned_data["form_id"], name.lower())


class AddSpoke(_Issue):
    """One machine."""

    name = forms.CharField(error_messages={"required": "Give the machine a name."})
    address = forms.CharField(required=False)
    # Filled in by "enrol this node" of a cluster.
    cluster = forms.UUIDField(required=False, widget=forms.HiddenInput)
    node = forms.CharField(required=False, max_length=63, widget=forms.HiddenInput)

    def token_id(self) -> UUID:
        return self.id_for(self.cleaned_data["name"])

    def refuse(self, refusal: HubError, *, next_free: str | None) -> None:
        """Puts the verb's refusal beside the field it is about."""
        if isinstance(refusal, InvalidFields):
            for name, sentences in refusal.details["fields"].items():
                self._refuse(_FIELDS_BY_WIRE_NAME[name], " ".join(sentences), next_free)
        elif isinstance(refusal, AddressAlreadyAllocated):
            self._refuse("address", refusal.sentence, next_free)
        else:
            self.add_error(_FIELD_OF.get(type(refusal)), refusal.line())

    def _refuse(self, field: str, sentence: str, next_free: str | None) -> None:
        advice = f" Leave this empty to take {next_free}." if field == "address" and next_free else ""
        self.add_error(field, sentence + advice)


class AddSpokes(_Issue):
    """Several machines at once, by a list of names."""

    names = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 8, "class": "mono", "spellcheck": "false", "autofocus": True}),
        error_messages={"required": "Give at least one name."},
    )

    def clean_names(self) -> list[str]:
        names = re.findall(r"[^\s,;]+", self.cleaned_data["names"])
        if not names:
            raise forms.ValidationError(self.fields["names"].error_messages["required"])
        if len(names) > MOST_AT_ONCE:
            raise forms.ValidationError(f"These are {len(names)} names; {MOST_AT_ONCE} can be added at once.")
        lower = [name.lower() for name in names]
        if twice := sorted({name for name in names if lower.count(name.lower()) > 1}):
            raise forms.ValidationError(f"Named more than once: {', '.join(twice)}.")
        return names

    def token_ids(self) -> dict[str, UUID]:
        return {name: self.id_for(name) for name in self.cleaned_data["names"]}

    def refuse(self, refusal: HubError) -> None:
        """Puts what is wrong with which name below the list of names."""
        if isinstance(refusal, InvalidFields) and "expiresInHours" not in refusal.details["fields"]:
            for name, sentences in refusal.details["fields"].items():
                self.add_error("names", f"{name}: {' '.join(sentences)}")
        else:
            self.add_error(None, refusal.line())
