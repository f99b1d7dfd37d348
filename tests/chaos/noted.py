"""A backend in memory that notes who changed what, and when, for scenarios with several agents."""

import os
import time
from pathlib import Path
from typing import Any

from django.conf import settings

from wireguard.backends import MemoryBackend

_CHANGES = ("create_interface", "configure", "set_interface", "set_peers", "set_addresses", "link_up", "load_ruleset")


def notes(home: Path) -> list[tuple[int, float, str]]:
    """Process, moment (seconds since boot) and name of each change, in order."""
    lines = (home / "changes").read_text().splitlines() if (home / "changes").exists() else []
    return [(int(pid), float(at), act) for pid, at, act in map(str.split, lines)]


class NotedBackend(MemoryBackend):
    """Every change leaves a line in `changes` in the data directory before it is made."""

    def __getattribute__(self, name: str) -> Any:
        if name in _CHANGES:
            with (settings.HUB_DATA_DIR / "changes").open("a") as file:
                file.write(f"{os.getpid()} {time.monotonic()} {name}\n")
        return super().__getattribute__(name)
