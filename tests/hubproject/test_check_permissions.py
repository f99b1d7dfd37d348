"""`check_permissions` names what others on the machine could read or change."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from hubproject.models import TimerReport

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(settings, tmp_path, monkeypatch) -> Path:
    home = tmp_path / "home"
    for name in ("backups", "credentials"):
        (home / name).mkdir(parents=True)
    settings.HUB_DATA_DIR, settings.HUB_BACKUP_DIR, settings.SECRETS_DIR = home, home / "backups", home / "credentials"
    settings.SETTINGS_FILES = [home / ".env"]
    monkeypatch.setattr("hubproject.file_permissions._database_files", lambda: [home / "database.sqlite"])
    for name in (
        "database.sqlite",
        "sealing.key",
        "secret_key",
        ".env",
        "backups/a.tar.gpg",
        "credentials/hub_sealing_key",
    ):
        (home / name).touch(mode=0o600)
    home.chmod(0o755)
    return home


def test_all_is_well(home):
    out = StringIO()
    call_command("check_permissions", stdout=out)
    assert "closed to others" in out.getvalue()
    assert TimerReport.objects.get(errand="permissions check").is_good


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("database.sqlite", 0o664),
        ("database.sqlite", 0o602),
        (".env", 0o644),
        ("sealing.key", 0o640),
        ("secret_key", 0o604),
        ("backups/a.tar.gpg", 0o640),
        ("credentials/hub_sealing_key", 0o440),
        ("backups", 0o777),
        (".", 0o757),
    ],
)
def test_what_is_too_open_is_named_with_its_mode(home, name, mode):
    (home / name).chmod(mode)
    with pytest.raises(CommandError, match=f"{(home / name)} \\({mode:04o}\\)"):
        call_command("check_permissions")
    assert not TimerReport.objects.get(errand="permissions check").is_good


def test_a_directory_that_others_may_not_enter_closes_the_database_in_it(home):
    (home / "database.sqlite").chmod(0o644)
    home.chmod(0o750)
    call_command("check_permissions", stdout=StringIO())
