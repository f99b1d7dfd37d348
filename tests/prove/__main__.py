"""`make prove`: the guarantees at full size, against gunicorn with four worker processes and Redis, on both engines."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()  # the walk reads the product's own OpenAPI document

from tests.live import ROOT, LiveHub, live_hub
from tests.postgres import throw_away_server
from tests.prove import races, schema_walk
from tests.prove.secret_search import secret_search

WORKERS = 4


def main() -> int:
    """Prints one line a proof; 1 when any of them failed."""
    failures = prove("sqlite")
    with throw_away_server() as url:
        os.environ["DATABASE_URL"] = url
        failures += prove("postgresql")
    print(f"prove: {'ok' if not failures else f'FAILED ({failures})'}")
    return 1 if failures else 0


def prove(engine: str) -> int:
    with tempfile.TemporaryDirectory(prefix="prove-") as directory, redis_server() as redis_url:
        home = Path(directory)
        with live_hub(home, HUB_WORKERS=str(WORKERS), REDIS_URL=redis_url) as hub:
            hub.start_web()
            hub.start_agent()
            hub.wait_for(lambda: hub.health() == "ok")
            failures = sum(fails(engine, proof) for proof in proofs(hub))
    return failures + sum(fails(engine, proof) for proof in [lives, tamperings])


def proofs(hub: LiveHub) -> list[Callable[[], str]]:
    return [
        lambda: races.fetches(hub, tokens=100, each=10),
        lambda: races.registrations(hub, tokens=100, keys=10),
        lambda: races.issues(hub, tokens=100),
        lambda: races.claim_against_revoke(hub, races=500),
        lambda: races.register_against_revoke(hub, races=500),
        lambda: secret_search(hub, tokens=50),
        lambda: schema_walk.walk_live(hub.url, hub.keys, 20_000).line(),
    ]


def lives() -> str:
    """The state machine of `model.py`, in a test run of its own that sets up a test database."""
    return _pytest("tests/prove/test_full.py::test_lives", "500 lives of 40 steps: 0 divergences")


def tamperings() -> str:
    return _pytest("tests/hubproject/test_verify_audit.py", "100 tamperings of the audit table: each named")


def _pytest(test: str, claim: str) -> str:
    environment = {**os.environ, "PROVE_IN_FULL": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", test], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return claim


def fails(engine: str, proof: Callable[[], str]) -> bool:
    started = time.monotonic()
    try:
        line, verdict = proof(), "ok  "
    except AssertionError as problem:
        line, verdict = str(problem), "FAIL"
    print(f"{verdict} {engine:10} {line} ({time.monotonic() - started:.0f} s)", flush=True)
    return verdict == "FAIL"


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis of our own on a socket; yields its URL."""
    with tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp") as directory:
        socket = f"{directory}/socket"
        command = ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", directory]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0)
        try:
            deadline = time.monotonic() + 60
            while not Path(socket).exists():
                assert time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.02)
            yield f"unix://{socket}"
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
