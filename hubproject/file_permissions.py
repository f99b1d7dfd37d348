"""Who else on this machine could read or change the hub's database, keys and backups."""

import stat
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection

_OTHERS_WRITE, _OTHERS_ENTER = 0o002, 0o001
_OTHERS_READ_OR_WRITE = 0o006
_ANYBODY_ELSE = 0o077


def open_to_others() -> list[str]:
    """A few words for each file or directory that is too open, with its mode; files that are not there are left out."""
    return [*_directories(), *_shared_files(), *_private_files()]


def _directories() -> Iterator[str]:
    for directory in (settings.HUB_DATA_DIR, settings.HUB_BACKUP_DIR):
        if (mode := _mode(directory)) & _OTHERS_WRITE:
            yield f"{directory} ({mode:04o}) may be written by others"


def _shared_files() -> Iterator[str]:
    """Of the owner and his group. A directory that others may not enter closes what is in it."""
    for path in (*_database_files(), *settings.SETTINGS_FILES):
        if (mode := _mode(path)) & _OTHERS_READ_OR_WRITE and _mode(path.parent) & _OTHERS_ENTER:
            yield f"{path} ({mode:04o}) is open to others"


def _private_files() -> Iterator[str]:
    """Of the owner alone, whatever surrounds them."""
    keys = [settings.HUB_DATA_DIR / name for name in ("sealing.key", "secret_key")]
    for path in (*keys, *_files(settings.SECRETS_DIR, "*"), *_files(settings.HUB_BACKUP_DIR, "*.tar.gpg")):
        if (mode := _mode(path)) & _ANYBODY_ELSE:
            yield f"{path} ({mode:04o}) is not its owner's alone"


def _database_files() -> list[Path]:
    if connection.vendor != "sqlite":
        return []
    name = str(connection.settings_dict["NAME"])
    return [Path(name + ending) for ending in ("", "-wal", "-shm")]


def _files(directory: Path, pattern: str) -> list[Path]:
    """Nothing where there is no such directory, or where this user may not look: then others may not either."""
    try:
        return sorted(directory.glob(pattern))
    except OSError:
        return []


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0
