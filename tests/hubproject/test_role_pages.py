"""What each role sees and does on the admin site, and the page of users."""

import re
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from hubproject.access import create_api_key, role_of
from hubproject.models import ApiKey, AuditEvent, Role
from tests.conftest import BY_TEST, NOW, issue
from tests.hubproject.conftest import PASSWORD, add_app, events, is_signed_in, sign_in, signed_in
from wireguard.models import AgentState, HubConfig

pytestmark = pytest.mark.django_db

USERS = "/admin/auth/user/"
PAGES = {
    model: reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist") for model in admin.site._registry
}


@pytest.fixture
def chief(root) -> Client:
    return signed_in(root)


def page_of(user: User) -> str:
    return f"{USERS}{user.pk}/change/"


# --- What the roles see -------------------------------------------------------------------------------------------


def test_the_three_roles_are_groups_and_each_may_what_the_one_before_may():
    viewer, operator, chief = (
        {
            f"{app}.{name}"
            for app, name in Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
        }
        for role in Role
    )
    assert viewer < operator < chief
    assert all(name.partition(".")[2].startswith("view_") for name in viewer)
    assert not any("auth." in name for name in operator)
    assert {"tokens.add_installationtoken", "spokes.delete_spoke", "proxmox.change_cluster"} <= operator
    assert {"auth.change_user", "hubproject.add_apikey", "wireguard.change_hubconfig"} <= chief
    assert not any("setup" in name or "audithead" in name for name in chief)


@pytest.mark.parametrize("model", [model for model in PAGES if model is not User], ids=lambda model: model.__name__)
@pytest.mark.parametrize("role", Role)
def test_every_role_may_look_at_every_list(hub, person, role, model):
    """When this fails for a new model: end its migration with `migrations.RunPython(give_permissions)`."""
    assert signed_in(person("ada", role)).get(PAGES[model]).status_code == 200


def test_a_viewer_is_offered_nothing_he_may_not_do(hub, ada):
    page = signed_in(ada).get("/admin/").content.decode()
    assert "/add/" not in page
    assert USERS not in page


def test_the_pages_that_libraries_bring_along_are_not_there():
    assert {model._meta.label for model in PAGES if model._meta.app_label in {"auth", "account", "mfa"}} == {
        "auth.User"
    }


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_the_users_are_the_admins_business(person, role):
    client, other = signed_in(person("ada", role)), person("bob")
    for path in (USERS, f"{USERS}add/", page_of(other), f"{USERS}{other.pk}/delete/"):
        assert client.get(path).status_code == 403
        assert client.post(path, {"role": "admin", "is_active": "on"}).status_code == 403
    assert role_of(User.objects.get(username="bob")) == Role.VIEWER


# --- The page of users --------------------------------------------------------------------------------------------


def test_the_list_shows_role_second_factor_and_last_sign_in(chief, person):
    add_app(signed_in(person("ada", Role.OPERATOR)))
    page = chief.get(USERS).content.decode()
    row = page[page.index(">ada<") :].partition("</tr>")[0]
    assert "Operator" in row
    assert "May sign in" in row
    assert "Second factor" in row
    assert "2026-03-01 12:00:00" in row


def test_the_list_takes_as_many_queries_for_ten_users_as_for_one(chief, person, count_queries):
    few = count_queries(lambda: chief.get(USERS))
    for number in range(10):
        person(f"user{number}")
    assert count_queries(lambda: chief.get(USERS)) == few


def test_an_admin_adds_a_user(chief):
    form = {"username": "ada", "role": "operator", "password": PASSWORD, "password_again": PASSWORD}
    assert chief.post(f"{USERS}add/", form).status_code == 302
    ada = User.objects.get(username="ada")
    assert role_of(ada) == Role.OPERATOR
    assert is_signed_in(signed_in(ada))
    created = events("user.created")[-1]
    assert (created.actor, created.object, created.source_address) == ("root", "ada", "127.0.0.1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"username": "ROOT"}, "A user of that name exists already."),
        ({"username": "two words"}, "valid username"),
        ({"password": "short", "password_again": "short"}, "too short"),
        ({"password_again": "another horse"}, "The two passwords differ."),
        ({"role": "emperor"}, "Select a valid choice"),
        ({"role": ""}, "required"),
    ],
)
def test_a_user_is_not_added_by_half(chief, changes, said):
    form = {"username": "ada", "role": "viewer", "password": PASSWORD, "password_again": PASSWORD, **changes}
    assert said in chief.post(f"{USERS}add/", form).content.decode()
    assert User.objects.count() == 1


def test_an_admin_changes_a_role_and_the_users_sessions_end(chief, ada):
    client = signed_in(ada)
    assert chief.post(page_of(ada), {"role": "operator", "is_active": "on"}).status_code == 302
    assert not is_signed_in(client)
    assert role_of(User.objects.get(pk=ada.pk)) == Role.OPERATOR
    assert events("user.role_changed")[-1].actor == "root"


def test_an_admin_shuts_a_user_out_and_lets_him_in_again(chief, ada):
    client = signed_in(ada)
    chief.post(page_of(ada), {"role": "viewer"})
    assert not is_signed_in(client)
    assert sign_in(Client(), "ada")["Location"] == "/account/inactive"
    chief.post(page_of(ada), {"role": "viewer", "is_active": "on"})
    signed_in(ada)


def test_an_admin_gives_a_new_password(chief, ada):
    client = signed_in(ada)
    chief.post(page_of(ada), {"role": "viewer", "is_active": "on", "new_password": "another horse battery"})
    assert not is_signed_in(client)
    assert sign_in(Client(), "ada", "another horse battery").status_code == 302
    assert events("password.reset")[-1].object == "ada"


def test_a_weak_new_password_changes_nothing_at_all(chief, ada):
    answer = chief.post(page_of(ada), {"role": "operator", "is_active": "on", "new_password": "short"})
    assert b"too short" in answer.content
    assert role_of(User.objects.get(pk=ada.pk)) == Role.VIEWER


def test_an_admin_takes_lost_second_factors_away(chief, ada, clock):
    add_app(signed_in(ada))
    assert chief.get(f"{USERS}{ada.pk}/second-factor/remove").status_code == 200
    assert events("second_factor.removed") == []
    chief.post(f"{USERS}{ada.pk}/second-factor/remove")
    signed_in(ada)


def test_an_admin_deletes_a_user_and_the_record_stays(chief, ada):
    client = signed_in(ada)
    assert chief.post(f"{USERS}{ada.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(username="ada").exists()
    assert not is_signed_in(client)
    assert events("user.deleted")[-1].object == "ada"
    assert events("sign_in.succeeded")[-1].object == "ada"


@pytest.mark.parametrize("form", [{"role": "viewer", "is_active": "on"}, {"role": "admin"}])
def test_the_last_admin_can_neither_step_down_nor_shut_himself_out(chief, root, form):
    assert b"That is the last active admin of this hub." in chief.post(page_of(root), form).content
    assert role_of(User.objects.get(pk=root.pk)) == Role.ADMIN


def test_the_last_admin_is_not_deleted_by_any_page(chief, root):
    assert chief.post(f"{USERS}{root.pk}/delete/", {"post": "yes"}).status_code == 403
    chief.post(USERS, {"action": "delete_selected", "_selected_action": [root.pk], "post": "yes"})
    assert User.objects.filter(pk=root.pk).exists()


@pytest.mark.parametrize("path", ["add/", "{}/change/", "{}/delete/", "{}/second-factor/remove"])
def test_after_a_quarter_of_an_hour_a_change_of_users_asks_again(chief, ada, clock, path):
    path = USERS + path.format(ada.pk)
    clock.shift(15 * 60 + 1)
    led_to = f"/account/confirm?next={quote(path)}"
    assert chief.get(path)["Location"] == led_to
    assert chief.post(path, {"role": "admin", "is_active": "on", "post": "yes"})["Location"] == led_to
    assert role_of(User.objects.get(pk=ada.pk)) == Role.VIEWER
    assert chief.get(USERS).status_code == 200


def test_what_was_typed_waits_nowhere_for_the_confirmation(chief, ada, clock):
    from tests.conftest import is_anywhere

    clock.shift(15 * 60 + 1)
    chief.post(page_of(ada), {"role": "viewer", "is_active": "on", "new_password": "another horse battery"})
    assert not is_anywhere("another horse battery")
    assert "another horse battery" not in str(dict(chief.session))


def test_an_admin_revokes_an_api_key_and_nobody_else_can(db, now, person):
    secret = create_api_key(name="ci", role=Role.VIEWER, by=BY_TEST, now=now)
    key = ApiKey.objects.get(name="ci")
    for role, is_revoked in ((Role.VIEWER, False), (Role.OPERATOR, False), (Role.ADMIN, True)):
        client = signed_in(person(role.value, role))
        assert client.get(f"{PAGES[ApiKey]}{key.pk}/revoke").status_code == (200 if is_revoked else 403)
        client.post(f"{PAGES[ApiKey]}{key.pk}/revoke")
        key.refresh_from_db()
        assert (key.revoked_at is not None) is is_revoked
    assert Client().get("/api/hub/config", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    assert AuditEvent.objects.get(event="api_key.revoked").actor == "admin"


# --- API keys and hub settings ------------------------------------------------------------------------------------

NEW_KEY = "/admin/hubproject/apikey/add/"
EDIT_HUB = "/admin/wireguard/hubconfig/edit"
RELEASE = "/admin/wireguard/hubconfig/release"


def test_an_admin_makes_an_api_key_whose_secret_is_on_that_page_only(hub, chief):
    from tests.conftest import is_anywhere

    answer = chief.post(NEW_KEY, {"name": "ci", "role": "operator", "days": "30"})
    secret = re.search(r"wgh_[\w-]{43}", answer.content.decode())[0]
    assert Client().get("/api/hub/config", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert not is_anywhere(secret)
    assert secret not in chief.get(PAGES[ApiKey]).content.decode()
    made = ApiKey.objects.get(name="ci")
    assert (made.role, (made.expires_at - made.created_at).days, made.created_by) == ("operator", 30, "root")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "required"),
        ({"name": "taken"}, "A live API key already has that name."),
        ({"role": "emperor"}, "Select a valid choice"),
        ({"days": "-1"}, "Select a valid choice"),
    ],
)
def test_a_wrong_api_key_is_told_beside_the_field_and_not_made(db, now, chief, changes, said):
    create_api_key(name="taken", role=Role.VIEWER, by=BY_TEST, now=now)
    page = chief.post(NEW_KEY, {"name": "ci", "role": "viewer", "days": "0", **changes}).content.decode()
    assert said in page
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
@pytest.mark.parametrize("path", [NEW_KEY, EDIT_HUB, RELEASE])
def test_keys_and_settings_are_the_admins_to_change(hub, person, role, path):
    client = signed_in(person("ada", role))
    form = {"name": "ci", "role": "viewer", "days": "0", "endpoint": "other.example.com:1"}
    assert client.get(path).status_code == 403
    assert client.post(path, form).status_code == 403
    assert "/add/" not in client.get(PAGES[ApiKey]).content.decode()
    assert "hubconfig/edit" not in client.get(PAGES[HubConfig]).content.decode()
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("path", [NEW_KEY, EDIT_HUB, RELEASE])
def test_after_a_quarter_of_an_hour_keys_and_settings_ask_again_too(hub, chief, clock, path):
    clock.shift(15 * 60 + 1)
    led_to = f"/account/confirm?next={quote(path)}"
    assert chief.get(path)["Location"] == led_to
    assert chief.post(path, {"name": "ci", "role": "admin", "days": "0"})["Location"] == led_to
    assert not ApiKey.objects.exists()


def settings_form(hub: HubConfig, **changes: str) -> dict[str, str]:
    form = {
        "endpoint": hub.endpoint,
        "listen_port": "51820",
        "spoke_to_spoke": "isolated",
        "network_cidr": hub.network_cidr,
        "mtu": "1420",
        "persistent_keepalive": "25",
    }
    return form | changes


def test_an_admin_changes_the_settings_of_the_hub(hub, chief):
    form = settings_form(hub, endpoint="vpn.example.com:4500", dns="1.1.1.1, 9.9.9.9", dns_domains="corp.example.com")
    assert chief.post(EDIT_HUB, form).status_code == 302
    hub.refresh_from_db()
    assert (hub.endpoint, hub.dns, hub.dns_domains) == (
        "vpn.example.com:4500",
        ["1.1.1.1", "9.9.9.9"],
        ["corp.example.com"],
    )
    changed = AuditEvent.objects.get(event="hub.changed")
    assert changed.actor == "root"
    assert sorted(changed.details["changed"]) == ["dns", "dns_domains", "endpoint"]


def test_the_mode_between_machines_and_a_prefix_for_ipv6_are_settings_too(hub, chief):
    assert (
        chief.post(
            EDIT_HUB, settings_form(hub, spoke_to_spoke="cluster", network_cidr6="fd5e:12a0:77::/64")
        ).status_code
        == 302
    )
    hub.refresh_from_db()
    assert (hub.spoke_to_spoke, hub.network_cidr6) == ("cluster", "fd5e:12a0:77::/64")


def test_what_was_not_changed_bumps_nothing(hub, chief):
    assert chief.post(EDIT_HUB, settings_form(hub)).status_code == 302
    generation = hub.generation
    hub.refresh_from_db()
    assert hub.generation == generation


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"endpoint": "vpn"}, "Must be host:port"),
        ({"listen_port": "70000"}, "between 1 and 65535"),
        ({"listen_port": "many"}, "Enter a whole number."),
        ({"dns": "1.1.1.1 nonsense"}, "nonsense"),
        ({"network_cidr": "10.0.1.7/24"}, "10.0.1.0/24"),
    ],
)
def test_a_wrong_setting_is_told_beside_its_field_and_what_was_typed_stays(hub, chief, changes, said):
    page = chief.post(EDIT_HUB, settings_form(hub, **changes)).content.decode()
    field = page[page.index(f'id="id_{next(iter(changes))}"') :].partition('<div class="field"')[0]
    assert said in field
    assert escape(next(iter(changes.values()))) in field
    assert not AuditEvent.objects.filter(event="hub.changed").exists()


def test_the_network_cannot_be_changed_while_somebody_has_an_address_in_it(hub, chief):
    issue("alpha")
    page = chief.get(EDIT_HUB).content.decode()
    assert "The networks are fixed while machines have addresses in them." in page
    chief.post(EDIT_HUB, settings_form(hub, network_cidr="10.9.0.0/24"))
    hub.refresh_from_db()
    assert hub.network_cidr == "10.0.1.0/24"


def test_the_private_key_is_on_no_page(hub, chief):
    for path in (PAGES[HubConfig], EDIT_HUB):
        assert hub.sealed_private_key not in chief.get(path).content.decode()


def test_an_admin_releases_the_hold_after_a_restore_and_sees_what_it_settles(hub, chief, ada):
    AgentState.objects.create(alive_at=NOW, hold=True, differences=["<b>alpha</b> would be cut off."])
    page = chief.get(PAGES[HubConfig]).content.decode()
    assert "The hub is on hold after a restore." in page
    assert "&lt;b&gt;alpha&lt;/b&gt; would be cut off." in page
    assert signed_in(ada).post(RELEASE).status_code == 403
    assert "1 difference will be settled" in chief.get(RELEASE).content.decode()
    assert chief.post(RELEASE).status_code == 302
    assert not AgentState.objects.get().hold
    assert AuditEvent.objects.get(event="hub.released").actor == "root"
