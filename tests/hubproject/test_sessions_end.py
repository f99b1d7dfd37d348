"""What ends a session: another password or role, deactivation, deletion. And that an admin always remains."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from hubproject import accounts
from hubproject.access import role_of
from hubproject.errors import PermissionRefused
from hubproject.models import Role
from tests.conftest import BY_TEST, NOW, assert_refused
from tests.hubproject.conftest import PASSWORD, add_app, code_of, events, is_signed_in, sign_in, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]

NEW = "another horse battery"

ENDINGS = {
    "another role": lambda user: accounts.set_role(user=user, role=Role.OPERATOR, by=BY_TEST, now=NOW),
    "deactivation": lambda user: accounts.set_active(user=user, active=False, by=BY_TEST, now=NOW),
    "a password from an admin": lambda user: accounts.set_password(user=user, password=NEW, by=BY_TEST, now=NOW),
    "deletion": lambda user: accounts.delete_user(user=user, by=BY_TEST, now=NOW),
    "deactivation behind our back": lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_ends_every_session_of_the_user_at_the_next_request(hub, ada, person, ending):
    bobs = signed_in(person("bob"))
    clients = [signed_in(ada), signed_in(ada)]
    ENDINGS[ending](ada)
    for client in clients:
        assert_refused(client.get("/api/hub/config"), 401, "NOT_AUTHENTICATED")
        assert client.get("/admin/").status_code == 302
    assert is_signed_in(bobs)


@pytest.mark.parametrize("ending", [ending for ending in ENDINGS if "behind" not in ending])
def test_it_leaves_no_session_behind(ada, ending):
    signed_in(ada)
    ENDINGS[ending](ada)
    assert not Session.objects.exists()


def test_a_user_who_changes_his_password_stays_and_his_other_sessions_end(ada):
    here, elsewhere = signed_in(ada), signed_in(ada)
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert here.post("/account/password", form)["Location"] == "/account"
    assert is_signed_in(here)
    assert not is_signed_in(elsewhere)
    assert [(event.actor, event.object) for event in events("password.changed")] == [("ada", "ada")]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"oldpassword": "wrong", "password1": NEW, "password2": NEW}, "That is not your present password."),
        ({"oldpassword": PASSWORD, "password1": NEW, "password2": PASSWORD}, "same password"),
        ({"oldpassword": PASSWORD, "password1": "short", "password2": "short"}, "too short"),
    ],
)
def test_a_password_is_not_changed_by_half(ada, form, said):
    client, elsewhere = signed_in(ada), signed_in(ada)
    assert said in client.post("/account/password", form).content.decode()
    assert is_signed_in(elsewhere)
    assert sign_in(Client(), "ada").status_code == 302


def test_passwords_are_not_guessed_at_the_page_that_changes_them(ada):
    client = signed_in(ada)
    form = {"oldpassword": "wrong", "password1": NEW, "password2": NEW}
    assert {client.post("/account/password", form).status_code for _ in range(5)} == {200}
    assert client.post("/account/password", form).status_code == 429


@pytest.mark.parametrize("ending", ["deactivation", "a password from an admin", "another role"])
def test_a_sign_in_that_waits_for_its_second_factor_ends_too(ada, ending, clock):
    secret, _ = add_app(signed_in(ada))
    clock.shift(30)
    half_way = Client()
    sign_in(half_way, "ada")
    ENDINGS[ending](ada)
    assert half_way.post("/account/sign-in/code", {"code": code_of(secret)})["Location"] == "/account/sign-in"
    assert not is_signed_in(half_way)


def test_the_role_counts_at_once_even_where_a_session_lives_on(hub, ada):
    client = signed_in(ada)
    ada.groups.clear()
    assert_refused(client.get("/api/hub/config"), 403, "PERMISSION_DENIED")


def test_a_session_ends_by_itself_after_eight_hours(ada, clock):
    client = signed_in(ada)
    clock.shift(timedelta(hours=8, seconds=-5))
    assert is_signed_in(client)
    clock.shift(10)
    assert not is_signed_in(client)


def test_the_same_role_again_ends_nothing_and_is_not_recorded(ada):
    client = signed_in(ada)
    accounts.set_role(user=ada, role=Role.VIEWER, by=BY_TEST, now=NOW)
    accounts.set_active(user=ada, active=True, by=BY_TEST, now=NOW)
    assert is_signed_in(client)
    assert not events("user.role_changed", "user.activated", "user.deactivated")


def test_changes_are_recorded(root, ada):
    accounts.set_role(user=ada, role=Role.ADMIN, by=BY_TEST, now=NOW)
    accounts.set_role(user=ada, role=Role.OPERATOR, by=BY_TEST, now=NOW)
    accounts.set_active(user=ada, active=False, by=BY_TEST, now=NOW)
    accounts.delete_user(user=ada, by=BY_TEST, now=NOW)
    assert [(event.event, event.details) for event in events() if event.object == "ada"][1:] == [
        ("user.role_changed", {"role": "admin", "was": "viewer"}),
        ("user.role_changed", {"role": "operator", "was": "admin"}),
        ("user.deactivated", {}),
        ("user.deleted", {}),
    ]


# --- The last admin -----------------------------------------------------------------------------------------------

LOSSES = {
    "another role": lambda user: accounts.set_role(user=user, role=Role.VIEWER, by=BY_TEST, now=NOW),
    "deactivation": ENDINGS["deactivation"],
    "deletion": ENDINGS["deletion"],
}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_last_admin_stays(root, ada, loss):
    with pytest.raises(accounts.LastAdmin):
        LOSSES[loss](root)
    assert role_of(User.objects.get(pk=root.pk)) == Role.ADMIN


@pytest.mark.parametrize("loss", LOSSES)
def test_a_deactivated_admin_is_none_to_fall_back_on(root, person, loss):
    other = person("other", Role.ADMIN)
    accounts.set_active(user=other, active=False, by=BY_TEST, now=NOW)
    with pytest.raises(accounts.LastAdmin):
        LOSSES[loss](root)


@pytest.mark.parametrize("loss", LOSSES)
def test_one_of_two_admins_may_go(root, person, loss):
    person("other", Role.ADMIN)
    LOSSES[loss](root)
    assert [user.username for user in User.objects.filter(is_superuser=True, is_active=True)] == ["other"]


# --- Roles as they are given --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_a_user_has_the_role_he_was_given_and_the_dashboard(person, role):
    user = person("ada", role)
    assert (role_of(user), user.is_staff) == (role, True)
    assert [group.name for group in user.groups.all()] == [role]


def test_a_lower_role_leaves_nothing_of_the_higher(root, person):
    user = person("ada", Role.ADMIN)
    accounts.set_role(user=user, role=Role.VIEWER, by=BY_TEST, now=NOW)
    fresh = User.objects.get(pk=user.pk)
    assert (role_of(fresh), fresh.is_superuser) == (Role.VIEWER, False)
    assert not fresh.has_perm("auth.change_user")


def test_nobody_grants_a_role_above_his_own(ada):
    with pytest.raises(PermissionRefused):
        accounts.set_role(user=ada, role=Role.ADMIN, up_to=Role.OPERATOR, by=BY_TEST, now=NOW)
    with pytest.raises(PermissionRefused):
        accounts.create_user(
            username="eve", password=PASSWORD, role=Role.OPERATOR, up_to=Role.VIEWER, by=BY_TEST, now=NOW
        )
    assert [user.username for user in User.objects.all()] == ["ada"]
    assert role_of(ada) == Role.VIEWER


def test_sessions_that_are_over_anyway_are_left_to_clearsessions(ada, clock):
    signed_in(ada)
    clock.shift(timedelta(hours=9))
    accounts.end_sessions(ada, now=timezone.now())
    assert Session.objects.count() == 1
