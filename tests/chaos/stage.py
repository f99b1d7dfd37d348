"""A hub under fault: real gunicorn with two workers, the real agent, wireguard-go, started again whenever they end.

SQLite, or a PostgreSQL of its own inside the hub's machine, so that whatever happens to it happens there.
"""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.chaos.history import (
    CONVERGED_WITHIN_SECONDS,
    NO_ANSWER,
    Ending,
    History,
    Request,
    SpokeRow,
    TokenRow,
    Violation,
    violations,
)
from tests.chaos.machine import HUB, HubMachine
from tests.journeys.lab import Lab, Process, first_child
from tests.live import Mould, mould
from tests.postgres import newest_binaries, throw_away_server

# Where PostgreSQL lives on the hub's machine.
PG = "/run/postgresql"
WORKERS, THREADS = 2, 8
_PATIENCE = 90.0


class Service:
    """One process of the hub that is started again when it ends, as a service manager would."""

    def __init__(self, stage: "Stage", argv: Sequence[str], **settings: str) -> None:
        self.stage, self.argv, self.settings = stage, list(argv), settings
        self.before: list[str] = []  # what it is started under, strace for instance
        self.starts = 0
        self._is_kept = threading.Event()
        self._lock = threading.Lock()
        self.start()

    def start(self) -> None:
        with self._lock:
            self.process = self.stage.host.start([*self.before, *self.argv], env=self.stage.settings | self.settings)
            self.starts += 1
            self._is_kept.set()

    def keep(self) -> None:
        """Starts it again when it has ended by itself."""
        if self._is_kept.is_set() and self.process.poll() is not None:
            self.start()

    def restart_under(self, *before: str, **settings: str) -> None:
        self._is_kept.clear()
        self.before, self.settings = list(before), settings
        self.end()
        self.start()

    def end(self) -> None:
        self._is_kept.clear()
        for pid in self.pids()[:1]:
            os.kill(pid, signal.SIGTERM)
        try:
            self.process.wait(25)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """All of it at once."""
        process = self.process  # before the next one takes its place
        for pid in reversed(self.pids()):
            _kill(pid)
        if self.process is process:
            process.wait(30)

    def pids(self) -> list[int]:
        """Its own processes, the first one first; the programs that it runs for a moment are left out."""
        found = [first_child(self.process.pid)]
        while found[-1] and _word(found[-1]) not in {"python", "python3", "gunicorn"}:
            found.append(first_child(found[-1]))
        main = found[-1]
        return [pid for pid in [main, *(_children(main) if main else [])] if pid and _word(pid).startswith("python")]

    def kill_one(self, number: int) -> None:
        """SIGKILL to one of its processes; 0 is the one that the others depend on."""
        pids = self.pids()
        if pids:
            _kill(pids[min(number, len(pids) - 1)])


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _word(pid: int) -> str:
    try:
        return Path(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()).name
    except OSError:
        return ""


class PromisesBroken(AssertionError):
    """Which promises were broken, how often, and what shows it first."""

    def __init__(self, broken: Sequence[Violation], said: str) -> None:
        self.promises = Counter(violation.promise for violation in broken)
        first = {violation.promise: violation.evidence for violation in reversed(broken)}
        lines = [f"{promise} ({times} times), first: {first[promise]}" for promise, times in self.promises.items()]
        super().__init__("\n  ".join(["promises were broken", *lines, said]))


class Stage(HubMachine):
    """A hub's machine with everything on it running, and clients that note what they are told."""

    def __init__(self, lab: Lab, engine: str = "sqlite", **settings: str) -> None:
        super().__init__(lab)
        self.engine = engine
        self.home = Path(self.settings["HUB_DATA_DIR"])
        self.settings |= {
            "HUB_WORKERS": str(WORKERS),
            "HUB_THREADS": str(THREADS),
            "REDIS_URL": "unix:///run/redis.sock",
        } | settings
        self.host.start(
            ["redis-server", "--port", "0", "--unixsocket", "/run/redis.sock", "--save", "", "--dir", "/run"]
        )
        if engine == "postgresql":
            self._move_in(postgres_mould())
        self.services: dict[str, Service] = {}
        self.crowds: list[Process] = []
        self.calm: list[tuple[float, float]] = []
        self.planted: list[str] = []
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    # --- Setting up -----------------------------------------------------------------------------------------------

    def _move_in(self, cast: tuple[Mould, Path]) -> None:
        hub, data = cast
        self.keys, self.home = hub.keys, hub.home
        self.settings |= {"HUB_DATA_DIR": str(hub.home), "DATABASE_URL": f"postgres://hub@/{PG}/{hub.database}"}
        self.host.run(
            f"set -e; mkdir -p {PG}; cp -a {data} {PG}/data; chown -R postgres {PG}; chmod 700 {PG}/data", check=True
        )
        self.postgres("start")

    def postgres(self, word: str, options: str = "") -> None:
        """`start` or `stop` (the way a power cut does)."""
        options = f"-k {PG} -c listen_addresses= -c fsync=off -c max_connections=60 {options}"
        control = f"{newest_binaries()}/pg_ctl -D {PG}/data -w -m immediate -l {PG}/log -o '{options}' {word}"
        self.host.run(["su", "postgres", "-s", "/bin/sh", "-c", control], cwd="/", check=True)

    def postgres_back(self) -> None:
        """Starts it where it has ended by itself."""
        if self.host.run([f"{newest_binaries()}/pg_isready", "-q", "-h", PG]).returncode == 2:
            self.postgres("start")

    def start(self) -> None:
        """Agent and web; returns when the hub is well."""
        self.services["agent"] = Service(self, [sys.executable, "manage.py", "hub_agent"])
        gunicorn = [sys.executable, "-m", "gunicorn", "--config", "python:hubproject.gunicorn_conf"]
        self.services["web"] = Service(self, gunicorn)
        self._keeper.start()
        health = f"{self.settings['HUB_PUBLIC_URL']}/api/healthz"
        self.host.run(f'until curl -s {health} | grep -q \'"status":"ok"\'; do sleep 0.1; done', check=True)

    def _keep(self) -> None:
        while not self._over.wait(0.2):
            for service in self.services.values():
                service.keep()

    def close(self) -> None:
        self._over.set()
        if self._keeper.is_alive():
            self._keeper.join()

    # --- Clients --------------------------------------------------------------------------------------------------

    def crowd(self, **plan: Any) -> Process:
        """Clients that begin now; `finish` waits for them."""
        whole = {"at": f"{HUB}:8000", "keys": [self.keys["operator"]], **plan}
        crowd = self.host.start([sys.executable, "-m", "tests.chaos.client"], given=json.dumps(whole))
        self.crowds.append(crowd)
        return crowd

    def finish(self, *crowds: Process, seconds: float = 240.0, gently: bool = True) -> None:
        """Tells clients to come to an end, or waits until they have."""
        for crowd in crowds or self.crowds:
            if gently:
                crowd.send_signal(signal.SIGTERM)
        for crowd in crowds or self.crowds:
            try:
                crowd.wait(seconds)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"clients got no answer within {seconds:g} s\n{self.complaints()}") from None
            assert crowd.returncode == 0, crowd.complaints()[-2000:]

    def requests(self) -> list[Request]:
        lines = [line for crowd in self.crowds for line in crowd.written().splitlines(keepends=True)]
        return sorted((Request(**json.loads(line)) for line in lines if line.endswith("\n")), key=lambda one: one.began)

    def wait_for_answers(self, count: int, *, most_seconds: float) -> None:
        """Until clients have had so many more, or the time is over."""
        deadline, enough = time.monotonic() + most_seconds, self._answers() + count
        while self._answers() < enough and time.monotonic() < deadline:
            time.sleep(0.05)

    def _answers(self) -> int:
        return sum(crowd.written().count('"status": 2') for crowd in self.crowds)

    def registrations_in_calm(self, lives: int = 8) -> None:
        """A few by one client alone, before anything is broken."""
        began = time.monotonic()
        self.finish(self.crowd(kind="calm", clients=1, lives=lives), gently=False)
        self.calm.append((began, time.monotonic()))

    def plant(self, peers: Sequence[tuple[str, str]]) -> None:
        """Peers without spokes: public keys with their allowed-ips."""
        self.want_peers(peers)
        self.planted += [key for key, _ in peers]

    # --- Judging --------------------------------------------------------------------------------------------------

    def verdict(self, *, with_moved_clocks: bool = False, seconds: float = 60.0) -> str:
        """To be called when the fault ends: waits so long at most, compares, and says what was seen.

        Raises PromisesBroken.
        """
        converged = self._look(f"{seconds}", "converged")["converged_seconds"]
        self.finish()
        # Clients have gone on since: what they were told last is given as long.
        found = self._look(f"{CONVERGED_WITHIN_SECONDS if converged is not None else 0}")
        found["converged_seconds"] = None if found["converged_seconds"] is None else converged
        requests = self.requests()
        if broken := violations(History(requests, with_moved_clocks, self.calm, self.planted), _ending(found)):
            raise PromisesBroken(broken, self.complaints())
        return f"{_figures(requests)}, {len(found['peers'])} peers, converged in {converged:.1f} s"

    def _look(self, *words: str) -> dict[str, Any]:
        looked = self.host.run(
            [sys.executable, "-m", "tests.chaos.ending", *words], env=self.settings, timeout=_PATIENCE
        )
        assert looked.returncode == 0, looked.stderr[-2000:] + self.complaints()
        return dict(json.loads(looked.stdout))

    def complaints(self) -> str:
        """The last that the services have said."""
        return "\n".join(f"{name}: {one.process.complaints()[-1500:]}" for name, one in self.services.items())


@contextmanager
def stage(
    engine: str = "sqlite", *, calm: int = 0, prepare: Callable[[Stage], None] | None = None, **settings: str
) -> Iterator[Stage]:
    """A hub that is well, in a lab of its own; `prepare` is done before it starts."""
    if engine == "postgresql":
        postgres_mould()  # before the lab's machines take their copy of /tmp
    with Lab() as lab:
        hub = Stage(lab, engine, **settings)
        try:
            if prepare:
                prepare(hub)
            hub.start()
            if calm:
                hub.registrations_in_calm(calm)
            yield hub
        finally:
            hub.close()


@cache
def postgres_mould() -> tuple[Mould, Path]:
    """What every hub on PostgreSQL starts from: its data directory, and that of the server. Made once in a run."""
    kept = Path(tempfile.mkdtemp(prefix="chaos-postgres-", dir="/tmp"))
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    with throw_away_server() as url:
        cast = mould(url)
        server = "/" + url.partition("@//")[2].rpartition("/")[0]
        copy = [newest_binaries() / "pg_basebackup", "-h", server, "-U", "hub", "-D", kept / "data", "-c", "fast"]
        subprocess.run(copy, check=True, capture_output=True)
    return cast, kept / "data"


def _ending(found: dict[str, Any]) -> Ending:
    return Ending(
        tokens=[TokenRow(**row) for row in found["tokens"]],
        spokes=[SpokeRow(**row) for row in found["spokes"]],
        peers=found["peers"],
        interface=found["interface"],
        resting=frozenset(found["resting"]),
        next_host=found["next_host"],
        events={(event, subject): times for event, subject, times in found["events"]},
        audit_breach=found["audit_breach"],
        converged_seconds=found["converged_seconds"],
    )


def _figures(requests: Sequence[Request]) -> str:
    unanswered = sum(request.status == NO_ANSWER for request in requests)
    refused = sum(request.status == 503 for request in requests)
    made = {request.body["spokeId"] for request in requests if request.act == "register" and request.is_done}
    return f"{len(requests)} requests ({unanswered} without an answer, {refused} 503), {len(made)} registrations"


def on_both(scenario: Callable[[str], str]) -> str:
    """The same on SQLite and on PostgreSQL."""
    return "; ".join(f"on {engine}, {scenario(engine)}" for engine in ("sqlite", "postgresql"))
