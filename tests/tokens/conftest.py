"""Throw-away machines for the tests of the install scripts."""

import pytest

from tests.tokens.machine import Machine


@pytest.fixture
def build(tmp_path):
    """Make machines that are taken down at the end of the test."""
    machines: list[Machine] = []

    def build_one(shell="dash", **options):
        place = tmp_path / str(len(machines))
        place.mkdir()
        machines.append(Machine(place, shell, **options))
        return machines[-1]

    yield build_one
    for machine in machines:
        machine.close()


@pytest.fixture
def machine(build):
    return build()
