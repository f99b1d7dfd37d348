"""Forms of the first run and of the page of users."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password

from hubproject.access import role_given_to
from hubproject.accounts import LastAdmin, is_last_admin
from hubproject.models import Role


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


class FirstAdmin(TwicePassword):
    """The page of the first run."""

    code = forms.CharField(max_length=100)
    username = forms.CharField(max_length=150)


class NewUser(TwicePassword, forms.ModelForm):  # type: ignore[type-arg]
    """Adding a user: `limit` is the highest role that whoever adds may give."""

    limit = Role.ADMIN
    role = forms.ChoiceField()

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
    role = forms.ChoiceField(help_text="Another role ends the user's sessions.")
    new_password = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Leave this empty to keep the password. A new one ends the user's sessions.",
    )

    class Meta:
        model = User
        fields = ["is_active"]
        labels = {"is_active": "Active"}
        help_texts = {"is_active": "Unselect this to shut the user out at once."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = _roles_up_to(self.limit)  # type: ignore[attr-defined]
        self.initial["role"] = role_given_to(self.instance)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        stays_admin = cleaned.get("role") == Role.ADMIN and cleaned.get("is_active")
        if not stays_admin and is_last_admin(self.instance):
            raise forms.ValidationError(f"{LastAdmin.sentence} {LastAdmin.recovery_hint}")
        _check_password(self, self.instance, cleaned.get("new_password"), field="new_password")
        return cleaned


def _roles_up_to(limit: Role) -> list[tuple[str, str]]:
    return [(role.value, role.label) for role in Role if limit.includes(role)]


def _check_password(form: forms.BaseForm, user: User, password: str | None, *, field: str = "password") -> None:
    if not password:
        return
    try:
        validate_password(password, user)
    except forms.ValidationError as problem:
        form.add_error(field, problem)
