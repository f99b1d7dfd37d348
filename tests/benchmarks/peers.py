"""`make bench-peers`: 8 clients enrol 300 machines while 200 live spokes shake hands, and nobody is hurt.

The live spokes are real wireguard-go processes; the machines that enrol try a handshake of their own in the end.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measure import costs, cpu_seconds, rounded
from tests.benchmarks.servant import Servant
from tests.benchmarks.stage import ENGINES, SQLITE, Ground, Stage, clean_up_when_ended
from tests.journeys.lab import Host
from wireguard.keys import generate_private_key, public_key_of

CLIENTS = 8
# Each is a wireguard-go; its tunnel has no address, for the handshake alone is watched. One user may have 128 inotify
# instances (fs.inotify.max_user_instances) and each wireguard-go takes one, so every hundred have a user of their own.
_CONNECT = """
set -e
caps=+net_admin,+dac_override
n=0
while read -r key; do
    setpriv --reuid $((61000 + n / 100)) --inh-caps $caps --ambient-caps $caps \\
        wireguard-go "p$n" >/dev/null 2>&1 </dev/null
    until wg show "p$n" >/dev/null 2>&1; do sleep 0.01; done
    printf %s "$key" >"/run/p$n.key"
    wg set "p$n" private-key "/run/p$n.key" peer {hub} endpoint {endpoint} persistent-keepalive 1
    ip link set "p$n" up
    n=$((n + 1))
done
until [ "$(wg show all latest-handshakes | awk '$3 > 0' | wc -l)" = "$n" ]; do sleep 0.2; done
"""
# One after the other forgets its session and shakes hands anew.
_SHAKE_AGAIN = """
n=0
while :; do
    wg set "p$n" peer {hub} remove
    wg set "p$n" peer {hub} endpoint {endpoint} persistent-keepalive 1
    n=$(((n + 1) % {count}))
    sleep 0.05
done
"""
_ALL_SHAKEN = "until [ $(wg show all latest-handshakes | awk '$3 > 0' | wc -l) = {count} ]; do sleep 0.2; done"


def measure(ground: Ground, machines: int, live: int, traced: int) -> dict[str, float]:
    """The figures; the first four have to be zero."""
    stage = ground.stage(live)
    live_keys = [generate_private_key() for _ in range(live)]
    stage.fill([public_key_of(key) for key in live_keys])
    stage.start_agent()
    stage.start_web()
    field = ground.host("field")
    hub = {"hub": stage.public_key(), "endpoint": f"{stage.host.address}:51820", "count": live}
    field.run(_CONNECT.format(**hub), given="".join(f"{key}\n" for key in live_keys), timeout=600, check=True)
    new_keys = [generate_private_key() for _ in range(machines)]
    figures = _enrol_under_watch(ground, stage=stage, field=field, hub=hub, new_keys=new_keys, live_keys=live_keys)
    stage.client.ask("issue", count=traced)
    figures["programs per add"] = _programs_started(stage, traced)
    return figures


def _enrol_under_watch(
    ground: Ground, *, stage: Stage, field: Host, hub: dict, new_keys: Sequence[str], live_keys: Sequence[str]
) -> dict[str, float]:
    machines = len(new_keys)
    stage.client.ask("issue", count=machines, keys=[public_key_of(key) for key in new_keys])
    watched = "\n".join(public_key_of(key) for key in live_keys)
    watch = stage.host.start([sys.executable, "-m", "tests.chaos.watched"], given=watched)
    again = field.start(_SHAKE_AGAIN.format(**hub))
    time.sleep(1)
    complaints: list[str] = []
    before = cpu_seconds(stage.processes("tunnel"))
    cost = costs(
        lambda: complaints.extend(stage.client.ask("enrol", clients=CLIENTS)), lambda: stage.processes("web", "agent")
    )
    tunnel = cpu_seconds(stage.processes("tunnel")) - before
    stage.host.run(
        f"until [ $(wg show wg0 peers | wc -l) -ge {stage.size + machines} ]; do sleep 0.1; done", timeout=60
    )
    for process in (watch, again):
        process.send_signal(15)
        process.wait(30)
    samples, missing = map(int, watch.written().split()[1:])
    dead_live = field.run(_ALL_SHAKEN.format(**hub), timeout=60).returncode
    newcomers = Servant(ground.host("new"), "tests.benchmarks.spokes_at_work", hub["endpoint"], hub["hub"])
    addresses = ["10.0.0.9"] * machines
    dead = newcomers.ask("unanswered", private_keys=list(new_keys), addresses=addresses)
    newcomers.dismiss()
    for text in filter(None, complaints):
        print(text, file=sys.stderr)
    return {
        "duplicates": _duplicates(stage),
        "dead peers": dead + dead_live,
        "errors": sum(map(bool, complaints)),
        "samples with a live peer missing": missing,
        "samples": samples,
        "adds per second": machines / cost.wall,
        "CPU ms per add, web and agent": cost.cpu / machines * 1000,
        "CPU ms per add, wireguard-go under watch": tunnel / machines * 1000,
    }


def _duplicates(stage: Stage) -> int:
    """Addresses on the interface that more than one peer has, or that are there without a spoke, or the other way."""
    rows = stage.host.wg_dump()[1:]
    on_interface = [address for row in rows for address in row[3].split(",")]
    wanted = stage.script("tests.benchmarks.wanted_addresses")
    return (
        len(on_interface)
        - len(set(on_interface))
        + len(set(on_interface) ^ set(wanted))
        + len(wanted)
        - len(set(wanted))
    )


def _programs_started(stage: Stage, count: int) -> float:
    """In a pass of its own: strace slows everything down."""
    trace = stage.home / "trace"
    followed = [word for pid in stage.processes("web", "agent") for word in ("-p", str(pid))]
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=execve", "-o", trace, *followed])
    time.sleep(1)
    stage.client.ask("register", count=count, clients=CLIENTS)
    time.sleep(0.5)
    tracer.terminate()
    tracer.wait()
    return len(re.findall(r"execve\(.* = 0$", Path(trace).read_text(), re.MULTILINE)) / count


def main(arguments: Sequence[str]) -> int:
    """1 when any of the first four is not zero."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.peers")
    parser.add_argument("--machines", type=int, default=300)
    parser.add_argument("--live", type=int, default=200)
    parser.add_argument("--traced", type=int, default=60)
    parser.add_argument("--engine", default=SQLITE, choices=ENGINES)
    asked = parser.parse_args(arguments)
    with Ground(asked.engine) as ground:
        figures = measure(ground, asked.machines, asked.live, asked.traced)
    print(json.dumps({"engine": asked.engine} | {name: rounded(value) for name, value in figures.items()}))
    return 1 if any(list(figures.values())[:4]) else 0


if __name__ == "__main__":
    clean_up_when_ended()
    sys.exit(main(sys.argv[1:]))
