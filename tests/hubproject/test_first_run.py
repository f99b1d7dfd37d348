"""The first run: a setup code makes the first admin, once, and the door shuts for good."""

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from hubproject import accounts
from hubproject.access import make_setup_code
from hubproject.accounts import SetupIsOver, create_admin, create_first_admin, create_user, first_admin_is_wanted
from hubproject.models import Role, Setup
from tests.conftest import BY_TEST, NOW, assert_refused, is_anywhere
from tests.hubproject.conftest import PASSWORD, events, sign_in, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]


@pytest.fixture
def code(db):
    return make_setup_code(by=BY_TEST, now=NOW)


def fill(code: str, name: str = "root", password: str = PASSWORD, again: str | None = None, **extra):
    form = {"code": code, "username": name, "password": password, "password_again": again or password}
    return Client().post("/setup", form, **extra)


def test_the_first_page_leads_to_the_first_run_and_later_to_the_dashboard(code):
    assert Client().get("/")["Location"] == "/setup"
    fill(code)
    assert Client().get("/")["Location"] == "/admin/"


def test_whoever_has_the_code_becomes_an_admin(code):
    assert fill(code)["Location"] == "/setup"
    root = User.objects.get()
    assert (root.username, root.is_staff, root.is_active) == ("root", True, True)
    assert signed_in(root).get("/admin/auth/user/").status_code == 200
    assert [(event.event, event.actor, event.details) for event in events("user.created")] == [
        ("user.created", "setup-code", {"role": "admin"})
    ]


def test_the_code_may_be_typed_in_any_case_with_spaces_around(code):
    assert fill(f"  {code.upper()} ").status_code == 302


def test_the_password_is_kept_nowhere(code):
    fill(code)
    assert not is_anywhere(PASSWORD)


@pytest.mark.parametrize("wrong", ["0000-0000", "x" * 100, "", " "])
def test_a_wrong_code_makes_nobody(code, wrong):
    answer = fill(wrong)
    assert answer.status_code == 200
    assert b'aria-invalid="true"' in answer.content
    assert not User.objects.exists()


def test_a_wrong_code_is_told_what_to_do(code):
    assert b"That setup code is wrong. Run manage.py setup_code on the hub for a new one." in fill("0000").content


@pytest.mark.parametrize("program", ["manage.py", "wireguard-hub"])
def test_the_page_names_the_command_as_it_is_called_on_this_machine(code, settings, client, program):
    settings.PROGRAM = program
    assert f"Run {program} setup_code on the hub to see one." in client.get("/setup").content.decode()


def test_without_any_code_made_no_code_is_right():
    assert b"That setup code is wrong" in fill("0000").content
    Setup.objects.create(id=1, code_hash="", code_made_at=NOW)
    assert b"That setup code is wrong" in fill("0000").content


def test_guessing_is_slow(code):
    for number in range(10):
        assert fill(f"000{number}").status_code == 200
    answer = fill(code)
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert fill(code, REMOTE_ADDR="192.0.2.5").status_code == 302


@pytest.mark.parametrize(
    ("name", "password", "again", "said"),
    [
        ("root", "short", None, "too short"),
        ("root", "password1234", None, "too common"),
        ("rootrootroot", "rootrootroot1", None, "too similar"),
        ("root", PASSWORD, PASSWORD + "x", "The two passwords differ."),
        ("two words", PASSWORD, None, "valid username"),
        ("", PASSWORD, None, "required"),
    ],
)
def test_what_is_no_name_or_no_password_is_said_and_burns_nothing(code, name, password, again, said):
    assert said in fill(code, name, password, again).content.decode()
    assert not User.objects.exists()
    assert first_admin_is_wanted()
    assert fill(code).status_code == 302


def test_after_the_first_admin_the_page_is_gone(code):
    fill(code)
    answer = fill(code, "second")
    assert answer.status_code == 404
    assert b"set up already" in answer.content
    assert Client().get("/setup")["Location"] == "/account/sign-in?next=/setup"  # for the hub is still to be made
    assert User.objects.count() == 1


def test_a_new_code_does_not_open_the_door_again(code):
    fill(code)
    assert fill(make_setup_code(by=BY_TEST, now=NOW), "second").status_code == 404


def test_the_door_stays_shut_when_the_admins_are_gone(code):
    fill(code)
    User.objects.all().delete()
    assert fill(code, "second").status_code == 404


def test_create_admin_on_the_host_shuts_the_door(code):
    create_admin(username="host", password=PASSWORD, by=BY_TEST, now=NOW)
    assert fill(code).status_code == 404


def test_an_admin_made_by_djangos_own_command_shuts_it_too(code):
    User.objects.create_superuser("django")
    assert fill(code).status_code == 404


def test_other_users_do_not_shut_it(code):
    create_user(username="ada", password=PASSWORD, role=Role.OPERATOR, by=BY_TEST, now=NOW)
    assert fill(code).status_code == 302


def test_a_name_that_is_taken_is_said(code):
    create_user(username="root", password=PASSWORD, role=Role.OPERATOR, by=BY_TEST, now=NOW)
    assert b"A user of that name exists already." in fill(code).content
    assert first_admin_is_wanted()


def test_of_two_who_pass_the_first_look_one_wins(code, monkeypatch):
    """Both saw the open door; the UPDATE decides."""
    monkeypatch.setattr(accounts, "first_admin_is_wanted", lambda: True)
    create_first_admin(code=code, username="first", password=PASSWORD, by=BY_TEST, now=NOW)
    with pytest.raises(SetupIsOver):
        create_first_admin(code=code, username="second", password=PASSWORD, by=BY_TEST, now=NOW)
    assert [user.username for user in User.objects.all()] == ["first"]


def test_the_other_door_is_not_shut_by_this_one(code):
    fill(code)
    answer = Client().post("/api/hub/initialize", {}, content_type="application/json", headers={"X-Setup-Code": code})
    assert_refused(answer, 400, "VALIDATION_ERROR")


def test_the_form_needs_its_token(code):
    form = {"code": code, "username": "root", "password": PASSWORD, "password_again": PASSWORD}
    assert Client(enforce_csrf_checks=True).post("/setup", form).status_code == 403
    assert not User.objects.exists()


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_the_page_takes_no_other_method(method):
    assert getattr(Client(), method)("/setup").status_code == 405


# --- The recovery on the host ---------------------------------------------------------------------------------------


@pytest.fixture
def reset(monkeypatch):
    def reset(name: str, typed: str = "another horse battery\n") -> None:
        from io import StringIO

        monkeypatch.setattr("sys.stdin", StringIO(typed))
        call_command("create_admin", name, "--reset")

    return reset


def test_who_is_locked_out_is_let_in_again_as_an_admin(person, reset):
    from tests.hubproject.conftest import add_app

    ada = person("ada")
    old = signed_in(ada)
    add_app(old)
    User.objects.update(is_active=False)
    reset("ada")
    assert old.get("/account").status_code == 302
    client = Client()
    assert sign_in(client, "ada", "another horse battery")["Location"] == "/admin/"
    assert client.get("/admin/auth/user/").status_code == 200
    assert [event.event for event in events()][-5:-1] == [
        "password.reset",
        "second_factor.removed",
        "user.activated",
        "user.role_changed",
    ]


def test_there_is_nobody_to_reset(reset):
    with pytest.raises(accounts.UnknownUser):
        reset("nobody")
    assert not User.objects.exists()


def test_a_weak_password_resets_nothing(person, reset):
    from django.core.management import CommandError

    ada = person("ada")
    with pytest.raises(CommandError):
        reset("ada", "short\n")
    signed_in(ada)
