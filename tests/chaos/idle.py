"""What the agent costs while nothing happens."""

import sys
import time

from tests.chaos.machine import HubMachine, cpu_seconds, new_peers
from tests.journeys.lab import Lab

MOST_OF_A_CORE = 0.01


def a_thousand_peers(seconds: float = 60.0, most: float = MOST_OF_A_CORE) -> str:
    with Lab() as lab:
        hub = HubMachine(lab)
        hub.want_peers(new_peers(1000))
        agent = hub.start_agent()
        # What it does at its start, the first look at all of them included, is over.
        well = "from wireguard.models import *; print(AgentState.current().synced_at is not None)"
        command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", well]
        deadline = time.monotonic() + 60
        while "True" not in hub.host.run(command, env=hub.settings, check=True).stdout:
            assert time.monotonic() < deadline, agent.complaints()
        time.sleep(1)
        before = cpu_seconds(agent)
        time.sleep(seconds)
        share = (cpu_seconds(agent) - before) / seconds
    assert share <= most, f"{share:.2%} of a core"
    return f"an idle agent with 1000 peers uses {share:.2%} of a core"
