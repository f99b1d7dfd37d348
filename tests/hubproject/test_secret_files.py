"""Secrets in files: readable by their owner only, made once, never half there."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from hubproject.secret_files import create_private_file, read_or_create_secret

MAKE_WHEN_TOLD = """
import sys, time
from pathlib import Path
from hubproject.secret_files import read_or_create_secret
Path(sys.argv[2], f"ready-{sys.argv[3]}").touch()
while not Path(sys.argv[2], "go").exists():
    time.sleep(0.001)
print(read_or_create_secret(Path(sys.argv[1])))
"""


@pytest.fixture
def permissive_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("permissive_umask")
def test_only_its_owner_can_read_it_whatever_the_umask(tmp_path):
    path = tmp_path / "new" / "secret"
    assert create_private_file(path, "x")
    assert (mode_of(path), mode_of(path.parent)) == (0o600, 0o700)


def test_it_is_never_overwritten(tmp_path):
    path = tmp_path / "secret"
    assert create_private_file(path, "first")
    assert not create_private_file(path, "second")
    assert path.read_text() == "first"


def test_nothing_else_is_left_beside_it(tmp_path):
    for content in ("first", "second"):
        create_private_file(tmp_path / "secret", content)
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_secret_is_made_at_the_first_read_and_stays(tmp_path):
    path = tmp_path / "secret"
    made = read_or_create_secret(path)
    assert len(made) == 64
    assert read_or_create_secret(path) == made
    assert read_or_create_secret(tmp_path / "other") != made


def test_many_processes_that_start_at_once_read_the_same_secret(tmp_path):
    path, meeting = tmp_path / "data" / "secret", tmp_path / "meeting"
    meeting.mkdir()
    command = [sys.executable, "-c", MAKE_WHEN_TOLD, path, meeting]
    started = [
        subprocess.Popen([*command, str(number)], cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True)
        for number in range(12)
    ]
    deadline = time.monotonic() + 120
    while len(list(meeting.iterdir())) < len(started):
        assert time.monotonic() < deadline, "they do not all start"
        time.sleep(0.01)
    (meeting / "go").touch()
    read = {process.communicate(timeout=120)[0].strip() for process in started}
    assert read == {path.read_text().strip()}
    assert [file.name for file in path.parent.iterdir()] == ["secret"]
    assert mode_of(path) == 0o600
