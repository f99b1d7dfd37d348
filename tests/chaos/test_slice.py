"""A slice of what `make chaos` does, seconds long: the same scenarios, fewer times."""

import signal

import pytest

from tests.chaos import drift, idle, self_test, takeover, watched
from tests.chaos.drift import KINDS
from tests.journeys.conftest import needs_root


@pytest.fixture
def ground():
    with drift.Lab() as lab:
        yield drift.Ground(lab)


@pytest.mark.journey
@needs_root
def test_five_things_wrong_at_once_are_right_within_15_s_and_the_other_spoke_loses_no_ping(ground):
    at_once = ["foreign peer", "allowed-ips widened", "keepalive", "mtu", "firewall gone"]
    with ground.bystander.pinging() as ping:
        assert ground.suffer([KINDS[name] for name in at_once]) <= drift.WITHIN_SECONDS
    assert drift.lost(ping) == 0


@pytest.mark.journey
@needs_root
def test_no_live_peer_is_missing_while_machines_enrol():
    assert "missing in 0 of" in watched.enrolments_under_watch(machines=16, clients=8, live=100)


@pytest.mark.journey
@needs_root
def test_an_idle_agent_costs_next_to_nothing():
    # Over a few seconds and beside other tests; `make chaos` measures the one per cent.
    idle.a_thousand_peers(seconds=8, most=0.05)


@pytest.mark.django_db
def test_a_standby_takes_over_from_an_agent_that_is_killed_and_from_one_that_is_stopped():
    takeover.handed_over([signal.SIGKILL, signal.SIGSTOP])


@pytest.mark.journey
@needs_root
def test_a_hub_that_lets_a_token_be_used_twice_is_found_out_by_what_its_clients_were_told():
    self_test.is_seen_soon("double-redeem")
