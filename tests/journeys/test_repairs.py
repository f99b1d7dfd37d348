"""Real tunnels while things go wrong on the hub: what heals, how soon, and whose ping never stops."""

import sys
import time
from collections.abc import Callable

import pytest

from tests.journeys.demo import (
    HUB,
    HUB_IN_TUNNEL,
    SETTINGS,
    Hub,
    Spoke,
    answers_of,
    hub_answers,
    hub_is_set_up,
    spoke_enrols,
    spoke_shook_hands,
    start_ping,
    wait_for_answers,
)
from tests.journeys.lab import Host, Lab

pytestmark = pytest.mark.journey


@pytest.fixture
def hub(lab: Lab) -> Hub:
    hub = Hub(lab.host("hub", HUB, forwarding=True))
    hub_answers(hub)
    hub_is_set_up(hub)
    return hub


@pytest.fixture
def spoke(lab: Lab, hub: Hub) -> Spoke:
    spoke = Spoke(lab.host("spoke1", "203.0.113.11"))
    spoke_enrols(hub, spoke)
    spoke_shook_hands(spoke)
    return spoke


def wait_for(holds: Callable[[], bool], seconds: float) -> float:
    """How long it took, in seconds."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.1)
    return time.monotonic() - began


def peers_on(host: Host) -> set[str]:
    """The public keys on the interface; none while there is no interface."""
    return set(host.run(["wg", "show", "wg0", "peers"]).stdout.split())


def agents(host: Host) -> list[str]:
    return host.run(["pgrep", "-f", "manage.py hub_agent"]).stdout.split()


def test_an_interface_deleted_by_hand_is_back_within_ten_seconds_with_every_peer(hub, spoke):
    hub.host.run(["ip", "link", "delete", "dev", "wg0"])
    wait_for(lambda: peers_on(hub.host) == {spoke.public_key}, seconds=10)
    # wireguard-go on the spoke's side notices a hub that began anew after up to 15 s.
    wait_for(lambda: spoke.host.ping(HUB_IN_TUNNEL), seconds=60)


def test_a_peer_taken_off_by_hand_is_put_back_and_a_foreign_one_is_cut(hub, spoke):
    foreign = "Zm9yZWlnbmZvcmVpZ25mb3JlaWduZm9yZWlnbmZvcmU="
    by_hand = ["peer", spoke.public_key, "remove", "peer", foreign, "allowed-ips", "10.0.1.99/32"]
    hub.host.run(["wg", "set", "wg0", *by_hand], check=True)
    wait_for(lambda: peers_on(hub.host) == {spoke.public_key}, seconds=30)


def test_a_ping_survives_the_agent_killed_and_started_again(hub, spoke):
    ping = start_ping(spoke, HUB_IN_TUNNEL)
    assert wait_for_answers(ping, lambda answers: len(answers) > 5)
    (agent,) = agents(hub.host)
    hub.host.run(["kill", "-9", agent])  # the launcher stops web as well: the tunnel needs neither
    wait_for(lambda: not agents(hub.host), seconds=60)
    hub.host.run([sys.executable, "manage.py", "hub_agent", "--once"], env=SETTINGS)
    afterwards = time.time()
    assert wait_for_answers(ping, lambda answers: len(answers) > 20 and answers[-1][0] > afterwards)
    ping.send_signal(2)
    ping.wait(60)
    numbers = [number for _, number in answers_of(ping)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_network_of_the_machines_own_is_not_taken(lab):
    hub = Hub(lab.host("hub", HUB))
    hub.host.run(["ip", "address", "add", "10.0.1.77/24", "dev", "lo"])
    hub.host.run(["ip", "link", "add", "dummy0", "type", "bridge"])
    hub.host.run(["ip", "address", "add", "10.0.0.1/16", "dev", "dummy0"])
    hub.host.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], env=SETTINGS)
    hub.manage("init_hub", "--network", "10.0.1.0/24", "--endpoint", f"{HUB}:51820")
    done = hub.host.run([sys.executable, "manage.py", "hub_agent", "--once"], env=SETTINGS)
    assert done.returncode == 1
    assert "10.0.0.0/16" in done.stderr
    assert hub.host.run(["ip", "link", "show", "dev", "wg0"]).returncode != 0
