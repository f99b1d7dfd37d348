"""Throw-away machines for the tests of the install scripts."""

from collections import Counter

import pytest

from tests.tokens.mac import Mac
from tests.tokens.machine import Machine


@pytest.fixture
def build(tmp_path):
    """Make machines that are taken down at the end of the test."""
    machines: list[Machine] = []

    def build_one(shell="dash", kind=Machine, **options):
        place = tmp_path / str(len(machines))
        place.mkdir()
        machines.append(kind(place, shell, **options))
        return machines[-1]

    yield build_one
    for machine in machines:
        machine.close()


@pytest.fixture
def machine(build):
    return build()


@pytest.fixture
def build_mac(build):
    """Make Macs; `prefix` is where Homebrew is."""
    return lambda shell="bash", prefix="opt/homebrew": build(shell, kind=type("Mac", (Mac,), {"prefix": prefix}))


@pytest.fixture
def mac(build_mac):
    return build_mac()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cuts and kills were tried."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        counts.update(dict(report.user_properties))
    for name, count in counts.items():
        terminalreporter.write_line(f"{count} {name}")
