"""From the commit that wants a peer to the hub's answer to its handshake: started in a hub's machine by `servant`."""

import os
import subprocess
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hubproject.settings")
django.setup()

from django.db import transaction

from tests.benchmarks.servant import serve
from tests.benchmarks.spokes_at_work import Flock, Spoke
from wireguard.keys import generate_private_key, public_key_of
from wireguard.services import add_peer, lock_hub

PAUSE_SECONDS = 0.15


class Arrivals:
    def __init__(self, hub: str, hub_key: str) -> None:
        self.flock = Flock(hub, hub_key)

    def _spoke(self) -> tuple[Spoke, str, str]:
        time.sleep(PAUSE_SECONDS)
        number = len(self.flock.spokes)
        key, address = generate_private_key(), f"10.0.{200 + number // 250}.{number % 250 + 1}"
        (spoke,) = self.flock.add([key], [address])
        return spoke, public_key_of(key), f"{address}/32"

    def wanted(self) -> float:
        """Seconds from the commit."""
        spoke, key, allowed_ips = self._spoke()
        with transaction.atomic():
            lock_hub()
            add_peer(public_key=key, allowed_ips=allowed_ips)
        return self.flock.seconds_until_answered(spoke, time.monotonic())

    def bare(self) -> float:
        """Seconds from the start of `wg set`."""
        spoke, key, allowed_ips = self._spoke()
        began = time.monotonic()
        subprocess.run(["wg", "set", "wg0", "peer", key, "allowed-ips", allowed_ips], check=True)
        seconds = self.flock.seconds_until_answered(spoke, began)
        subprocess.run(["wg", "set", "wg0", "peer", key, "remove"], check=True)
        return seconds


if __name__ == "__main__":
    arrivals = Arrivals(*sys.argv[1:])
    serve(wanted=arrivals.wanted, bare=arrivals.bare)
