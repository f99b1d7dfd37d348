"""What is there in the end: `python -m tests.chaos.ending SECONDS`, on the hub's machine, prints it as JSON.

It waits until interface and database say the same and the hub calls itself well, for at most so many seconds, and tells
how long that took.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hubproject.settings")
django.setup()

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import connection
from django.db.models import F

from hubproject.audit import verify_audit
from hubproject.models import AuditEvent
from spokes.models import Spoke
from tokens.models import InstallationToken, RestingAddress
from wireguard.dump import parse_dump
from wireguard.models import HubConfig, Peer

_TOKEN = {"hash": F("token_hash"), "name": F("spoke_name")}


def interface() -> dict[str, str]:
    """Public key → allowed-ips; nothing when there is no interface."""
    shown = subprocess.run(["/usr/bin/wg", "show", "wg0", "dump"], capture_output=True, text=True)
    if shown.returncode != 0:
        return {}
    return {key: ",".join(peer.allowed_ips) for key, peer in parse_dump(shown.stdout).peers.items()}


def peers() -> dict[str, str]:
    return dict(Peer.objects.filter(live_key__isnull=False).values_list("public_key", "allowed_ips"))


def is_converged() -> bool:
    """Read twice, so that nothing moved in between."""
    try:
        before = HubConfig.objects.get().generation
        shown, wanted = interface(), peers()
        return before == HubConfig.objects.get().generation and shown == wanted and _is_well()
    except (DatabaseTrouble, OSError, ValueError):
        connection.close()
        return False


def _is_well() -> bool:
    with urllib.request.urlopen(f"http://{settings.HUB_BIND}/api/healthz", timeout=5) as answer:
        return bool(json.load(answer)["status"] == "ok")


def wait_until_converged(seconds: float) -> float | None:
    """How long it took; None when it never came."""
    began = time.monotonic()
    while not is_converged():
        if time.monotonic() - began > seconds:
            return None
        time.sleep(0.1)
    return time.monotonic() - began


def ending(converged_seconds: float | None) -> dict[str, Any]:
    """The fields of `history.Ending`."""
    columns = ("id", "address", "host", "lease_host", "lease_name", "state")
    spokes = Spoke.objects.select_related("peer")
    events = AuditEvent.objects.filter(event__in=["spoke.registered", "spoke.removed", "token.redeemed"])
    count = Counter((event, details.get("spoke") or details["token"]) for event, details in _pairs(events))
    return {
        "converged_seconds": converged_seconds,
        "tokens": [{**row, "id": str(row["id"])} for row in InstallationToken.objects.values(*columns, **_TOKEN)],
        "spokes": [
            {
                "id": str(spoke.pk),
                "token": str(spoke.token_id),
                "name": spoke.name,
                "key": spoke.peer.public_key,
                "allowed_ips": spoke.peer.allowed_ips,
                "is_removed": spoke.removed_at is not None,
                "is_peer_live": spoke.peer.live_key is not None,
            }
            for spoke in spokes
        ],
        "peers": peers(),
        "interface": interface(),
        "resting": list(RestingAddress.objects.values_list("host", flat=True)),
        "next_host": HubConfig.objects.get().next_host,
        "events": [[event, subject, times] for (event, subject), times in count.items()],
        "audit_breach": str(verify_audit() or ""),
    }


def _pairs(events: Any) -> Any:
    return events.values_list("event", "details").iterator()


if __name__ == "__main__":
    took = wait_until_converged(float(sys.argv[1]))
    print(json.dumps({"converged_seconds": took} if sys.argv[2:] else ending(took)))
