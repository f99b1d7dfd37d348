"""A hub with an IPv6 prefix: the pasted command gives a machine both addresses, and takes both away."""

import pytest

from tests.journeys.conftest import needs_root
from tests.journeys.demo import HUB, Hub, hub_answers, wait_for_health
from tests.journeys.lab import Lab

pytestmark = [pytest.mark.journey, needs_root]


def test_a_machine_gets_both_addresses_and_reaches_the_hub_by_either(lab: Lab) -> None:
    hub, spoke = Hub(lab.host("hub", HUB)), lab.host("laptop", "203.0.113.11")
    hub_answers(hub)
    prefix = "fd5e:12a0:77::/64"
    hub.manage("init_hub", "--network", "10.0.1.0/24", "--network6", prefix, "--endpoint", f"{HUB}:51820")
    wait_for_health(hub, lambda health: health.get("agent") == "ok")
    done = spoke.run(hub.manage("issue_token", "laptop"))
    assert done.returncode == 0, done.stderr
    assert spoke.ping("10.0.1.1", count=2)
    assert spoke.ping("fd5e:12a0:77::1", count=2)
    (_, peer) = hub.host.wg_dump()
    assert peer[3] == "10.0.1.2/32,fd5e:12a0:77::2/128"
    assert "fd5e:12a0:77::2/64" in spoke.run(["ip", "-6", "address", "show", "dev", "wg0"]).stdout
    spoke.run("sh /var/lib/wireguard-hub-spoke/*/install.sh uninstall", check=True)
    assert "fd5e:12a0:77" not in spoke.run(["ip", "-6", "address"]).stdout
