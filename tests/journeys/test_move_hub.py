"""A hub is lost, a bare machine takes its place from a backup, and its spokes never notice more than a pause."""

import sys

import pytest

from tests.journeys.conftest import needs_root
from tests.journeys.demo import HUB, HUB_IN_TUNNEL, SETTINGS, Hub, Spoke, hub_answers, hub_is_set_up
from tests.journeys.demo import spoke_enrols as enrols
from tests.journeys.demo import spoke_shook_hands as shook_hands
from tests.journeys.lab import Host, Lab
from tests.journeys.test_repairs import peers_on, wait_for

pytestmark = [pytest.mark.journey, needs_root]

FILE = "/var/lib/hub.tar.gpg"


def manage(host: Host, *command: str) -> str:
    environment = SETTINGS | {"HUB_BACKUP_PASSPHRASE_FILE": "/run/passphrase"}
    done = host.run([sys.executable, "manage.py", *command], env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_on_a_second_machine_the_hub_goes_on_and_the_spoke_pings_it_again_untouched(lab: Lab) -> None:
    old, spoke = Hub(lab.host("hub", HUB, forwarding=True)), Spoke(lab.host("spoke1", "203.0.113.11"))
    hub_answers(old)
    hub_is_set_up(old)
    enrols(old, spoke)
    shook_hands(spoke)

    old.host.write("/run/passphrase", "of the journey")
    manage(old.host, "backup", "--output", FILE)
    content = old.host.run(["base64", FILE], check=True).stdout
    old.host.run(["ip", "link", "set", "eth0", "down"], check=True)  # lost, with all that ran on it
    assert not spoke.host.ping(HUB_IN_TUNNEL, timeout=1)

    new = Hub(lab.host("hub2", "203.0.113.2", forwarding=True))
    new.host.write("/run/passphrase", "of the journey")
    new.host.write("/run/encoded", content)
    new.host.run(f"base64 -d /run/encoded >{FILE}", check=True)
    assert "Restored: 203.0.113.1:51820, 1 spokes" in manage(new.host, "restore", FILE, "--yes")
    new.host.run(["ip", "address", "add", f"{HUB}/24", "dev", "eth0"], check=True)
    new.host.run(["ping", "-c", "1", "-I", HUB, spoke.host.address])  # tells the neighbours who has the address now
    hub_answers(new)
    wait_for(lambda: new.host.run(["ip", "link", "show", "wg0"]).returncode == 0, seconds=60)
    assert peers_on(new.host) == set()
    assert not spoke.host.ping(HUB_IN_TUNNEL, timeout=1)

    assert "1 let in" in said_by_release(new)
    wait_for(lambda: peers_on(new.host) == {spoke.public_key}, seconds=30)
    # wireguard-go on the spoke's side notices a hub that began anew after up to 15 s.
    wait_for(lambda: spoke.host.ping(HUB_IN_TUNNEL), seconds=60)
    assert "chain intact" in manage(new.host, "verify_audit")


def said_by_release(hub: Hub) -> str:
    """What it lists, once the agent has looked."""
    query = "from wireguard.models import AgentState; print(AgentState.current().differences)"
    wait_for(lambda: "let in" in manage(hub.host, "shell", "-v", "0", "-c", query), seconds=60)
    return manage(hub.host, "release_hold")
