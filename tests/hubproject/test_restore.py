"""`restore`: this machine becomes the hub of the backup, or nothing was touched."""

import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as tested
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from hubproject.access import create_api_key
from hubproject.audit import verify_audit
from hubproject.backup_programs import BackupError
from hubproject.models import ApiKey, AuditEvent, Role
from hubproject.restore import LEAP, Plan, plan_restore, restore
from hubproject.restore_database import refuse_when_others_are_connected
from hubproject.restore_files import files_to_put, put_files
from spokes.models import Spoke
from tests.backups import back_up, opened_backup
from tests.conftest import BY_TEST, enrol, issue, signed_in_as
from tokens.models import InstallationToken, State
from wireguard.lease import LONGEST_SECONDS
from wireguard.models import AgentState, HubConfig
from wireguard.sealed_key import sealing_private_half
from wireguard.sealing import generate_sealing_key, sealing_public_half

SQLITE_ALONE = pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite's file")


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hub(directory, real_hub) -> HubConfig:
    return real_hub


def planned(path: Path, do) -> None:
    with opened_backup(path) as archive:
        do(plan_restore(archive, credentials=None, now=timezone.now()))


def put_back(path: Path) -> list[str]:
    said: list[str] = []
    planned(path, lambda plan: said.extend(restore(plan, by=BY_TEST, now=timezone.now())))
    return said


# --- What comes back ----------------------------------------------------------------------------------------------


def test_everything_is_as_it_was_but_open_tokens_and_sessions_are_void_and_the_agent_holds(hub):
    enrol("alpha")
    unused = issue("never-used")
    key = create_api_key(name="ci", role=Role.VIEWER, by=BY_TEST, now=timezone.now())
    signed_in_as(Role.OPERATOR)
    AgentState.objects.update_or_create(
        id=1, defaults={"applied_generation": 7, "synced_at": timezone.now(), "term": 5}
    )
    path = back_up()
    enrol("since-registered")
    lost = HubConfig.objects.get().generation
    said = put_back(path)
    assert said[0].startswith("Restored: hub.example.com:51820, 1 spokes")
    assert [spoke.name for spoke in Spoke.objects.all()] == ["alpha"]
    assert InstallationToken.objects.get(pk=unused.row.pk).state == State.REVOKED
    assert InstallationToken.objects.get(pk=unused.row.pk).lease_host is None
    assert (Session.objects.count(), User.objects.count(), ApiKey.objects.count()) == (0, 1, 1)
    assert key.startswith("wgh_")
    assert HubConfig.objects.get().generation >= lost + LEAP
    state = AgentState.current()
    assert (state.hold, state.applied_generation, state.synced_at, state.lease_holder) == (True, 0, None, "")
    assert (state.is_alive(timezone.now()), state.term >= 5 + LEAP) == (False, True)
    assert verify_audit() is None
    event = AuditEvent.objects.get(event="hub.restored")
    assert (event.details["backup"], event.details["revokedTokens"]) == (path.name, 1)
    assert AuditEvent.objects.filter(event="hub.held").exists()


def test_the_database_before_is_kept(hub):
    path = back_up()
    enrol("since-registered")
    (kept,) = [line for line in put_back(path) if "kept" in line]
    where = kept.partition(": ")[2]
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(where)) as old:
            names = old.execute("SELECT name FROM spoke_registrations").fetchall()
    else:
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT name FROM "{where.split()[1]}".spoke_registrations')  # noqa: S608 - ours
            names = cursor.fetchall()
    assert names == [("since-registered",)]
    assert not Spoke.objects.exists()


def test_a_restored_hub_can_be_backed_up_and_restored_again(hub):
    first = back_up()
    put_back(first)
    enrol("alpha")
    first.unlink()
    path = back_up()
    enrol("beta")
    put_back(path)
    assert [spoke.name for spoke in Spoke.objects.all()] == ["alpha"]
    assert AuditEvent.objects.filter(event="hub.restored").count() == 2


def test_a_backup_of_an_older_version_is_brought_to_this_ones_schema(hub):
    call_command("migrate", "spokes", "0002", verbosity=0)
    path = back_up()
    call_command("migrate", verbosity=0)
    put_back(path)
    assert ("spokes", "0003_registered_at_index") in MigrationRecorder(connection).applied_migrations()
    assert AuditEvent.objects.filter(event="hub.restored").exists()


# --- What it refuses ----------------------------------------------------------------------------------------------


def somebody_else() -> Any:
    """Connected to the database of the test, as a running hub is."""
    at = connection.settings_dict
    if connection.vendor == "postgresql":
        return psycopg.connect(host=at["HOST"], user=at["USER"], dbname=at["NAME"])
    other = sqlite3.connect(at["NAME"])
    other.execute("SELECT * FROM hub_config").fetchall()
    return other


def lease_until(seconds_ahead: float) -> None:
    until = timezone.now() + timedelta(seconds=seconds_ahead)
    AgentState.objects.update_or_create(id=1, defaults={"lease_holder": "x", "lease_expires_at": until})


def test_a_database_that_somebody_has_open_is_left_alone(hub):
    path = back_up()
    with closing(somebody_else()), pytest.raises(BackupError, match="still running"):
        put_back(path)
    assert not AuditEvent.objects.filter(event="hub.restored").exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL's connections")
def test_who_has_just_left_is_not_taken_for_somebody_who_has_it_open():
    at = connection.settings_dict
    for _ in range(50):
        psycopg.connect(host=at["HOST"], user=at["USER"], dbname=at["NAME"]).close()
        refuse_when_others_are_connected()


@pytest.mark.parametrize("seconds_ahead", [60, LONGEST_SECONDS])
def test_a_hub_whose_agent_is_alive_is_left_alone(hub, seconds_ahead):
    path = back_up()
    lease_until(seconds_ahead)
    with pytest.raises(BackupError, match=r"systemctl stop .*The agent's lease runs until"):
        put_back(path)


def test_a_lease_of_an_agent_that_died_before_the_clock_was_set_back_is_no_hindrance(hub):
    path = back_up()
    enrol("since-registered")
    lease_until(3600)
    put_back(path)
    assert not Spoke.objects.exists()
    assert AgentState.current().lease_expires_at is None


def test_a_running_hub_whose_clock_was_set_back_is_left_alone_for_its_connection(hub):
    path = back_up()
    lease_until(3600)
    with closing(somebody_else()), pytest.raises(BackupError, match="still running"):
        put_back(path)
    assert not AuditEvent.objects.filter(event="hub.restored").exists()


def test_without_a_terminal_it_wants_yes_and_shows_what_is_here_and_what_comes(hub):
    path = back_up()
    enrol("since-registered")
    out = StringIO()
    with pytest.raises(CommandError, match="--yes"):
        call_command("restore", str(path), stdout=out)
    assert "Here now:  hub.example.com:51820, 1 spokes" in out.getvalue()
    assert "Comes:     hub.example.com:51820, 0 spokes" in out.getvalue()
    assert Spoke.objects.count() == 1


def test_a_fault_in_the_midst_leaves_the_old_database(hub, monkeypatch):
    path = back_up()
    enrol("since-registered")

    def fail(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hubproject.restore.start_hold", fail)
    with pytest.raises(BackupError, match="as it was"):
        put_back(path)
    assert Spoke.objects.count() == 1
    assert verify_audit() is None


@SQLITE_ALONE
def test_a_damaged_database_is_no_hindrance(hub):
    path = back_up()
    connection.close()
    Path(connection.settings_dict["NAME"]).write_bytes(b"damaged" * 1000)
    put_back(path)
    assert verify_audit() is None


# --- Keys and settings --------------------------------------------------------------------------------------------


@pytest.fixture
def home(settings, tmp_path) -> Path:
    """A machine of its own for the files."""
    settings.HUB_DATA_DIR, settings.HUB_SEALING_KEY = tmp_path / "home", ""
    settings.SETTINGS_FILES = [tmp_path / "home/.env"]
    settings.HUB_DATA_DIR.mkdir()
    (settings.HUB_DATA_DIR / "secret_key").write_text(f"{tested.SECRET_KEY}\n")
    return settings.HUB_DATA_DIR


def puts(path: Path, credentials: Path | None = None) -> None:
    with opened_backup(path) as archive:
        put_files(files_to_put(archive, credentials=credentials, now=timezone.now()))


def test_keys_go_where_a_clone_has_them_and_another_one_is_kept(hub, home, settings):
    (home / "sealing.key").write_text(generate_sealing_key())
    another = (home / "sealing.key").read_text()
    settings.HUB_SEALING_KEY = key = sealing_key_of_tests()
    path = back_up()
    settings.HUB_SEALING_KEY = ""
    puts(path)
    assert (home / "sealing.key").read_text().strip() == key
    assert (home / "sealing.pub").read_text().strip() == sealing_public_half(key)
    (kept,) = home.glob("sealing.key.before-restore-*")
    assert kept.read_text() == another
    assert {file.stat().st_mode & 0o077 for file in home.glob("sealing*")} <= {0, 0o044}


def sealing_key_of_tests() -> str:
    """The one that the hub of the test is sealed to, wherever the data directory points now."""
    return (Path(os.environ["HUB_DATA_DIR"]) / "sealing.key").read_text().strip()


def test_keys_of_an_installed_hub_are_credentials(hub, home, settings, tmp_path):
    settings.HUB_SEALING_KEY = sealing_key_of_tests()
    path = back_up()
    credentials = tmp_path / "credentials"
    credentials.mkdir(mode=0o700)
    puts(path, credentials)
    assert (credentials / "hub_sealing_key").read_text().strip() == settings.HUB_SEALING_KEY
    assert {file.name: file.stat().st_mode & 0o777 for file in credentials.iterdir()} == {
        "hub_sealing_key": 0o400,
        "secret_key": 0o400,
    }
    assert not (home / "sealing.key").exists()


def test_a_key_that_is_set_elsewhere_is_not_overruled_in_silence(hub, home, settings):
    settings.HUB_SEALING_KEY = sealing_key_of_tests()
    path = back_up()
    settings.HUB_SEALING_KEY = generate_sealing_key()
    with pytest.raises(BackupError, match="HUB_SEALING_KEY is set to another key"):
        puts(path)


def test_settings_come_back_and_those_that_are_here_stay(hub, home, settings):
    settings.HUB_SEALING_KEY = sealing_key_of_tests()
    (home / ".env").write_text("HUB_WORKERS=1\n")
    path = back_up()
    (home / ".env").unlink()
    puts(path)
    assert (home / ".env").read_text() == "HUB_WORKERS=1\n"
    (home / ".env").write_text("HUB_WORKERS=2\n")
    puts(path)
    assert (home / ".env").read_text() == "HUB_WORKERS=2\n"
    (beside,) = home.glob(".env.from-backup-*")
    assert beside.read_text() == "HUB_WORKERS=1\n"


def test_the_plan_says_nothing_of_a_hub_where_there_is_none(hub, tmp_path):
    path = back_up()
    seen: list[Plan] = []
    planned(path, seen.append)
    assert seen[0].here.words == "hub.example.com:51820, 0 spokes"
    assert seen[0].puts == []
    assert sealing_private_half()
