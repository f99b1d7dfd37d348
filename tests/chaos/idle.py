"""What the agent costs while nothing happens."""

import time

from tests.chaos.machine import HubMachine, cpu_seconds, new_peers
from tests.journeys.lab import Lab

MOST_OF_A_CORE = 0.01


def a_thousand_peers(seconds: float = 60.0, most: float = MOST_OF_A_CORE) -> str:
    with Lab() as lab:
        hub = HubMachine(lab)
        hub.want_peers(new_peers(1000))
        agent = hub.start_agent()
        time.sleep(5)  # its first look is over
        before = cpu_seconds(agent)
        time.sleep(seconds)
        share = (cpu_seconds(agent) - before) / seconds
    assert share <= most, f"{share:.2%} of a core"
    return f"an idle agent with 1000 peers uses {share:.2%} of a core"
