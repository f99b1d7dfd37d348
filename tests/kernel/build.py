"""Linux as a program (user-mode Linux), built from Debian's kernel source with WireGuard in it, once.

The program is kept in this user's cache under a name that tells the source and the options it was made of.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path("/usr/src/linux-source-6.1.tar.xz")
OPTIONS = Path(__file__).with_name("options.config")
BUILD = """
set -e
tar --extract --file "$1" --strip-components=1
make ARCH=um tinyconfig
scripts/kconfig/merge_config.sh -m .config "$2"
make ARCH=um olddefconfig
make ARCH=um linux
strip linux
"""


class KernelUnavailable(Exception):
    """There is none and none can be built; the message says why."""


def linux() -> Path:
    """The program; building it takes a quarter of an hour of one core and 2 GB for as long."""
    if not SOURCE.exists():
        raise KernelUnavailable(f"{SOURCE} is missing: apt-get install linux-source-6.1")
    program = _cache() / f"linux-{_recipe()}"
    _cache().mkdir(parents=True, exist_ok=True)
    with _only_one_build():
        if not program.exists():
            _build(program)
    return program


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wireguard-hub-tests"


def _recipe() -> str:
    """Debian names no version in the file's name; size and time of the package's file do as well."""
    source = SOURCE.stat()
    made_of = f"{source.st_size} {source.st_mtime_ns} {BUILD}{OPTIONS.read_text()}"
    return hashlib.sha256(made_of.encode()).hexdigest()[:12]


@contextmanager
def _only_one_build() -> Iterator[None]:
    with (_cache() / "kernel.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(program: Path) -> None:
    place = _cache() / "kernel.unfinished"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    print(f"Building Linux from {SOURCE}, once: a quarter of an hour.", flush=True)
    with (_cache() / "kernel.log").open("w") as log:
        argv = ["nice", "-n", "10", "sh", "-c", BUILD, "sh", SOURCE, OPTIONS]
        done = subprocess.run(argv, cwd=place, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise KernelUnavailable(f"It could not be built: {log.name}")
    _require_options(place / ".config")
    (place / "linux").rename(program)
    shutil.rmtree(place)


def _require_options(config: Path) -> None:
    """An option whose own needs are not met is dropped without a word."""
    got = set(config.read_text().splitlines())
    missing = [line for line in OPTIONS.read_text().splitlines() if line.startswith("CONFIG_") and line not in got]
    if missing:
        raise KernelUnavailable(f"{OPTIONS} asks for what this source does not offer: {', '.join(missing)}")
