"""What tests of the agent start from: a machine in memory, a clock for the looks, a hub, agents."""

import threading
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from tests.conftest import BY_TEST
from tests.wireguard.keeper import NoWakeup, RecordingBackend, Ticks
from wireguard.agent import Agent
from wireguard.lease import Lease
from wireguard.models import HubConfig
from wireguard.services import initialize_hub


@pytest.fixture
def backend() -> RecordingBackend:
    return RecordingBackend()


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def make_agent(backend: RecordingBackend, ticks: Ticks) -> Iterator[Callable[..., Agent]]:
    agents = []

    def make(lease: Lease | None = None) -> Agent:
        agents.append(Agent(backend, NoWakeup(), threading.Event(), lease=lease, monotonic=ticks))
        return agents[-1]

    yield make
    for agent in agents:
        agent._close()


@pytest.fixture
def new_hub(db: None) -> HubConfig:
    """A hub set up a moment ago, by the clock on the wall."""
    return initialize_hub(network_cidr="10.0.1.0/24", endpoint="hub.example.com:51820", by=BY_TEST, now=timezone.now())
