"""`make demo` as a newcomer runs it: it proves an enrolment, and this machine is the same afterwards."""

import contextlib
import http.cookiejar
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import Namespaces, assert_deserted, machine, needs_root
from tests.journeys.lab import REPOSITORY

pytestmark = [pytest.mark.journey, needs_root]

HANGS_AFTER = 300.0


@contextlib.contextmanager
def demo(temporary: Path, *, terminal: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """The demo, running. What it prints goes to the terminal given, else to a pipe."""
    without_terminal = terminal == subprocess.DEVNULL
    with subprocess.Popen(
        [sys.executable, "-m", "tests.journeys.demo"],
        cwd=REPOSITORY,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdin=terminal,
        stdout=subprocess.PIPE if without_terminal else terminal,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        watchdog = threading.Timer(HANGS_AFTER, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def read_until(process: subprocess.Popen[str], start: str) -> str:
    """All lines up to the one that starts like this."""
    seen = ""
    for line in process.stdout:
        seen += line
        if line.startswith(start):
            return seen
    raise AssertionError(f"the demo ended without {start!r}:\n{seen}")


def test_it_proves_an_enrolment_and_leaves_nothing(tmp_path: Path) -> None:
    before = machine()
    with demo(tmp_path) as process:
        said = read_until(process, "ok   the hub answers")
        spaces = Namespaces(process.pid)
        assert len(spaces) >= 12  # network, mounts and processes, of four machines
        said += process.communicate()[0]
    checks = re.findall(r"^(ok  |FAIL) ", said, re.MULTILINE)
    assert said.splitlines()[-1] == f"demo: ok ({len(checks)} checks)", said
    assert process.returncode == 0
    assert "FAIL" not in checks
    assert_deserted(spaces, within=0)
    assert machine() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "number", "status"),
    [
        ("Two spokes and a hub", signal.SIGINT, 130),
        ("The hub starts", signal.SIGINT, 130),
        ("ok   the hub answers", signal.SIGTERM, 130),
        ("     spoke1# ", signal.SIGINT, 130),
        ("ok   spoke1 enrols itself", signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_it_leaves_nothing_when_it_is_interrupted(
    line: str, number: signal.Signals, status: int, tmp_path: Path
) -> None:
    before = machine()
    with demo(tmp_path) as process:
        read_until(process, line)
        spaces = Namespaces(process.pid)
        process.send_signal(number)
        said = process.communicate()[0]
    assert process.returncode == status, said
    assert status != 130 or said.splitlines()[-1] == "demo: interrupted, everything was taken down"
    assert_deserted(spaces)
    assert machine() == before
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_it_keeps_the_admin_up_until_ctrl_c(tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    with demo(tmp_path, terminal=terminal) as process:
        os.close(terminal)
        said = read_terminal(master, until="Ctrl-C ends it")
        spaces = Namespaces(process.pid)
        shown = re.search(r"(http://127\.\S+)\s+Sign in as:\s+(\S+)\s+(\S+)", said)
        assert shown, said
        url, name, password = shown.groups()
        assert "Sign out" in sign_in(url, name, password)
        process.send_signal(signal.SIGINT)
        said += read_terminal(master, until="\n\0")
    os.close(master)
    assert process.returncode == 0, said
    assert re.fullmatch(r"demo: ok \(\d+ checks\)", said.splitlines()[-1])
    assert_deserted(spaces)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(url).port), timeout=5)


def read_terminal(master: int, *, until: str) -> str:
    """What was printed, up to the words given or the end of the demo, which a terminal reports as an error."""
    said = ""
    with contextlib.suppress(OSError):
        while until not in said:
            said += os.read(master, 65536).decode()
    return said


def sign_in(url: str, name: str, password: str) -> str:
    """The first page that the admin shows to a browser which signs in."""
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
    with browser.open(url, timeout=60) as page:
        address, form = page.url, page.read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
    # Django's own sign-in page asks for a "username", others for a "login"; each ignores the other's field.
    fields = {"csrfmiddlewaretoken": token, "username": name, "login": name, "password": password, "next": "/admin/"}
    with browser.open(address, urllib.parse.urlencode(fields).encode(), timeout=60) as page:
        return page.read().decode()
