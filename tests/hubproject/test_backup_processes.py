"""`backup` and `restore` as processes: traced, killed, out of room."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings as tested

from tests.backups import PASSPHRASE, back_up
from tests.hubproject.test_commands import INIT, assert_one_line, manage_for_real

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


@pytest.fixture(scope="module")
def mould(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("mould")
    for arguments in (["migrate", "--verbosity=0"], INIT, ["issue_token", "told-to-nobody"]):
        assert manage_for_real(home, *arguments).status == 0
    return home


@pytest.fixture
def clone(mould, tmp_path) -> Path:
    """A data directory with a hub in it, for commands that run as processes."""
    return Path(shutil.copytree(mould, tmp_path / "clone"))


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace")
def test_no_secret_reaches_a_disk_an_argument_or_an_environment(clone, tmp_path):
    trace = tmp_path / "trace"
    done = traced(clone, ["-y", "-v", "-s", "2000000", "-o", str(trace), "-e", "trace=write,writev,pwrite64,execve"])
    assert done.returncode == 0, done.stderr
    secrets = ["told-to-nobody", (clone / "sealing.key").read_text().strip(), PASSPHRASE]
    seen = {"elsewhere": "", "disk": ""}
    for line in trace.read_text(errors="replace").splitlines():
        at = re.search(r"(?:write|writev|pwrite64)\(\d+<([^>]*)>", line)
        in_memory = at and re.match(r"pipe:|/memfd:|/dev/shm/|socket:", at[1])
        seen["elsewhere" if in_memory else "disk"] += line
    assert all(secret in seen["elsewhere"] for secret in secrets)
    assert not [secret for secret in secrets if secret in seen["disk"]]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace")
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_killed_it_leaves_no_backup_and_the_next_one_tidies_up(clone, directory, real_hub, settings, call):
    settings.HUB_BACKUP_DIR = backups = clone / "backups"
    done = traced(clone, ["-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL"])
    assert done.returncode != 0
    (draft,) = backups.iterdir()
    assert draft.name.startswith(".")
    path = back_up()
    assert list(backups.iterdir()) == [path]


def traced(clone: Path, options: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "HUB_DATA_DIR": str(clone),
        "HUB_BACKUP_PASSPHRASE_FILE": str(clone / "passphrase"),
    }
    (clone / "passphrase").write_text(PASSPHRASE)
    command = ["strace", "-f", "-qq", *options, sys.executable, "manage.py", "backup"]
    return subprocess.run(command, cwd=tested.BASE_DIR, env=environment, capture_output=True, text=True)


@needs_root
def test_on_a_full_disk_it_says_so_and_leaves_nothing(clone, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    script = 'mount -t tmpfs -o size=8k none "$1" && "$2" manage.py backup --output "$1"; echo $?; ls -A "$1"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(small), sys.executable],
        cwd=tested.BASE_DIR,
        env={"PATH": os.environ["PATH"], "HUB_DATA_DIR": str(clone), "HUB_BACKUP_PASSPHRASE": PASSPHRASE},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1\n"
    assert "No space left on device" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_a_database_it_is_one_line(tmp_path):
    assert_one_line(manage_for_real(tmp_path, "backup", HUB_BACKUP_PASSPHRASE=PASSPHRASE), "migrate")
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace")
def test_killed_anywhere_and_run_again_a_bare_machine_becomes_the_hub(clone, tmp_path):
    old, bare = clone, tmp_path / "bare"
    bare.mkdir()
    arguments = ["backup", "--output", str(tmp_path / "b.gpg")]
    assert manage_for_real(old, *arguments, HUB_BACKUP_PASSPHRASE=PASSPHRASE).status == 0
    environment = {"PATH": os.environ["PATH"], "HUB_DATA_DIR": str(bare), "HUB_BACKUP_PASSPHRASE": PASSPHRASE}
    command = [sys.executable, "manage.py", "restore", "--yes", str(tmp_path / "b.gpg")]
    for number in (1, 4):
        kill = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=rename", "-e"]
        kill.append(f"inject=rename:signal=KILL:when={number}")
        assert subprocess.run([*kill, *command], cwd=tested.BASE_DIR, env=environment).returncode != 0
        if (bare / "database.sqlite").exists():
            assert number == 4
    done = subprocess.run(command, cwd=tested.BASE_DIR, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not list(bare.glob("*.restoring"))
    assert (bare / "sealing.key").read_text() == (old / "sealing.key").read_text()
    assert (bare / "secret_key").read_text() == (old / "secret_key").read_text()
    with closing(sqlite3.connect(bare / "database.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM audit_events WHERE event = 'hub.restored'").fetchone() == (1,)
        assert database.execute("SELECT hold FROM agent_state").fetchone() == (1,)
