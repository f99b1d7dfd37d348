"""A backup is a tar, encrypted by gpg: the database in pieces, secrets, settings, a wg-quick file, a manifest last.

What is read back is believed only when gpg found it untouched and every member has the sum that the manifest names.
"""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from hubproject.backup_database import file_of
from hubproject.backup_programs import BackupError, ProgramFailed, decrypted

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database/"
SEALING_KEY = "secrets/sealing_key"
SECRET_KEY = "secrets/secret_key"  # noqa: S105 - a name
SETTINGS = "settings/"
_NAME = re.compile(r"[a-z]+/[A-Za-z0-9_.-]+|[A-Za-z0-9_=+.-]+")


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself. `counts` are rows by table, `members` SHA-256 by name, `hub` is for people."""

    format: int
    version: str
    made_at: str
    engine: str
    migrations: list[list[str]]
    counts: dict[str, int]
    generation: int
    audit_number: int
    audit_hash: str
    hub: str
    members: dict[str, str] = field(default_factory=dict)

    @property
    def made(self) -> datetime:
        return datetime.fromisoformat(self.made_at)

    @property
    def rows(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Archive:
    """An opened backup, all of it in memory. `database` is the whole of it, `members` the other files."""

    name: str
    manifest: Manifest
    members: dict[str, bytes]
    database: IO[bytes]

    def text(self, name: str) -> str:
        """A small member, such as a key; empty when the backup has none."""
        return self.members.get(name, b"").decode().strip()


def write_archive(pipe: IO[bytes], manifest: Manifest, members: Iterable[tuple[str, bytes]]) -> None:
    """Writes the members as they come, and the manifest with their sums behind them."""
    with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            manifest.members[name] = hashlib.sha256(content).hexdigest()
            _add(tar, name, content, manifest)
        _add(tar, MANIFEST, json.dumps(asdict(manifest)).encode(), manifest)


def _add(tar: tarfile.TarFile, name: str, content: bytes, manifest: Manifest) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(content), 0o600, int(manifest.made.timestamp())
    tar.addfile(info, io.BytesIO(content))


@contextmanager
def opened(path: Path, *, passphrase: str = "", key: Path | None = None) -> Iterator[Archive]:
    """A backup whose every byte is as it was written. Raises BackupError for anything else; nothing is written."""
    if not path.is_file():
        raise BackupError(f"There is no file {path}.")
    with _decrypted(path, passphrase, key) as content:
        try:
            members = _members(content)
            manifest = _manifest(members.pop(MANIFEST))
            for name in {SEALING_KEY, SECRET_KEY} & members.keys():
                members[name].decode("ascii")
        except (tarfile.TarError, KeyError, TypeError, ValueError, OSError, RecursionError):
            raise BackupError(f"{path} is encrypted like a backup, but is not one of a hub.") from None
    sums = {name: hashlib.sha256(member).hexdigest() for name, member in members.items()}
    if sums != manifest.members:
        raise BackupError(f"{path} has been altered: its files are not those that its manifest names.")
    with file_of(members.pop(name) for name in sorted(members) if name.startswith(DATABASE)) as database:
        yield Archive(path.name, manifest, members, database)


@contextmanager
def _decrypted(path: Path, passphrase: str, key: Path | None) -> Iterator[IO[bytes]]:
    with ExitStack() as stack:
        try:
            content = stack.enter_context(decrypted(path, passphrase=passphrase, key=key))
        except ProgramFailed as failure:
            raise BackupError(f"{path} cannot be opened: another passphrase or key, or damaged. ({failure})") from None
        yield content


def _members(content: IO[bytes]) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    with tarfile.open(fileobj=content, mode="r:") as tar:
        for info in tar:
            # A sparse one may say that it is larger than any memory.
            file = tar.extractfile(info) if info.isreg() and not info.issparse() else None
            if file is None or info.name in members or not _NAME.fullmatch(info.name):
                raise ValueError(info.name)
            members[info.name] = file.read()
    return members


def _manifest(raw: bytes) -> Manifest:
    found: Any = json.loads(raw)
    if found["format"] != FORMAT:
        raise BackupError(f"The backup has format {found['format']}; this version of the hub reads format {FORMAT}.")
    manifest = Manifest(**found)
    if manifest.made.tzinfo is None:
        raise ValueError(manifest.made_at)
    texts = [manifest.version, manifest.engine, manifest.audit_hash, manifest.hub, *manifest.counts]
    texts += [word for app, name in manifest.migrations for word in (app, name)]
    numbers = [manifest.generation, manifest.audit_number, *dict(manifest.counts).values()]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers):
        raise TypeError(MANIFEST)
    return manifest
