"""`hub_agent --down`: the interface ends, and what was changed for it is put back."""

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.conftest import BY_TEST
from tests.wireguard.keeper import finish_look, want_peer
from wireguard.backends import BackendError
from wireguard.keys import generate_private_key
from wireguard.models import AgentState
from wireguard.services import update_hub

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(make_agent, backend, new_hub):
    """An agent whose interface is up, with forwarding on."""
    want_peer(2)
    update_hub(by=BY_TEST, now=timezone.now(), spokeToSpoke="open")
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    return agent


def test_interface_firewall_and_forwarding_are_gone(running, make_agent, backend):
    running._close()
    assert make_agent().take_down() == ""
    assert not backend.interface_exists("wg0")
    assert backend.firewall_table() is None
    assert not backend.is_forwarding("wg0", versions=[4])
    assert not AgentState.current().interface_up


def test_the_next_start_brings_everything_back(running, make_agent, backend):
    running._close()
    make_agent().take_down()
    assert make_agent().run_once() == ""
    assert backend.is_forwarding("wg0", versions=[4])


def test_it_can_be_said_twice_and_without_a_hub(make_agent, db):
    assert make_agent().take_down() == ""


def test_an_interface_of_somebody_else_is_left_alone(make_agent, backend, new_hub):
    backend.create_interface("wg0")
    backend.set_interface("wg0", private_key=generate_private_key())
    assert "belongs to something else" in make_agent().take_down()
    assert backend.interface_exists("wg0")


def test_what_hinders_it_is_told(running, make_agent, backend):
    running._close()
    backend.fail_with = BackendError("`wg show` failed.")
    assert make_agent().take_down() == "`wg show` failed."


def test_while_an_agent_runs_it_is_refused(running, make_agent, backend, settings, monkeypatch):
    monkeypatch.setattr("wireguard.lease._is_gone", lambda holder: False)  # both are this very process
    assert "Another agent is in charge" in make_agent().take_down()
    assert backend.interface_exists("wg0")
    settings.HUB_WIREGUARD_BACKEND = "wireguard.backends.MemoryBackend"
    with pytest.raises(CommandError, match="Another agent is in charge"):
        call_command("hub_agent", "--down")
