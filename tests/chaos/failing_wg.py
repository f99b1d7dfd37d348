"""`wg` fails half of the time: before it did anything, or after it had done all of it."""

import random
import time

from tests.chaos.stage import stage

# First on the agent's path. What becomes of a call is decided beforehand, by seeded dice.
_STAND_IN = """#!/bin/sh
number=$(($(cat /run/wg-calls 2>/dev/null || echo 0) + 1))
echo $number >/run/wg-calls
fate=$(cut -c $((number % 1000 + 1)) /run/wg-fates)
[ "$fate" != b ] || { echo "Unable to modify interface: Device or resource busy" >&2; exit 1; }
[ "$fate" = a ] || exec /usr/bin/wg "$@"
/usr/bin/wg "$@"
exit 1
"""
_PLACE = "/usr/local/sbin"


def half_of_the_time(engine: str, *, seconds: float = 25, seed: int | None = None) -> str:
    seed = random.randrange(10**6) if seed is None else seed
    print(f"seed {seed}", flush=True)
    dice = random.Random(seed)
    with stage(engine, calm=6) as hub:
        hub.host.write("/run/wg-fates", "".join(dice.choice("oooobbba") for _ in range(1000)) + "\n")
        hub.host.write("/run/stand-in", _STAND_IN)
        hub.host.run(
            f"mount -t tmpfs tmpfs {_PLACE} && cp /run/stand-in {_PLACE}/wg && chmod 755 {_PLACE}/wg", check=True
        )
        hub.crowd(pause=0.2)
        time.sleep(seconds / 2)
        # Also while the interface is made.
        hub.host.run(["ip", "link", "delete", "dev", "wg0"])
        time.sleep(seconds / 2)
        hub.host.run(f"umount -l {_PLACE}", check=True)
        calls = int(hub.host.run("cat /run/wg-calls").stdout)
        assert calls > 20, f"the stand-in was called {calls} times only"
        return f"{calls} calls of wg in {seconds:g} s: {hub.verdict()}"
