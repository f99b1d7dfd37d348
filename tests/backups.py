"""What tests of backup and restore share: a way to make one, and one that says what no real one would."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.utils import timezone

from hubproject import backup_programs
from hubproject.backup import make_backup, newest_backup
from hubproject.backup_file import Archive, Manifest, opened, write_archive
from hubproject.backup_programs import encrypting

PASSPHRASE = "of the tests"


def back_up() -> Path:
    """A new backup in HUB_BACKUP_DIR."""
    make_backup(output=None, now=timezone.now())
    return newest_backup()


@contextmanager
def opened_backup(path: Path) -> Iterator[Archive]:
    with opened(path, passphrase=PASSPHRASE) as archive:
        yield archive


def rewritten(path: Path, to: Path, **manifest: Any) -> Path:
    """The same backup with another manifest, as only somebody with the passphrase could make it."""
    with opened_backup(path) as archive:
        members = {**archive.members, "database/00000000": archive.database.read()}
        changed: Manifest = replace(archive.manifest, **{"members": {}, **manifest})
    with to.open("wb") as file, encrypting(file, passphrase=PASSPHRASE) as pipe:
        write_archive(pipe, changed, members.items())
    return to


def soon_stretched(monkeypatch: Any) -> None:
    """Passphrases are stretched a thousandth as long: tests make many backups, and guess at none."""
    how = backup_programs._SYMMETRIC
    monkeypatch.setattr(backup_programs, "_SYMMETRIC", ["65536" if word == "65011712" else word for word in how])
