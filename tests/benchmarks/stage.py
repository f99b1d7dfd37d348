"""What is measured: a hub's machine with a fleet of some size, real WireGuard, gunicorn and agent, on either engine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import descendants, processes_of
from tests.benchmarks.servant import Servant
from tests.journeys.lab import REPOSITORY, Host, Lab, Process
from tests.live import mould, own_database
from tests.postgres import throw_away_server

AGENT = (sys.executable, "manage.py", "hub_agent")
GUNICORN = (sys.executable, "-m", "gunicorn", "--config")
SQLITE, POSTGRESQL = ENGINES = ("sqlite", "postgresql")
PROCESSES = {"web": "gunicorn", "agent": "hub_agent", "tunnel": "wireguard-go"}


def clean_up_when_ended() -> None:
    """Whatever asks us to end, hosts and servers are taken down."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


class Ground:
    """A lab, a directory on a real disk, and a database server where one is asked for."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self._stack = ExitStack()

    def __enter__(self) -> "Ground":
        # Not in /tmp, nor in a clone that may be there: a machine of the lab has a /tmp of its own, in memory, where a
        # durable commit costs nothing.
        self.home = Path(tempfile.mkdtemp(prefix="wireguard-hub-bench-", dir="/var/cache"))
        self._stack.callback(shutil.rmtree, self.home, ignore_errors=True)
        self.server = 0
        if self.engine == POSTGRESQL:
            url = self._stack.enter_context(throw_away_server(durable=True))
            os.environ["DATABASE_URL"] = url
            self._stack.callback(os.environ.pop, "DATABASE_URL")
            directory = url.partition("@/")[2].rpartition("/")[0]
            self.server = int((Path(directory) / "data" / "postmaster.pid").read_text().split()[0])
        self.lab = self._stack.enter_context(Lab())
        self._hosts, self._running = 0, dict[int, Stage]()
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def host(self, name: str, *, forwarding: bool = False) -> Host:
        self._hosts += 1
        return self.lab.host(f"{name}{self._hosts}", f"203.0.113.{self._hosts}", forwarding=forwarding)

    def stage(self, size: int, **settings: str) -> "Stage":
        url = self._stack.enter_context(own_database(copy_of=mould(os.environ.get("DATABASE_URL", "")).database))
        return Stage(self, size, url, settings)

    def running(self, size: int) -> "Stage":
        """A stage of this size with web and agent, made once."""
        if size not in self._running:
            stage = self._running[size] = self.stage(size)
            stage.fill()
            stage.start_agent()
            stage.start_web()
        return self._running[size]

    def database_server(self) -> list[int]:
        """PostgreSQL's processes; none for SQLite, whose work is done by web and agent."""
        return descendants(self.server) if self.server else []


class Stage:
    """A hub with `size` live spokes in 10.0.0.0/16. Web and agent run once they are started."""

    def __init__(self, ground: Ground, size: int, database_url: str, settings: dict[str, str]) -> None:
        cast = mould(os.environ.get("DATABASE_URL", ""))
        self.ground, self.size, self.keys = ground, size, cast.keys
        self.home = Path(tempfile.mkdtemp(dir=ground.home))
        shutil.copytree(cast.home, self.home, dirs_exist_ok=True)
        self.host = ground.host("hub", forwarding=True)
        self.host.run(f"mount --bind {self.home} {self.home} && mount -o remount,bind,rw {self.home}", check=True)
        self.url = f"http://{self.host.address}:8000"
        self.settings = {
            "HUB_DATA_DIR": str(self.home),
            "HUB_BIND": f"{self.host.address}:8000",
            "HUB_PUBLIC_URL": self.url,
            "HUB_ALLOW_PLAIN_HTTP": "1",
            "RATE_LIMIT_MAX_TOKENS_PER_HOUR": "1000000",
            "HUB_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "hubproject.settings",
        } | settings
        if database_url:
            self.settings["DATABASE_URL"] = database_url

    def fill(self, public_keys: Sequence[str] = (), **more: int) -> list[tuple[str, str]]:
        """Makes the fleet, whose first spokes get these keys. Returns keys and allowed-ips of all."""
        wanted = {"spokes": self.size, "keys": list(public_keys), "endpoint": f"{self.host.address}:51820", **more}
        return self.script("tests.benchmarks.seed", json.dumps(wanted))

    def script(self, module: str, given: str = "", *arguments: str) -> Any:
        """What one of our modules printed, as JSON, run beside the database."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment | self.settings, input=given, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout or "null")

    def manage(self, *arguments: str) -> str:
        """What one of the product's commands printed, run on the hub's machine."""
        done = self.host.run([sys.executable, "manage.py", *arguments], env=self.settings, check=True)
        return done.stdout.strip()

    def start_agent(self) -> Process:
        agent = self.host.start(AGENT, env=self.settings)
        self.wait_for_agent()
        return agent

    def wait_for_agent(self) -> None:
        """Until the interface is up and the report says so."""
        self.host.run("until ip link show dev wg0 up 2>&1 | grep -q UP; do sleep 0.02; done", timeout=60, check=True)

    def start_web(self) -> Process:
        web = self.host.start([*GUNICORN, "python:hubproject.gunicorn_conf"], env=self.settings)
        self._wait_for(f"{self.url}/api/healthz")
        return web

    def start_bare(self) -> str:
        """The floor: the same server with one trivial view. Its address."""
        address = f"{self.host.address}:8001"
        self.host.start([*GUNICORN, "python:tests.benchmarks.bare_server"], env=self.settings | {"BARE_BIND": address})
        self._wait_for(f"http://{address}/", "-X", "POST", "-d", "{}", "-H", "Content-Type: application/json")
        return f"http://{address}/"

    def _wait_for(self, url: str, *more: str) -> None:
        curl = " ".join(["curl", "-sf", "-o", "/dev/null", *(f"'{word}'" for word in more), f"'{url}'"])
        self.host.run(f"until {curl}; do sleep 0.02; done", timeout=60, check=True)

    @cached_property
    def client(self) -> Servant:
        """Whoever calls the hub, from its own machine."""
        return Servant(self.host, "tests.benchmarks.client", self.url, secret=self.keys["operator"])

    def servant(self, module: str, *arguments: str) -> Servant:
        return Servant(self.host, module, *arguments, env=self.settings)

    def processes(self, *kinds: str) -> list[int]:
        """Of the kinds `web`, `agent`, `tunnel` (wireguard-go), `bare`, `server` (PostgreSQL), or by a word."""
        found = processes_of(self.host.pid, [PROCESSES.get(kind, kind) for kind in kinds if kind != "server"])
        return found + (self.ground.database_server() if "server" in kinds else [])

    def public_key(self) -> str:
        return self.host.wg_dump()[0][1]
