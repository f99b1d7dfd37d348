"""The throw-away PostgreSQL that the tests start: it hands on the exit status and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from tests.postgres import BINARIES

pytestmark = pytest.mark.skipif(not list(BINARIES.glob("*/bin/initdb")), reason="needs the package postgresql")


def start(program: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.postgres", sys.executable, "-c", program]
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.Popen(command, cwd=settings.BASE_DIR, env=env, stdout=subprocess.PIPE, text=True)


def home_in(url: str) -> Path:
    return Path("/" + url.strip().partition("@//")[2]).parent


def assert_gone(home: Path) -> None:
    assert str(home).startswith("/tmp/hub-pg-")
    assert not home.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host=str(home), user="hub", dbname="hub")


def test_its_exit_status_is_the_commands_and_nothing_is_left():
    with start("import os; print(os.environ['DATABASE_URL']); raise SystemExit(7)") as runner:
        out, _ = runner.communicate(timeout=180)
    assert runner.returncode == 7
    assert_gone(home_in(out))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_and_the_server(number):
    program = "import os, time; print(os.getpid(), os.environ['DATABASE_URL'], flush=True); time.sleep(60)"
    with start(program) as runner:
        pid, _, url = runner.stdout.readline().partition(" ")
        psycopg.connect(host=str(home_in(url)), user="hub", dbname="hub").close()
        runner.send_signal(number)
        assert runner.wait(120) == 128 + number
    assert_gone(home_in(url))
    assert not Path("/proc", pid).exists()
