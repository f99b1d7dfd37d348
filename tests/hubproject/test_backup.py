"""`backup`: whole, consistent and encrypted, or not there at all; and `--verify` notices what would not restore."""

import re
import shutil
import stat
import subprocess
import tempfile
import threading
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as tested
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from hubproject import backup_programs
from hubproject.audit import verify_audit
from hubproject.backup import make_backup, newest_backup, verify_backup
from hubproject.backup_check import in_scratch
from hubproject.backup_file import SEALING_KEY, opened
from hubproject.backup_programs import BackupError
from hubproject.models import TimerReport
from spokes.models import Spoke
from tests.backups import PASSPHRASE, back_up, opened_backup, rewritten
from tests.conftest import enrol, issue
from tokens.models import InstallationToken, State
from wireguard.models import HubConfig
from wireguard.services import sealing_private_half

pytestmark = pytest.mark.django_db(transaction=True)


# --- What it is ---------------------------------------------------------------------------------------------------


def test_it_is_one_private_file_named_after_the_time_with_all_that_makes_the_hub(directory, real_hub):
    enrol("alpha")
    path = back_up()
    assert re.fullmatch(r"wireguard-hub-\d{8}T\d{6}Z\.tar\.gpg", path.name)
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(directory.stat().st_mode)) == (0o600, 0o700)
    assert list(directory.iterdir()) == [path]
    with opened_backup(path) as archive:
        assert archive.text(SEALING_KEY) == sealing_private_half()
        assert archive.text("secrets/secret_key") == tested.SECRET_KEY
        assert Spoke.objects.get().peer.public_key in archive.text("wg0.conf")
        assert archive.manifest.counts["spoke_registrations"] == 1
        assert archive.manifest.generation == HubConfig.objects.get().generation
    said = verify_backup(path)
    assert "the hub's key opens" in said
    assert "audit events chained" in said


def test_of_a_busy_hub_it_is_one_moment(directory, real_hub):
    stop = threading.Event()
    started = threading.Barrier(3)

    def register_on(worker: int) -> None:
        enrol(f"first-{worker}")
        started.wait(30)
        number = 0
        while not stop.is_set():
            enrol(f"w{worker}-{number}")
            number += 1
        connection.close()

    writers = [threading.Thread(target=register_on, args=(worker,)) for worker in range(2)]
    for writer in writers:
        writer.start()
    started.wait(30)
    try:
        path = back_up()
        before = Spoke.objects.count()
        again = verify_backup(path)
    finally:
        stop.set()
        for writer in writers:
            writer.join(60)
    assert Spoke.objects.count() > 2
    assert "restores" in again
    with opened_backup(path) as archive, in_scratch(archive):
        spokes = Spoke.objects.count()
        assert 2 <= spokes <= before
        # What one registration writes is there together: peer, redeemed token with its lease, event, generation.
        assert Spoke.objects.filter(peer__live_key__isnull=False, token__lease_host__isnull=False).count() == spokes
        assert InstallationToken.objects.filter(state=State.REDEEMED).count() == spokes
        assert HubConfig.objects.get().generation == spokes + 1
        assert verify_audit() is None


def test_settings_are_in_it(directory, real_hub, settings, tmp_path):
    file = tmp_path / ".env"
    file.write_text("HUB_WORKERS=1\n")
    settings.SETTINGS_FILES = [file]
    with opened_backup(back_up()) as archive:
        assert archive.members["settings/.env"] == b"HUB_WORKERS=1\n"


def test_a_recipients_backup_opens_with_his_secret_key_alone(directory, real_hub, settings, tmp_path, monkeypatch):
    public, secret = gpg_keys(tmp_path)
    homes = homes_of_gpg(monkeypatch)
    settings.HUB_BACKUP_RECIPIENT = str(public)
    path = back_up()
    with pytest.raises(BackupError, match="cannot be opened"):
        verify_backup(path)
    assert "restores" in verify_backup(path, key=secret)
    call_command("backup", "--verify", stdout=(out := StringIO()))
    assert "Not checked" in out.getvalue()
    assert not TimerReport.objects.filter(errand="backup check").exists()
    assert homes
    assert not [home for home in homes if Path(home).exists()]


def gpg_keys(tmp_path: Path) -> tuple[Path, Path]:
    """A new pair: the files of its public and of its secret key."""
    home = tempfile.mkdtemp(prefix="keys-")
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    try:
        subprocess.run([*gpg, "--quick-gen-key", "backup@example.com", "default", "default"], check=True)
        public, secret = tmp_path / "public.asc", tmp_path / "secret.asc"
        public.write_bytes(subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout)
        secret.write_bytes(subprocess.run([*gpg, "--export-secret-keys"], check=True, capture_output=True).stdout)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=True)
        shutil.rmtree(home, ignore_errors=True)
    return public, secret


def homes_of_gpg(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those that are made from now on, here: other test runs make theirs at the same time."""
    homes: list[str] = []

    class Noted(tempfile.TemporaryDirectory):
        def __enter__(self) -> str:
            homes.append(super().__enter__())
            return homes[-1]

    monkeypatch.setattr(backup_programs.tempfile, "TemporaryDirectory", Noted)
    return homes


# --- What it refuses ----------------------------------------------------------------------------------------------


def assert_nothing_written(directory: Path) -> None:
    assert not directory.exists() or list(directory.iterdir()) == []


def test_nothing_is_written_unencrypted(directory, real_hub, settings):
    settings.HUB_BACKUP_PASSPHRASE = ""
    with pytest.raises(BackupError, match="unencrypted"):
        back_up()
    assert_nothing_written(directory)


def test_without_gpg_it_says_which_package_brings_it(directory, real_hub, monkeypatch):
    monkeypatch.setattr(backup_programs, "PROGRAM_PATH", "/nonexistent")
    with pytest.raises(CommandError, match="install the package gnupg"):
        call_command("backup")
    assert_nothing_written(directory)
    report = TimerReport.objects.get(errand="backup")
    assert (report.is_good, "gnupg" in report.sentence) == (False, True)


def test_a_recipient_that_is_no_key_is_refused(directory, real_hub, settings):
    settings.HUB_BACKUP_RECIPIENT = __file__
    with pytest.raises(BackupError, match="gpg failed"):
        back_up()
    assert_nothing_written(directory)


def test_a_hub_whose_key_does_not_open_is_not_backed_up_as_if_it_did(directory, real_hub, settings):
    settings.HUB_SEALING_KEY = "A" * 43 + "="
    with pytest.raises(BackupError, match="of no use"):
        back_up()
    assert_nothing_written(directory)


def test_no_file_is_written_over(directory, real_hub, tmp_path):
    file = tmp_path / "mine"
    file.write_text("mine")
    with pytest.raises(BackupError, match="there already"):
        make_backup(output=file, now=timezone.now())
    assert file.read_text() == "mine"


def test_two_at_once_are_one(directory, real_hub):
    from hubproject.backup import _alone_in

    directory.mkdir()
    with _alone_in(directory), pytest.raises(BackupError, match="Another backup"):
        back_up()
    assert back_up().exists()


# --- Old ones, and other places -----------------------------------------------------------------------------------


def test_old_ones_of_ours_are_deleted_and_nothing_else(directory, real_hub):
    directory.mkdir()
    now = timezone.now()
    for name in (ours(now - timedelta(days=31)), ours(now - timedelta(days=29)), "wireguard-hub-old.tar.gpg", "mine"):
        (directory / name).touch()
    path = back_up()
    assert {file.name for file in directory.iterdir()} == {
        path.name,
        ours(now - timedelta(days=29)),
        "wireguard-hub-old.tar.gpg",
        "mine",
    }


def ours(at: datetime) -> str:
    return f"wireguard-hub-{at:%Y%m%dT%H%M%SZ}.tar.gpg"


def test_the_copy_command_gets_the_path_and_no_shell(directory, real_hub, settings, tmp_path):
    (tmp_path / "else where").mkdir()
    settings.HUB_BACKUP_COPY_COMMAND = f"cp -t '{tmp_path}/else where'"
    path = back_up()
    assert (tmp_path / "else where" / path.name).read_bytes() == path.read_bytes()


def test_when_copying_fails_the_backup_stays_and_the_run_is_told_as_failed(directory, real_hub, settings):
    settings.HUB_BACKUP_COPY_COMMAND = "false"
    with pytest.raises(CommandError, match="copying it failed"):
        call_command("backup")
    assert "restores" in verify_backup(newest_backup())
    assert not TimerReport.objects.get(errand="backup").is_good


# --- What would not restore ---------------------------------------------------------------------------------------


def test_every_cut_and_every_changed_byte_is_noticed(directory, real_hub, tmp_path):
    path = back_up()
    content = path.read_bytes()
    size, broken = len(content), tmp_path / "broken"
    for length in (0, 1, 20, size // 3, size - 25, size - 1):
        broken.write_bytes(content[:length])
        with pytest.raises(BackupError):
            verify_backup(broken)
    for place in (0, 1, 30, size // 2, size - 10, size - 1):
        broken.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(BackupError):
            verify_backup(broken)


def test_another_passphrase_and_another_file_are_refused(directory, real_hub, settings, tmp_path):
    path = back_up()
    settings.HUB_BACKUP_PASSPHRASE = "another"
    with pytest.raises(BackupError, match="another passphrase"):
        verify_backup(path)
    (tmp_path / "text").write_text("no backup at all\n" * 100)
    with pytest.raises(BackupError):
        verify_backup(tmp_path / "text")
    with backup_programs.file_in_memory() as file, backup_programs.encrypting(file, passphrase="another") as pipe:
        pipe.write(b"no backup at all\n" * 100)
        pipe.close()
        (tmp_path / "foreign").write_bytes(Path(f"/proc/self/fd/{file.fileno()}").read_bytes())
    with pytest.raises(BackupError):
        verify_backup(tmp_path / "foreign")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"format": 2}, "format 2"),
        ({"counts": {"audit_head": 7}}, "does not hold the rows"),
        ({"audit_hash": "0" * 64}, "does not end where"),
        ({"migrations": [["hubproject", "9999_from_the_future"]]}, "newer version"),
        ({"engine": "oracle"}, "not supported"),
    ],
)
def test_a_manifest_that_says_something_else_is_noticed(directory, real_hub, tmp_path, manifest, said):
    other = rewritten(back_up(), tmp_path / "other", **manifest)
    with pytest.raises(BackupError, match=said):
        verify_backup(other)


def test_a_file_that_is_not_the_one_its_manifest_names_is_noticed(directory, real_hub, tmp_path):
    class Unchanged(dict[str, str]):
        def __setitem__(self, name: str, total: str) -> None:
            """Keeps the sums of another backup."""

    path = back_up()
    with opened_backup(path) as archive:
        sums = Unchanged(archive.manifest.members | {"secrets/secret_key": "0" * 64})
    other = rewritten(path, tmp_path / "other", members=sums)
    with pytest.raises(BackupError, match="has been altered"):
        verify_backup(other)


def test_a_broken_audit_chain_is_noticed(directory, real_hub):
    enrol("alpha")
    with connection.cursor() as cursor:
        names = ["audit_events_refuse_update"]
        for name in names:
            on = " ON audit_events" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER {name}{on}")
        cursor.execute("UPDATE audit_events SET actor = 'nobody' WHERE id = 2")
    with pytest.raises(BackupError, match="Event 2 has been altered"):
        verify_backup(back_up())


def test_verify_takes_the_newest_and_reports(directory, real_hub):
    back_up()
    call_command("backup", "--verify")
    assert TimerReport.objects.get(errand="backup check").is_good
    newest_backup().write_bytes(b"nothing")
    with pytest.raises(CommandError):
        call_command("backup", "--verify")
    assert not TimerReport.objects.get(errand="backup check").is_good


def test_opening_changes_nothing_on_disk(directory, real_hub):
    path = back_up()
    before = sorted(tested.HUB_DATA_DIR.rglob("*"))
    with opened(path, passphrase=PASSPHRASE) as archive:
        assert archive.manifest.made <= timezone.now()
    assert sorted(tested.HUB_DATA_DIR.rglob("*")) == before
    assert issue("after").row.spoke_name == "after"
