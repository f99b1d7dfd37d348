"""The agent and the modes of forwarding: what changes is the firewall, and nobody's peer."""

import pytest
from django.utils import timezone

from tests.conftest import BY_TEST
from tests.wireguard.keeper import unwant, want_peer
from wireguard.services import initialize_hub, update_hub
from wireguard.wanted import wanted_firewall

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("mode", ["cluster", "open", "isolated"])
def test_another_mode_is_applied_without_touching_a_peer(make_agent, backend, new_hub, mode):
    want_peer(2)
    agent = make_agent()
    agent.turn()
    backend.changes.clear()
    hub = update_hub(by=BY_TEST, now=timezone.now(), spokeToSpoke=mode)
    agent.turn()
    assert backend.changes == []
    assert agent._service.has_applied(wanted_firewall(hub))
    assert backend.is_forwarding("wg0", versions=[4]) == (mode != "isolated")


def test_a_node_that_is_removed_leaves_the_firewall_with_its_peer(make_agent, backend, new_hub):
    node = want_peer(2)
    type(node).objects.update(forwarding_group=7)
    update_hub(by=BY_TEST, now=timezone.now(), spokeToSpoke="cluster")
    agent = make_agent()
    agent.turn()
    assert "10.0.1.2 : jump cluster_7" in backend.firewall_table()
    unwant(node)
    agent.turn()
    assert "10.0.1.2 " not in backend.firewall_table()


def test_both_families_are_brought_up(make_agent, backend, db):
    values = {"network_cidr": "10.0.1.0/24", "network_cidr6": "fd00::/64", "endpoint": "hub.example.com:51820"}
    initialize_hub(**values, by=BY_TEST, now=timezone.now())
    agent = make_agent()
    agent.turn()
    assert set(backend.link_state("wg0").addresses) == {"10.0.1.1/24", "fd00::1/64"}
    update_hub(by=BY_TEST, now=timezone.now(), spokeToSpoke="open", networkCIDR6="fd00:1::/64")
    agent.turn()
    assert set(backend.link_state("wg0").addresses) == {"10.0.1.1/24", "fd00:1::1/64"}
    assert backend.is_forwarding("wg0", versions=[4, 6])
    assert "fd00:1::/64" in backend.firewall_table()


def test_spokes_reach_dns_on_the_hub_when_they_are_told_to_ask_it(hub, settings):
    settings.HUB_SPOKE_SERVICES = "udp/53 tcp/443"
    own = hub.interface_address.partition("/")[0]
    hub.dns = ["1.1.1.1"]
    assert wanted_firewall(hub).services == ("tcp/443", "udp/53")
    hub.dns = ["1.1.1.1", own]
    assert wanted_firewall(hub).services == ("tcp/443", "tcp/53", "udp/53")
