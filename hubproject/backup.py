"""Makes a backup: a moment of the database, and all else that a bare machine needs to be this hub, encrypted."""

import fcntl
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from hubproject.backup_check import check, table_counts
from hubproject.backup_database import snapshot
from hubproject.backup_file import DATABASE, FORMAT, SEALING_KEY, SECRET_KEY, SETTINGS, Manifest, opened, write_archive
from hubproject.backup_programs import BackupError, copy_elsewhere, encrypting, is_for_a_key
from hubproject.models import AuditHead
from spokes.models import Spoke
from wireguard.export import wg_quick_file
from wireguard.models import HubConfig
from wireguard.sealed_key import sealing_private_half
from wireguard.sealing import SealingError

_OUR_NAME = re.compile(r"wireguard-hub-(\d{8}T\d{6}Z)\.tar\.gpg", re.ASCII)
_TIME = "%Y%m%dT%H%M%SZ"
_DRAFT = ".wireguard-hub-draft-"


def make_backup(*, output: Path | None, now: datetime) -> str:
    """Writes a backup and says in one sentence which. Raises BackupError; then there is no file under its name.

    Into `output`, a file or a directory, or into HUB_BACKUP_DIR. In a directory, old backups of ours are deleted.
    """
    if not (settings.HUB_BACKUP_RECIPIENT or settings.HUB_BACKUP_PASSPHRASE):
        raise BackupError(
            "Nothing is backed up unencrypted: set HUB_BACKUP_PASSPHRASE_FILE, or HUB_BACKUP_RECIPIENT to a file "
            "with a public key of gpg."
        )
    target = output or settings.HUB_BACKUP_DIR
    is_directory = output is None or output.is_dir()
    path = (target / f"wireguard-hub-{now.astimezone(UTC):{_TIME}}.tar.gpg" if is_directory else target).absolute()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone_in(path.parent):
            size = _write(path, now)
            if is_directory:
                _delete_old(path.parent, now)
    except OSError as fault:
        raise BackupError(f"The backup could not be written: {fault.strerror} ({fault.filename or path}).") from None
    return _copied(path, f"{path} written, {_in_words(size)}.")


def _copied(path: Path, sentence: str) -> str:
    if not settings.HUB_BACKUP_COPY_COMMAND:
        return sentence
    try:
        copy_elsewhere(settings.HUB_BACKUP_COPY_COMMAND, path)
    except (BackupError, ValueError, OSError) as fault:
        raise BackupError(f"{sentence} It is here alone: copying it failed. {fault}") from None
    return f"{sentence} It was copied, too."


def _in_words(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """One backup at a time; the lock ends with the process, however that ends."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for leftover in directory.glob(f"{_DRAFT}*"):  # of one that was killed
            leftover.unlink()
        yield
    except BlockingIOError:
        raise BackupError(f"Another backup into {directory} is being made.") from None
    finally:
        os.close(descriptor)


def _write(path: Path, now: datetime) -> int:
    """The name appears with the whole of the file, safely on the disk, or not at all."""
    if path.exists():
        raise BackupError(f"{path} is there already.")
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=_DRAFT)
    try:
        with os.fdopen(descriptor, "wb") as file:
            how = {"passphrase": settings.HUB_BACKUP_PASSPHRASE, "recipient": settings.HUB_BACKUP_RECIPIENT}
            with encrypting(file, **how) as pipe, snapshot() as pieces:
                write_archive(pipe, _manifest(now), _members(pieces))
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        Path(draft).rename(path)
    finally:
        with suppress(FileNotFoundError):
            Path(draft).unlink()
    sync_directory(path.parent)
    return size


def sync_directory(directory: Path) -> None:
    """Makes the names in a directory survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _manifest(now: datetime) -> Manifest:
    """Read from the snapshot."""
    hub, head = HubConfig.objects.filter(id=1).first(), AuditHead.objects.get(id=1)
    spokes = Spoke.objects.live().count()
    return Manifest(
        format=FORMAT,
        version=tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]["version"],
        made_at=now.isoformat(),
        engine=connection.vendor,
        migrations=[[app, name] for app, name in sorted(MigrationRecorder(connection).applied_migrations())],
        counts=table_counts(),
        generation=hub.generation if hub else 0,
        audit_number=head.number,
        audit_hash=head.hash,
        hub=f"{hub.endpoint}, {spokes} spokes" if hub else "no hub set up",
    )


def _members(pieces: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    if hub := HubConfig.objects.filter(id=1).first():
        try:
            yield f"{hub.interface_name}.conf", wg_quick_file().encode()
        except SealingError as problem:
            raise BackupError(f"A backup without the hub's key would be of no use. {problem}") from None
    if sealing_key := sealing_private_half():
        yield SEALING_KEY, sealing_key.encode()
    yield SECRET_KEY, settings.SECRET_KEY.encode()
    for file in settings.SETTINGS_FILES:
        if file.exists():
            yield SETTINGS + file.name, file.read_bytes()
    for number, piece in enumerate(pieces):
        yield f"{DATABASE}{number:08}", piece


# --- What is there ------------------------------------------------------------------------------------------------


def _ours(directory: Path) -> list[tuple[datetime, Path]]:
    """The backups that bear a name of ours, and when they were made; the newest last."""
    found = []
    for path in directory.iterdir():
        if (match := _OUR_NAME.fullmatch(path.name)) and path.is_file():
            with suppress(ValueError):
                found.append((datetime.strptime(match[1], _TIME).replace(tzinfo=UTC), path))
    return sorted(found)


def _delete_old(directory: Path, now: datetime) -> None:
    """The one just made bears the time of now, so it stays, whatever the clock says."""
    for at, path in _ours(directory):
        if now - at > timedelta(days=settings.HUB_BACKUP_KEEP_DAYS):
            path.unlink()


def newest_backup() -> Path:
    """The newest in HUB_BACKUP_DIR; raises BackupError when there is none."""
    directory = settings.HUB_BACKUP_DIR
    try:
        found = _ours(directory) if directory.is_dir() else []
    except OSError as fault:
        raise BackupError(f"{directory} cannot be read: {fault.strerror}.") from None
    if not found:
        raise BackupError(f"There is no backup in {directory}.")
    return found[-1][1]


def can_be_opened_here(path: Path | None, key: Path | None) -> bool:
    """Whether this hub has what opens this backup, or the newest: one made for a recipient only his secret key does."""
    if key is not None:
        return True
    with suppress(BackupError):
        path = path or newest_backup()
    return path is None or not path.is_file() or not is_for_a_key(path)


def verify_backup(path: Path, *, key: Path | None = None) -> str:
    """Restores a backup into a scratch database and says what was looked at. Raises BackupError."""
    try:
        with opened(path, passphrase=settings.HUB_BACKUP_PASSPHRASE, key=key) as archive:
            return check(archive)
    except OSError as fault:
        raise BackupError(f"{path} cannot be read: {fault.strerror}.") from None
