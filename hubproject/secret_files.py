"""Secrets that live in files: made once, readable by their owner only, never half written."""

import os
import secrets
import tempfile
from pathlib import Path


def create_private_file(path: Path, content: str) -> bool:
    """Writes `content` to `path` with mode 0600 unless the file exists; tells whether it did.

    The name appears with its whole content or not at all, so of several processes that start at once one makes the
    file and the others read the same thing.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(path).hardlink_to(draft)
    except FileExistsError:
        return False
    else:
        return True
    finally:
        Path(draft).unlink()


def read_or_create_secret(path: Path) -> str:
    """The secret in `path`, made of 64 random characters at the first start."""
    if not path.exists():
        create_private_file(path, secrets.token_urlsafe(48) + "\n")
    return path.read_text().strip()
