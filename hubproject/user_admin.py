"""The page of users: for admins only."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from hubproject.access import role_given_to, role_of
from hubproject.accounts import (
    create_user,
    delete_user,
    is_last_admin,
    remove_second_factors,
    set_active,
    set_password,
    set_role,
)
from hubproject.api import caller
from hubproject.confirmation import recently_confirmed
from hubproject.forms import ChangedUser, NewUser
from hubproject.models import Role

SECOND_FACTORS = Authenticator.objects.exclude(type=Authenticator.Type.RECOVERY_CODES)


class UserAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # not subscriptable at run time
    """Who may sign in, as what. Every change is a verb of `accounts`."""

    list_display = ["username", "role", "is_active", "second_factor", "last_login"]
    list_filter = ["is_active", "groups"]
    search_fields = ["username"]
    ordering = ["username"]
    actions = ["take_second_factor_away"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        has_one = Exists(SECOND_FACTORS.filter(user=OuterRef("pk")))
        return User.objects.annotate(has_second_factor=has_one).prefetch_related("groups")

    @admin.display(empty_value="none")
    def role(self, user: User) -> str | None:
        role = role_given_to(user)
        return role and role.label

    @admin.display(boolean=True, description="second factor", ordering="has_second_factor")
    def second_factor(self, user: Any) -> bool:
        return bool(user.has_second_factor)

    # --- Who may ---

    def has_module_permission(self, request: HttpRequest) -> bool:
        return role_of(request.user) == Role.ADMIN

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return role_of(request.user) == Role.ADMIN

    def has_add_permission(self, request: HttpRequest) -> bool:
        return role_of(request.user) == Role.ADMIN

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return role_of(request.user) == Role.ADMIN

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return role_of(request.user) == Role.ADMIN and not (obj and is_last_admin(obj))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return recently_confirmed(super().changeform_view)(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return recently_confirmed(super().delete_view)(request, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        view = super().changelist_view
        return (recently_confirmed(view) if request.method == "POST" else view)(request, extra_context)

    # --- What is done ---

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found = super().get_actions(request)
        found.pop("delete_selected", None)  # one at a time, so that the last admin is seen
        return found

    @admin.action(description="Remove the second factors (the user has lost them)")
    def take_second_factor_away(self, request: HttpRequest, users: QuerySet[User]) -> None:
        for user in users:
            remove_second_factors(user=user, by=caller(request), now=timezone.now())
        self.message_user(request, "Their password alone lets them in now.", messages.WARNING)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = ChangedUser if obj else NewUser
        return type(form.__name__, (form,), {"limit": role_of(request.user) or Role.VIEWER})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["role", "is_active", "new_password"] if obj else ["username", "role", "password", "password_again"]

    def save_model(self, request: HttpRequest, obj: User, form: "ModelForm[User]", change: bool) -> None:
        given, by, now = form.cleaned_data, caller(request), timezone.now()
        role, limit = Role(given["role"]), role_of(request.user) or Role.VIEWER
        if not change:
            made = create_user(
                username=obj.username, password=given["password"], role=role, up_to=limit, by=by, now=now
            )
            obj.pk = made.pk
            return
        user = User.objects.get(pk=obj.pk)
        set_role(user=user, role=role, up_to=limit, by=by, now=now)
        set_active(user=user, active=given["is_active"], by=by, now=now)
        if given["new_password"]:
            set_password(user=user, password=given["new_password"], by=by, now=now)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        delete_user(user=obj, by=caller(request), now=timezone.now())
