"""Who may do what: each call against nobody, each role's key, and users of the dashboard."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from hubproject.models import Role
from tests.conftest import JSON, assert_refused, client_with_key

pytestmark = pytest.mark.django_db

SOME_ID = "0a3ff0a6-8c7d-4c9b-9f4f-3a7a0c1d2e3f"
# Whoever gets past the guard gets another answer than 401 and 403, whatever it is.
CALLS = [
    ("get", "/api/hub/config", Role.VIEWER),
    ("get", "/api/hub/status", Role.VIEWER),
    ("get", "/api/spoke/list", Role.VIEWER),
    ("get", f"/api/spoke/{SOME_ID}/status", Role.VIEWER),
    ("post", "/api/installation/token", Role.OPERATOR),
    ("delete", f"/api/spoke/{SOME_ID}", Role.OPERATOR),
    ("post", "/api/hub/initialize", Role.ADMIN),
]
ANYBODYS = [
    ("get", f"/api/installation/script/{'t' * 43}"),
    ("post", "/api/spoke/register"),
    ("get", "/api/healthz"),
]


def call(client: Client, method: str, path: str):
    return getattr(client, method)(path, content_type=JSON)


def user_in(group: str | None, **fields: object) -> User:
    user = User.objects.create_user("ada", **fields)
    if group:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user


@pytest.mark.parametrize(("method", "path", "needed"), CALLS)
def test_a_call_is_refused_below_its_role_and_open_from_it_on(hub, method, path, needed):
    assert_refused(call(Client(), method, path), 401, "NOT_AUTHENTICATED")
    for role in Role:
        answer = call(client_with_key(role), method, path)
        if role.rank < needed.rank:
            assert_refused(answer, 403, "PERMISSION_DENIED")
        else:
            assert answer.status_code not in {401, 403}, role


@pytest.mark.parametrize(("method", "path"), ANYBODYS)
def test_a_few_calls_need_nobody(hub, method, path):
    assert call(Client(), method, path).status_code not in {401, 403}


def test_a_role_includes_those_below_it():
    assert [[role.includes(other) for other in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@pytest.mark.parametrize(
    ("group", "status"), [("viewer", 403), ("operator", 201), ("admin", 201), (None, 403), ("administrators", 403)]
)
def test_a_user_of_the_dashboard_has_the_role_of_his_group(hub, group, status):
    client = Client()
    client.force_login(user_in(group))
    assert client.post("/api/installation/token", {"spokeName": "alpha"}, content_type=JSON).status_code == status


def test_a_user_who_was_deactivated_is_nobody(hub):
    user, client = user_in("admin"), Client()
    client.force_login(user)
    assert client.get("/api/hub/config").status_code == 200
    User.objects.update(is_active=False)
    assert_refused(client.get("/api/hub/config"), 401, "NOT_AUTHENTICATED")


def test_a_superuser_is_an_admin_without_any_group(hub):
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    assert_refused(call(client, "post", "/api/hub/initialize"), 400, "VALIDATION_ERROR")


def test_a_session_may_change_nothing_without_its_csrf_token(hub):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_in("admin"))
    answer = client.post("/api/installation/token", {"spokeName": "alpha"}, content_type=JSON)
    assert_refused(answer, 403, "PERMISSION_DENIED")


def test_an_api_key_needs_no_csrf_token(hub, operator):
    client = Client(enforce_csrf_checks=True, headers={"Authorization": operator.defaults["HTTP_AUTHORIZATION"]})
    assert client.post("/api/installation/token", {"spokeName": "alpha"}, content_type=JSON).status_code == 201
