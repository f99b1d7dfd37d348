"""A small slice of `make prove`, in every test run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.live import LiveHub, live_hub
from tests.prove import races
from tests.prove.model import Lives
from tests.prove.secret_search import secret_search

pytestmark = pytest.mark.django_db


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LiveHub]:
    with live_hub(tmp_path) as hub:
        hub.start_web()
        yield hub


def test_what_may_happen_once_happens_once(hub):
    races.fetches(hub, tokens=10, each=5)
    races.registrations(hub, tokens=10, keys=5)
    races.issues(hub, tokens=20)
    races.register_against_revoke(hub, races=15)
    races.claim_against_revoke(hub, races=15)


def test_no_secret_is_written_or_served(hub):
    secret_search(hub, tokens=5)


def test_lives_of_tokens_and_spokes_are_as_the_model_says(db):
    quick = settings(max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Lives, settings=quick)
