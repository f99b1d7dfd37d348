"""The real product as processes of its own: gunicorn, and the agent over a backend that needs no privilege."""

import atexit
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).parents[1]
START_SECONDS = 30.0


@dataclass
class LiveHub:
    """A hub that has been set up: 10.0.0.0/16, with keys for two roles."""

    home: Path
    url: str
    environment: dict[str, str]
    keys: dict[str, str] = field(default_factory=dict)
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def manage(self, *arguments: str) -> str:
        """A management command's standard output; an error shows what it said."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def call(self, method: str, path: str, body: Any = None, *, role: str = "") -> tuple[int, Any]:
        """Status and parsed answer of one REST call."""
        headers = {"Content-Type": "application/json"}
        if role:
            headers["Authorization"] = f"Bearer {self.keys[role]}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            status, text = refusal.code, refusal.read().decode()
        return status, json.loads(text) if text.startswith("{") else text

    def start(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, process_group=0)
        self.processes.append(process)
        return process

    def start_agent(self) -> "subprocess.Popen[bytes]":
        return self.start([sys.executable, "manage.py", "hub_agent"])

    def start_web(self, *, under: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
        gunicorn = [sys.executable, "-m", "gunicorn", "--config", "python:hubproject.gunicorn_conf"]
        process = self.start([*under, *gunicorn])
        self.wait_for(self._answers)
        return process

    def wait_for(self, holds: Any, seconds: float = START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, (self.home / "log").read_text()[-3000:]
            time.sleep(0.02)

    def freeze(self, process: "subprocess.Popen[bytes]") -> None:
        """Stops a process where it holds no lock of SQLite: with one, it would hold up everybody who writes."""

        def stands_still_without_a_lock() -> bool:
            process.send_signal(signal.SIGSTOP)
            self.wait_for(lambda: "State:\tT" in Path(f"/proc/{process.pid}/status").read_text())
            if self._takes_a_write():
                return True
            process.send_signal(signal.SIGCONT)
            return False

        self.wait_for(stands_still_without_a_lock)

    def _takes_a_write(self) -> bool:
        if "DATABASE_URL" in self.environment:
            return True
        with closing(sqlite3.connect(self.home / "database.sqlite", timeout=0, isolation_level=None)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            return True

    def health(self) -> str:
        return str(self.call("GET", "/api/healthz")[1]["agent"])

    def _answers(self) -> bool:
        try:
            return self.call("GET", "/api/healthz")[0] == 200
        except OSError:
            return False

    def stop(self) -> None:
        for process in self.processes:
            end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to it and what it started, and SIGKILL when that does not help."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def live_hub(home: Path, **settings: str) -> Iterator[LiveHub]:
    """A hub in `home`; web and agent are started by the test. With DATABASE_URL set, in a database of its own there."""
    cast = mould(os.environ.get("DATABASE_URL", ""))
    shutil.copytree(cast.home, home, dirs_exist_ok=True)
    with own_database(copy_of=cast.database) as url:
        hub = LiveHub(home, *_address_and_environment(home, url, settings), keys=dict(cast.keys))
        try:
            yield hub
        finally:
            hub.stop()


@dataclass(frozen=True)
class Mould:
    """What every live hub is a copy of: a data directory, a database on the server if there is one, API keys."""

    home: Path
    database: str
    keys: dict[str, str]


@cache
def mould(server: str) -> Mould:
    """Made once in a test run: five commands take seconds, a copy takes none."""
    home = Path(tempfile.mkdtemp(prefix="live-hub-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    name = _create_database(server) if server else ""
    hub = LiveHub(home, *_address_and_environment(home, _url_of(server, name), {}))
    hub.manage("migrate", "--verbosity", "0")
    hub.manage("init_hub", "--network", "10.0.0.0/16", "--endpoint", "hub.example.com:51820")
    keys = {
        role: hub.manage("create_api_key", "--role", role, "--name", role) for role in ("viewer", "operator", "admin")
    }
    return Mould(home, name, keys)


def _address_and_environment(home: Path, database_url: str, settings: dict[str, str]) -> tuple[str, dict[str, str]]:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    environment |= {"HUB_DATA_DIR": str(home), "HUB_BIND": f"127.0.0.1:{port}", "PYTHONWARNINGS": "ignore"}
    environment |= {
        "HUB_WIREGUARD_BACKEND": "wireguard.backends.MemoryBackend",
        "RATE_LIMIT_MAX_TOKENS_PER_HOUR": "100000",
    }
    if database_url:
        environment["DATABASE_URL"] = database_url
    return f"http://127.0.0.1:{port}", environment | settings


@contextmanager
def own_database(*, copy_of: str) -> Iterator[str]:
    """The URL of a copy of that database on the server that DATABASE_URL names; an empty text for SQLite."""
    server = os.environ.get("DATABASE_URL", "")
    if not server:
        yield ""
        return
    name = _create_database(server, copy_of=copy_of)
    try:
        yield _url_of(server, name)
    finally:
        _on_server(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _create_database(server: str, *, copy_of: str = "template1") -> str:
    name = f"live_{secrets.token_hex(6)}"
    _on_server(server, f'CREATE DATABASE "{name}" TEMPLATE "{copy_of}"')
    return name


def _on_server(server: str, statement: str) -> None:
    socket_directory = server.rpartition("/")[0].partition("@/")[2]
    with psycopg.connect(host=socket_directory, user="hub", dbname="hub", autocommit=True) as connection:
        connection.execute(statement)


def _url_of(server: str, name: str) -> str:
    return f"{server.rpartition('/')[0]}/{name}" if server else ""


_kept_ports: list[socket.socket] = []


def free_port() -> int:
    """A port of 127.0.0.1 that is ours until this test run ends, long before whoever is told of it listens there.

    A bound socket keeps it from everybody who takes any port. Who asks for this one by its number gets it all the same,
    as long as he sets SO_REUSEADDR, as servers do, and nobody listens there yet.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _kept_ports.append(kept)
    return int(kept.getsockname()[1])
