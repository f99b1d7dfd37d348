"""Where the secrets and settings of a backup belong on this machine, and how they get there without losing any."""

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from hubproject.backup import sync_directory
from hubproject.backup_file import SEALING_KEY, SECRET_KEY, SETTINGS, Archive
from hubproject.backup_programs import BackupError
from wireguard.sealing import sealing_public_half


@dataclass(frozen=True)
class Put:
    """One file to write. `aside` is where the one in its place goes first, None where there is none."""

    path: Path
    content: str
    mode: int
    aside: Path | None = None

    @property
    def line(self) -> str:
        kept = f" (the one there is another: kept as {self.aside.name})" if self.aside else ""
        return f"{self.path}{kept}"


def files_to_put(archive: Archive, *, credentials: Path | None, now: datetime) -> list[Put]:
    """What has to be written; what is there already, alike, is left out. Raises BackupError."""
    return [*_secrets(archive, credentials, now), *_settings(archive, now)]


def _secrets(archive: Archive, credentials: Path | None, now: datetime) -> list[Put]:
    sealing_key, secret_key = archive.text(SEALING_KEY), archive.text(SECRET_KEY)
    data, wanted = settings.HUB_DATA_DIR, []
    if credentials is not None:
        wanted = [
            (credentials / "hub_sealing_key", sealing_key, 0o400),
            (credentials / "secret_key", secret_key, 0o400),
        ]
    else:
        if settings.HUB_SEALING_KEY and sealing_key != settings.HUB_SEALING_KEY:
            raise BackupError(_set_elsewhere("HUB_SEALING_KEY"))
        if not settings.HUB_SEALING_KEY:
            wanted.append((data / "sealing.key", sealing_key, 0o600))
        file = data / "secret_key"
        if secret_key != settings.SECRET_KEY:
            if not file.exists() or file.read_text().strip() != settings.SECRET_KEY:
                raise BackupError(_set_elsewhere("SECRET_KEY"))
            wanted.append((file, secret_key, 0o600))
    if sealing_key:
        is_shared = data.stat().st_mode & 0o020
        wanted.append((data / "sealing.pub", sealing_public_half(sealing_key), 0o640 if is_shared else 0o600))
    puts = [_put(path, f"{text}\n", mode, now) for path, text, mode in wanted if text]
    return [put for put in puts if put is not None]


def _set_elsewhere(name: str) -> str:
    return (
        f"{name} is set to another key than the backup's. Take that setting out, or say with --credentials DIRECTORY "
        "where the keys of this machine lie."
    )


def _put(path: Path, content: str, mode: int, now: datetime) -> Put | None:
    if not path.exists():
        return Put(path, content, mode)
    if path.read_text().strip() == content.strip():
        return None
    return Put(path, content, mode, aside=path.with_name(f"{path.name}.{aside_name(now)}"))


def aside_name(now: datetime) -> str:
    return f"before-restore-{now:%Y%m%dT%H%M%S.%fZ}"


def _settings(archive: Archive, now: datetime) -> list[Put]:
    """Settings that are there win: they may be of this machine. The backup's lie beside them, to be compared."""
    puts = []
    places = {file.name: file for file in settings.SETTINGS_FILES}
    for name, raw in archive.members.items():
        if name.startswith(SETTINGS):
            file = places.get(name.removeprefix(SETTINGS), settings.HUB_DATA_DIR / ".env")
            content = raw.decode(errors="replace")
            if file.exists() and file.read_text() != content:
                file = file.with_name(f"{file.name}.from-backup-{now:%Y%m%dT%H%M%SZ}")
            if not file.exists():
                puts.append(Put(file, content, 0o600))
    return puts


# --- Writing ------------------------------------------------------------------------------------------------------


def put_files(puts: list[Put]) -> None:
    """Writes them all beside their places first, so that a full disk changes nothing, and then renames each."""
    try:
        for put in puts:
            write_beside(put.path, put.content.encode(), put.mode)
        for put in puts:
            if put.aside is not None:
                _keep(put.path, put.aside)
            staged(put.path).replace(put.path)
            sync_directory(put.path.parent)
    finally:
        for put in puts:
            staged(put.path).unlink(missing_ok=True)


def _keep(path: Path, aside: Path) -> None:
    shutil.copy2(path, aside)
    if os.geteuid() == 0:
        owner = path.stat()
        os.chown(aside, owner.st_uid, owner.st_gid)


def staged(path: Path) -> Path:
    return path.with_name(f"{path.name}.restoring")


def write_beside(path: Path, content: bytes, mode: int) -> None:
    """The content as `PATH.restoring`, on the disk, belonging to whom the directory belongs."""
    beside = staged(path)
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
