"""API keys: which ones open the door, what is kept of them, and how they are made."""

import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from hubproject import audit
from hubproject.access import ApiKeyNameInUse, create_api_key
from hubproject.errors import HubError
from hubproject.models import ApiKey, AuditEvent, Role
from tests.conftest import BY_TEST, NOW, assert_refused, everything, is_anywhere

pytestmark = pytest.mark.django_db


def make(name: str = "ci", role: Role = Role.VIEWER, **options) -> str:
    return create_api_key(name=name, role=role, by=BY_TEST, now=timezone.now(), **options)


def use(secret: str, scheme: str = "Bearer"):
    return Client().get("/api/hub/config", headers={"Authorization": f"{scheme} {secret}"})


def test_a_key_opens_the_door_whatever_the_case_of_the_scheme(hub):
    secret = make()
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert use(secret, scheme).status_code == 200


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda secret: secret[:-1], id="cut"),
        pytest.param(lambda secret: secret + "x", id="longer"),
        pytest.param(lambda secret: secret.removeprefix("wgh_"), id="without its start"),
        pytest.param(str.upper, id="in capitals"),
        pytest.param(lambda _: "wgh_" + "a" * 43, id="another"),
        pytest.param(lambda _: ApiKey.objects.get().key_hash, id="its hash"),
        pytest.param(lambda _: ApiKey.objects.get().prefix, id="its prefix"),
    ],
)
def test_an_unknown_key_is_refused(hub, alter):
    assert_refused(use(alter(make())), 401, "NOT_AUTHENTICATED")


@pytest.mark.parametrize(("after", "status"), [(-1, 200), (0, 401), (1, 401)])
def test_a_key_expires_on_the_millisecond(hub, clock, after, status):
    secret = make(expires_in_days=30)
    clock.move_to(NOW + timedelta(days=30, milliseconds=after))
    assert use(secret).status_code == status


def test_a_revoked_key_is_refused(hub):
    secret = make()
    ApiKey.objects.update(revoked_at=NOW)
    assert_refused(use(secret), 401, "NOT_AUTHENTICATED")


def test_its_last_use_is_noted_at_most_once_a_minute(hub, clock):
    secret, noted = make(), []
    for seconds in (0, 1, 59.999, 60, 61, 120):
        clock.move_to(NOW + timedelta(seconds=seconds))
        use(secret)
        noted.append((ApiKey.objects.get().last_used_at - NOW).total_seconds())
    assert noted == [0, 0, 0, 60, 60, 120]


@pytest.mark.django_db(transaction=True)  # as in a request, where nothing is around it that a failure would undo
def test_a_key_still_opens_the_door_while_its_use_cannot_be_noted(hub):
    def is_full(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            raise OperationalError("database or disk is full")
        return execute(sql, params, many, context)

    secret = make()
    with connection.execute_wrapper(is_full):
        assert use(secret).status_code == 200
    assert ApiKey.objects.get().last_used_at is None


def test_its_last_use_is_noted_anew_once_the_clock_was_set_back(hub, clock):
    secret = make()
    for moment in (NOW + timedelta(days=2), NOW):
        clock.move_to(moment)
        use(secret)
    assert ApiKey.objects.get().last_used_at == NOW


def test_a_refused_key_is_not_noted_as_used(hub):
    make()
    use("wgh_wrong")
    assert ApiKey.objects.get().last_used_at is None


def test_only_its_hash_and_a_prefix_are_kept(db):
    secret = make()
    assert re.fullmatch(r"wgh_[A-Za-z0-9_-]{43}", secret)
    key = ApiKey.objects.get()
    assert key.prefix == secret[:10]
    assert not is_anywhere(secret)
    assert not is_anywhere(secret[11:])


def test_making_one_is_recorded_without_the_secret(db):
    make("ci", Role.OPERATOR)
    event = AuditEvent.objects.get(event="api_key.created")
    assert (event.actor, event.object, event.details["role"]) == ("test", "ci", "operator")


def test_a_name_is_unique_while_its_key_lives(db):
    make("ci")
    with pytest.raises(ApiKeyNameInUse):
        make("ci")
    ApiKey.objects.update(revoked_at=timezone.now())
    make("ci")


def test_the_database_itself_keeps_a_live_name_unique(db):
    make("ci")
    fields = {"name": "ci", "prefix": "wgh_abcdef", "role": "viewer", "created_by": "x", "created_at": NOW}
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.create(key_hash="0" * 64, **fields)
    ApiKey.objects.create(key_hash="0" * 64, revoked_at=NOW, **fields)


def test_of_two_that_ask_for_a_name_at_once_one_is_refused_in_the_same_words(db, monkeypatch):
    make("ci")
    monkeypatch.setattr(QuerySet, "exists", lambda _: False)  # as it was when this one looked
    with pytest.raises(ApiKeyNameInUse):
        make("ci")
    assert ApiKey.objects.count() == 1


def test_a_key_that_could_not_be_recorded_does_not_exist(db, monkeypatch):
    before = everything()

    def fail(*args, **kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(audit, "record_all", fail)
    with pytest.raises(RuntimeError):
        make()
    assert everything() == before


def test_the_command_prints_the_key_and_nothing_else(hub, capsys):
    call_command("create_api_key", "--role", "viewer", "--name", "ci")
    out = capsys.readouterr().out
    assert re.fullmatch(r"wgh_[A-Za-z0-9_-]{43}\n", out)
    assert use(out.strip()).status_code == 200


def test_the_command_makes_a_key_that_expires(hub, capsys, clock):
    call_command("create_api_key", "--role", "viewer", "--name", "ci", "--expires-days", "2")
    secret = capsys.readouterr().out.strip()
    assert use(secret).status_code == 200
    clock.shift(timedelta(days=2))
    assert use(secret).status_code == 401


@pytest.mark.parametrize("days", ["0", "-1", "99999999999", "4000000"])
def test_the_command_refuses_days_that_no_key_can_last(db, days):
    with pytest.raises((CommandError, HubError)):
        call_command("create_api_key", "--role", "viewer", "--name", "ci", "--expires-days", days)
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("name", ["", "x" * 64, "two\nlines"])
def test_the_command_refuses_a_name_that_no_list_could_show(db, name):
    with pytest.raises((CommandError, HubError)):
        call_command("create_api_key", "--role", "viewer", "--name", name)
    assert not ApiKey.objects.exists()
