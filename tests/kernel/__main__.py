"""Tunnels and agent over the kernel's own WireGuard, in a Linux that runs as a program: `make kernel`.

Tests may be named; else it runs those in PATHS: all that have an interface of their own, the demo among them.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.kernel.build import KernelUnavailable, linux

REPOSITORY = Path(__file__).resolve().parents[2]
INIT = Path(__file__).with_name("init.sh")
PATHS = [
    "tests/wireguard/test_backend_contract.py",
    "tests/wireguard/test_forwarding_switches.py",
    "tests/journeys/test_demo.py::test_it_proves_an_enrolment_and_leaves_nothing",
    "tests/journeys/test_repairs.py",
    "tests/journeys/test_forwarding.py",
]
HANGS_AFTER = 3600.0


def main(paths: list[str]) -> int:
    try:
        program = linux()
    except KernelUnavailable as reason:
        print(f"kernel: {reason}")
        return 1
    began = time.monotonic()
    with booted(program, paths or PATHS) as console:
        said = [show(line) for line in console]
    took = f"{time.monotonic() - began:.0f} s"
    reason = what_failed(said)
    print(f"kernel: FAILED ({reason}, {took})" if reason else f"kernel: ok ({summary(said)}, {took})")
    return 1 if reason else 0


def show(line: str) -> str:
    print(line, end="", flush=True)
    return line.rstrip()


def what_failed(said: list[str]) -> str:
    """Empty when all went well. A skipped test proves nothing here."""
    ended = [found[1] for line in said if (found := re.fullmatch(r"Linux \S+ ended with (\d+)", line))]
    if not ended:
        return "it did not come to its end"
    if ended != ["0"]:
        return f"exit code {ended[0]}"
    return "" if re.match(r"\d+ passed in", summary(said)) else summary(said)


def summary(said: list[str]) -> str:
    """The last line of pytest."""
    return next((line for line in reversed(said) if " passed" in line), "no test")


@contextmanager
def booted(program: Path, paths: list[str]) -> Iterator[Iterator[str]]:
    """The lines of its console, while it runs."""
    options = ["mem=3G", "quiet", "console=tty0", "con=null", "con0=null,fd:1"]
    root = ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={INIT}"]
    with (
        TemporaryDirectory() as notes,
        subprocess.Popen(
            [program, *options, f"uml_dir={notes}", *root, "--", REPOSITORY, *paths],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={"PATH": os.environ["PATH"]},
            start_new_session=True,
        ) as process,
    ):
        watchdog = threading.Timer(HANGS_AFTER, end, [process])
        watchdog.start()
        try:
            assert process.stdout is not None
            yield iter(process.stdout)
        finally:
            watchdog.cancel()
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Its session holds all that a user-mode Linux has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
