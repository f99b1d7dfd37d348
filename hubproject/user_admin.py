"""The page of users: for admins only."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
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
from hubproject.list_filters import UserRole, UserState
from hubproject.models import Role
from hubproject.page_roles import role_required

SECOND_FACTORS = Authenticator.objects.exclude(type=Authenticator.Type.RECOVERY_CODES)


class UserList(ChangeList):
    """Each user with his role in a word."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        for user in self.result_list:
            role = role_given_to(user)
            user.role_word = role.label if role else ""


class UserAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # not subscriptable at run time
    """Who may sign in, as what. Every change is a verb of `accounts`."""

    list_display = ["username", "state", "role", "second_factor", "signed_in"]
    list_filter = [UserRole, UserState]
    search_fields = ["username"]
    ordering = ["username"]
    actions = None  # one at a time, so that the last admin is seen

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        has_one = Exists(SECOND_FACTORS.filter(user=OuterRef("pk")))
        return User.objects.annotate(has_second_factor=has_one).prefetch_related("groups")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return UserList

    @admin.display(description="State", ordering="is_active")
    def state(self, user: User) -> None: ...

    @admin.display(description="Role")
    def role(self, user: User) -> None: ...

    @admin.display(description="Second factor", ordering="has_second_factor")
    def second_factor(self, user: User) -> None: ...

    @admin.display(description="Last sign-in", ordering="last_login")
    def signed_in(self, user: User) -> None: ...

    def get_urls(self) -> list[Any]:
        administers = role_required(Role.ADMIN)
        remove = administers(recently_confirmed(self.second_factor_view))
        return [path("<int:user_id>/second-factor/remove", remove, name="remove_second_factor"), *super().get_urls()]

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
        return super().changelist_view(request, {"search_words": "Username"} | (extra_context or {}))

    # --- What is done ---

    def second_factor_view(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Whoever has lost a second factor signs in with the password alone, once an admin has taken it away."""
        person = get_object_or_404(User, pk=user_id)
        if request.method == "POST":
            remove_second_factors(user=person, by=caller(request), now=timezone.now())
            messages.warning(request, f"The password alone lets {person.username} in now.")
            return redirect("admin:auth_user_change", person.pk)
        context = self.admin_site.each_context(request) | {"title": "Remove the second factor", "person": person}
        return TemplateResponse(request, "admin/auth/user/second_factor.html", context)

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
