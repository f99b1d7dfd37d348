"""`create_admin` makes an admin whose password was read from standard input and is worth the name."""

import io

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from hubproject import audit
from hubproject.accounts import UserNameInUse
from hubproject.models import AuditEvent
from tests.conftest import is_anywhere

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


@pytest.fixture
def create(monkeypatch):
    def create(name: str, typed: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        call_command("create_admin", name)

    return create


def test_it_makes_an_admin_who_can_sign_in(create, capsys):
    create("ada", f"{PASSWORD}\n")
    user = authenticate(username="ada", password=PASSWORD)
    assert user is not None
    assert (user.is_superuser, user.is_staff, user.is_active) == (True, True, True)
    assert capsys.readouterr().out == "ada is an admin.\n"


def test_the_password_may_come_without_a_newline_and_keeps_its_spaces(create):
    create("ada", f" {PASSWORD} ")
    assert authenticate(username="ada", password=f" {PASSWORD} ")
    assert not authenticate(username="ada", password=PASSWORD)


def test_the_password_is_kept_nowhere(create):
    create("ada", f"{PASSWORD}\n")
    assert not is_anywhere(PASSWORD)


def test_it_is_recorded(create):
    create("ada", f"{PASSWORD}\n")
    event = AuditEvent.objects.get()
    assert (event.event, event.object, event.details) == ("user.created", "ada", {"role": "admin"})


@pytest.mark.parametrize("weak", ["", "\n", "short\n", "elevenchars\n", "password1234\n", "adalovelace12\n"])
def test_it_refuses_a_weak_password(create, weak):
    with pytest.raises(CommandError):
        create("adalovelace", weak)
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["", "two words", "new\nline", "a" * 151, "a;b"])
def test_it_refuses_a_name_that_is_none(create, name):
    with pytest.raises(CommandError):
        create(name, f"{PASSWORD}\n")
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["ada", "ADA"])
def test_it_refuses_a_name_that_is_taken(create, name):
    create("ada", f"{PASSWORD}\n")
    with pytest.raises(UserNameInUse):
        create(name, f"{PASSWORD} too\n")
    assert User.objects.count() == 1
    assert authenticate(username="ada", password=PASSWORD)


def test_an_admin_who_could_not_be_recorded_does_not_exist(create, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(audit, "record_all", fail)
    with pytest.raises(RuntimeError):
        create("ada", f"{PASSWORD}\n")
    assert not User.objects.exists()
