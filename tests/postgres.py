"""Runs a command against a throw-away PostgreSQL: `python -m tests.postgres COMMAND…`.

The server listens on a socket in a directory of its own and is gone with its files when the command ends, also after
Ctrl-C or SIGTERM. The command finds it by DATABASE_URL; its exit status is ours.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

BINARIES = Path("/usr/lib/postgresql")
OWNER = "hub"
START_SECONDS = 30.0
STOP_SECONDS = 30.0
COMMON = {"listen_addresses": "", "max_connections": "200"}
# In tests nothing has to survive a power cut.
CARELESS = COMMON | {"fsync": "off", "full_page_writes": "off"}


class Stopped(BaseException):
    """A signal asked us to end."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"stopped by signal {number}")


def main(command: Sequence[str]) -> int:
    """Runs `command` and returns its exit status; 128 and the signal's number when one ended us or it."""
    if not command:
        sys.stderr.write("usage: python -m tests.postgres COMMAND...\n")
        return 2
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        with throw_away_server() as url:
            return run(command, url)
    except Stopped as stopped:
        return 128 + stopped.number


def _stop(number: int, _frame: object) -> None:
    """Ends us once: while we clean up, further signals change nothing."""
    for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise Stopped(number)


def run(command: Sequence[str], url: str) -> int:
    """The command's exit status, with DATABASE_URL set; it never outlives us."""
    child = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url})
    try:
        status = child.wait()
    finally:
        end(child, signal.SIGTERM)
    return status if status >= 0 else 128 - status


@contextlib.contextmanager
def throw_away_server(*, durable: bool = False) -> Iterator[str]:
    """A running server's DATABASE_URL. `durable`: it commits as one in production does, for measurements."""
    # In /tmp whatever TMPDIR says: the path of a socket has room for 107 bytes. What is durable needs a real disk, and
    # the machines of a lab, which reach it by its socket, have a /tmp of their own.
    home = Path(tempfile.mkdtemp(prefix="hub-pg-", dir="/var/cache" if durable else "/tmp"))
    try:
        identity = _unprivileged(home)
        programs = newest_binaries()
        initdb: list[str | Path] = [
            programs / "initdb",
            "--no-sync",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "-U",
            OWNER,
        ]
        _quietly([*initdb, "-D", home / "data"], identity)
        with _running(programs, home, identity, COMMON if durable else CARELESS):
            _quietly([programs / "createdb", "-h", home, "-U", OWNER, "hub"], identity)
            # Two slashes: django-environ takes a path as the directory of the socket and the database's name.
            yield f"postgres://{OWNER}@/{home}/hub"
    finally:
        shutil.rmtree(home, ignore_errors=True)


def newest_binaries() -> Path:
    """Where Debian keeps the server's programs, of the newest version there is."""
    found = [path for path in BINARIES.glob("*/bin") if path.parent.name.isdigit() and (path / "initdb").exists()]
    if not found:
        sys.exit(f"No PostgreSQL server in {BINARIES}: install the package postgresql.")
    return max(found, key=lambda path: int(path.parent.name))


def _unprivileged(home: Path) -> dict[str, Any]:
    """How to start a program as somebody PostgreSQL agrees to run as, who then owns `home`."""
    if os.geteuid() != 0:
        return {}
    names = {user.pw_name: user for user in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(home, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _quietly(command: Sequence[str | Path], identity: dict[str, Any]) -> None:
    done = subprocess.run(command, **identity, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed: {done.stderr.strip()}")


@contextlib.contextmanager
def _running(programs: Path, home: Path, identity: dict[str, Any], settings: Mapping[str, str]) -> Iterator[None]:
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = [programs / "postgres", "-D", home / "data", "-k", home, *options]
    with (home / "log").open("w") as log:
        # A group of its own, so that Ctrl-C reaches the command and not the server under it.
        server = subprocess.Popen(command, **identity, cwd="/", stdout=log, stderr=log, process_group=0)
    try:
        _wait_until_ready(programs, home, server)
        yield
    finally:
        end(server, signal.SIGINT)  # its fast shutdown


def _wait_until_ready(programs: Path, home: Path, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run([programs / "pg_isready", "-q", "-h", home], check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"PostgreSQL did not start:\n{(home / 'log').read_text()}")
        time.sleep(0.05)


def end(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Asks a process to end, and makes it when it does not."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
