"""Two users write one SQLite database: what one makes beside it the other writes, and the other way round."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.journeys.conftest import needs_root

pytestmark = needs_root

WEB, AGENT, GROUP = 54311, 54312, 54310
# As the settings open it: see hubproject/settings.py.
OPENED = r"""
import sqlite3, sys
path, database = sys.argv[1], None
for line in sys.stdin:
    try:
        if line == "open\n":
            database = sqlite3.connect(path, timeout=10, isolation_level=None)
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
        elif line == "write\n":
            database.execute("BEGIN IMMEDIATE")
            database.execute("CREATE TABLE IF NOT EXISTS notes (text)")
            database.execute("INSERT INTO notes VALUES ('here')")
            database.execute("COMMIT")
        elif line == "close\n":
            database.close()
        print("ok", flush=True)
    except sqlite3.Error as trouble:
        print(trouble, flush=True)
"""


class Process:
    """One of the two services, as far as the database goes."""

    def __init__(self, user: int, database: Path, umask: int) -> None:
        self._process = subprocess.Popen(
            [shutil.which("python3", path="/usr/bin:/bin") or "python3", "-c", OPENED, str(database)],
            user=user,
            group=GROUP,
            extra_groups=[],
            umask=umask,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, *words: str) -> list[str]:
        """What came of each: "ok", or SQLite's complaint."""
        return [self._done(word) for word in words]

    def _done(self, word: str) -> str:
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def directory() -> Iterator[Path]:
    """One that other users may pass, unlike those of pytest."""
    directory = Path(tempfile.mkdtemp(prefix="two-users-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@contextmanager
def two_users(directory: Path, *, file_mode: int = 0o660, umask: int = 0o007) -> Iterator[tuple[Process, Process]]:
    """Web and agent in the directory as the installer makes it."""
    shared = directory / "shared"
    shared.mkdir()
    os.chown(shared, WEB, GROUP)
    shared.chmod(0o2770)
    database = shared / "database.sqlite"
    database.touch()
    os.chown(database, WEB, GROUP)
    database.chmod(file_mode)
    processes = Process(WEB, database, umask), Process(AGENT, database, umask)
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()


def beside(directory: Path) -> set[tuple[str, int, str]]:
    """The log and its index: their names, owners and modes."""
    files = (directory / "shared").glob("database.sqlite-*")
    return {(file.name[-3:], file.stat().st_uid, f"{file.stat().st_mode & 0o777:o}") for file in files}


@pytest.mark.parametrize("first", [0, 1], ids=["web", "agent"])
def test_whoever_opens_it_first_the_other_may_write(directory, first):
    with two_users(directory) as processes:
        one, other = processes[first], processes[1 - first]
        assert one.do("open", "write") == ["ok", "ok"]
        assert {(owner, mode) for _, owner, mode in beside(directory)} == {((WEB, AGENT)[first], "660")}
        assert other.do("open", "write") == ["ok", "ok"]
        assert one.do("write", "close") == ["ok", "ok"]  # as when a service is restarted
        assert other.do("write") == ["ok"]
        assert one.do("open", "write") == ["ok", "ok"]
        assert other.do("write", "close") == ["ok", "ok"]
        assert one.do("write", "close") == ["ok", "ok"]
        assert beside(directory) == set()  # the last one takes them away
        assert other.do("open", "write") == ["ok", "ok"]
        assert one.do("open", "write") == ["ok", "ok"]


@pytest.mark.parametrize("killed", [0, 1], ids=["web", "agent"])
def test_what_a_killed_one_leaves_the_other_goes_on_with(directory, killed):
    with two_users(directory) as processes:
        assert processes[killed].do("open", "write") == ["ok", "ok"]
        processes[killed].kill()
        assert processes[1 - killed].do("open", "write", "close") == ["ok", "ok", "ok"]


def test_a_file_as_sqlite_makes_it_would_shut_the_agent_out(directory):
    with two_users(directory, file_mode=0o640) as (web, agent):
        assert web.do("open", "write") == ["ok", "ok"]
        assert agent.do("open", "write")[1] != "ok"  # so the installer makes it, with 0660
