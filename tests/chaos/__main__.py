"""`make chaos`: what heals, how soon, who never notices, and that no promise breaks. `ONLY=drift` runs one scenario."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

from tests.chaos import (
    burst,
    clocks,
    cut_off,
    drift,
    failing_wg,
    idle,
    killed,
    postgres_away,
    self_test,
    storage,
    takeover,
    watched,
)
from tests.chaos.stage import on_both
from tests.postgres import throw_away_server


def on_postgres(scenario: Callable[[], str]) -> str:
    """The same against a PostgreSQL of its own."""
    with throw_away_server() as url:
        os.environ["DATABASE_URL"] = url
        try:
            return f"on PostgreSQL, {scenario()}"
        finally:
            del os.environ["DATABASE_URL"]


SCENARIOS: dict[str, Callable[[], str]] = {
    "idle": idle.a_thousand_peers,
    "watched": watched.enrolments_under_watch,
    "drift": drift.twenty_times_each,
    "takeover": takeover.twenty_tries,
    "takeover-postgresql": lambda: on_postgres(takeover.twenty_tries),
    "killed": lambda: on_both(killed.at_random_moments),
    "locked": storage.locked,
    "disk-full": lambda: on_both(storage.disk_full),
    "fsync": storage.fsync_fails,
    "postgresql-away": postgres_away.away,
    "cut-off": lambda: on_both(cut_off.four_times),
    "clocks": lambda: on_both(clocks.moved),
    "burst": lambda: on_both(burst.of_tokens),
    "failing-wg": lambda: on_both(failing_wg.half_of_the_time),
    "self-test": self_test.every_broken_promise,
}


def main(names: list[str]) -> int:
    """Prints one line a scenario; 1 when any of them failed, 2 when there is none of that name."""
    if set(names) - set(SCENARIOS):
        print(f"Scenarios: {', '.join(SCENARIOS)}.", file=sys.stderr)
        return 2
    failures = sum(fails(name, SCENARIOS[name]) for name in names or SCENARIOS)
    print(f"chaos: {'ok' if not failures else f'FAILED ({failures})'}")
    return 1 if failures else 0


def fails(name: str, scenario: Callable[[], str]) -> bool:
    started = time.monotonic()
    try:
        line, verdict = scenario(), "ok  "
    except (AssertionError, subprocess.SubprocessError) as problem:
        line, verdict = str(problem), "FAIL"
    print(f"{verdict} {name}: {line} ({time.monotonic() - started:.0f} s)", flush=True)
    return verdict == "FAIL"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
