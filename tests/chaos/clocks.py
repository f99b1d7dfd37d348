"""The clocks of web and agent are moved by two days, forth and back, each on its own."""

import time
from pathlib import Path

from tests.chaos.stage import stage

# libfaketime takes Python's sleep, until a moment of the clock that only counts, for one of the clock that it moves.
_SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
_LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


def moved(engine: str, *, seconds: float = 5) -> str:
    """What time_t says moves; clocks that only count go on, as they do when an administrator sets the date."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), _LIBRARY)
    assert library.exists(), "the package faketime is missing"
    with stage(engine, calm=6) as hub:
        hub.host.write("/run/sleep/sitecustomize.py", _SLEEP)
        for name, service in hub.services.items():
            hub.host.write(f"/run/clock-{name}", "+0")
            service.restart_under(
                PYTHONPATH="/run/sleep",
                LD_PRELOAD=str(library),
                FAKETIME_TIMESTAMP_FILE=f"/run/clock-{name}",
                FAKETIME_NO_CACHE="1",
                FAKETIME_DONT_FAKE_MONOTONIC="1",
            )
        hub.crowd(pause=0.2)
        moves = [("web", "+2d"), ("agent", "+2d"), ("web", "-2d"), ("agent", "-2d"), ("agent", "+2d"), ("web", "+0")]
        for name, offset in moves:
            time.sleep(seconds)
            hub.host.write(f"/run/clock-{name}", offset)
        time.sleep(seconds)
        hub.host.write("/run/clock-agent", "+0")
        return f"{len(moves) + 1} moves by two days and more: {hub.verdict(with_moved_clocks=True)}"
