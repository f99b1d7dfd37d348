"""What the journeys share: finding out whether a lab left anything behind."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.lab import Lab, footprint

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="real tunnels need network namespaces: run as root")
KINDS = ("net", "mnt", "pid")


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def namespaces_of(pid: int | str) -> set[str]:
    found = set()
    for kind in KINDS:
        with contextlib.suppress(OSError):  # it may have ended just now
            found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))  # noqa: PTH115 - not a path at all
    return found


def descendants_of(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return children + [deeper for child in children for deeper in descendants_of(child)]
    return []


class Namespaces:
    """Those that the descendants of a process live in and this test does not. Kept open here until `close`,
    because the kernel gives the number of a namespace that is gone to the next one."""

    def __init__(self, pid: int) -> None:
        self.opened: dict[str, int] = {}
        for child in descendants_of(pid):
            for kind in KINDS:
                self._keep(f"/proc/{child}/ns/{kind}")
        for name in namespaces_of("self") & set(self.opened):
            os.close(self.opened.pop(name))

    def _keep(self, link: str) -> None:
        with contextlib.suppress(OSError):
            descriptor = os.open(link, os.O_RDONLY)
            name = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - not a path at all
            if self.opened.setdefault(name, descriptor) != descriptor:
                os.close(descriptor)

    def inhabitants(self) -> list[str]:
        processes = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in processes if namespaces_of(pid) & set(self.opened)]

    def close(self) -> None:
        for descriptor in self.opened.values():
            os.close(descriptor)
        self.opened.clear()

    def __len__(self) -> int:
        return len(self.opened)


def mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


def machine() -> dict[str, object]:
    return footprint() | {"mounts": mounts()}


def assert_deserted(spaces: Namespaces, *, within: float = 30.0) -> None:
    """A namespace that no process lives in and no mount names is gone, with its links, mounts and files."""
    deadline = time.monotonic() + within
    while (left := spaces.inhabitants()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left
    assert not [line for line in mounts() if any(space in line for space in spaces.opened)]
    spaces.close()
