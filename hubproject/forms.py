"""Forms of the page of users."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password

from hubproject.access import LONGEST_KEY_NAME, role_given_to
from hubproject.accounts import LastAdmin, is_last_admin
from hubproject.errors import HubError
from hubproject.models import Role

# What each role adds to the one before.
ROLE_WORDS = {
    Role.VIEWER: "Reads everything",
    Role.OPERATOR: "Also issues, revokes and removes",
    Role.ADMIN: "Also configures hub, users and keys",
}


class TwicePassword(forms.Form):
    """A new password, typed twice."""

    password = forms.CharField(strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}))
    password_again = forms.CharField(strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, second = cleaned.get("password"), cleaned.get("password_again")
        if first and second and first != second:
            self.add_error("password_again", "The two passwords differ.")
        return cleaned


class NewApiKey(forms.Form):
    """What an API key is made of."""

    name = forms.CharField(max_length=LONGEST_KEY_NAME)
    role = forms.ChoiceField(
        choices=[(role.value, f"{role.label}|{words}") for role, words in ROLE_WORDS.items()],
        widget=forms.RadioSelect,
        initial=Role.VIEWER,
    )
    days = forms.TypedChoiceField(
        choices=[(30, "In 30 days"), (90, "In 90 days"), (365, "In a year"), (0, "Never")], coerce=int, initial=365
    )

    def values(self) -> dict[str, Any]:
        """As `create_api_key` takes them."""
        given = self.cleaned_data
        return {"name": given["name"], "role": Role(given["role"]), "expires_in_days": given["days"] or None}

    def refuse(self, refusal: HubError) -> None:
        """Puts what the verb refused beside the name, which is all it judges."""
        self.add_error("name", refusal.line())


class NewUser(TwicePassword, forms.ModelForm):  # type: ignore[type-arg]
    """Adding a user: `limit` is the highest role that whoever adds may give."""

    limit = Role.ADMIN
    role = forms.ChoiceField(widget=forms.RadioSelect)

    class Meta:
        model = User
        fields = ["username"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = _roles_up_to(self.limit)  # type: ignore[attr-defined]

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError("A user of that name exists already.")
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        _check_password(self, User(username=cleaned.get("username", "")), cleaned.get("password"))
        return cleaned


class ChangedUser(forms.ModelForm):  # type: ignore[type-arg]
    """What an admin may change of a user."""

    limit = Role.ADMIN
    role = forms.ChoiceField(widget=forms.RadioSelect)
    new_password = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = User
        fields = ["is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = _roles_up_to(self.limit)  # type: ignore[attr-defined]
        self.initial["role"] = role_given_to(self.instance)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        stays_admin = cleaned.get("role") == Role.ADMIN and cleaned.get("is_active")
        if not stays_admin and is_last_admin(self.instance):
            raise forms.ValidationError(LastAdmin().line())
        _check_password(self, self.instance, cleaned.get("new_password"), field="new_password")
        return cleaned


def _roles_up_to(limit: Role) -> list[tuple[str, str]]:
    return [(role.value, f"{role.label}|{ROLE_WORDS[role]}") for role in Role if limit.includes(role)]


def _check_password(form: forms.BaseForm, user: User, password: str | None, *, field: str = "password") -> None:
    if not password:
        return
    try:
        validate_password(password, user)
    except forms.ValidationError as problem:
        form.add_error(field, problem)
