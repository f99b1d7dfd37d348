"""What `make prove` runs inside a test database; too long for every run."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.prove.model import Lives

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("PROVE_IN_FULL" not in os.environ, reason="part of `make prove`; a slice runs in test_slice.py"),
]


def test_lives():
    full = settings(max_examples=500, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Lives, settings=full)
