"""What a hub holds while its pages are looked at; `python -m tests.browser.states fleet` fills one.

Every state has three users, one for each role, whose session ids are printed: signing in has tests of its own.
"""

import json
import math
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import django

PASSWORD = "correct horse battery"
USERS = {"admin": "root", "operator": "otto", "viewer": "vera"}


def nothing() -> None:
    """Not set up yet."""


def no_hub() -> None:
    """There are people who sign in, and no network yet."""


def empty() -> None:
    """Set up a moment ago: an agent, and nobody else."""
    from tests.fleet import seed_fleet

    seed_fleet(0, _now())


def fleet() -> None:
    """148 spokes, clusters in every health, installs in every state, a day of traffic, keys, things that happened."""
    from tests.fleet import seed_fleet

    now = _now()
    seed_fleet(148, now)
    _tokens(now)
    _traffic(now)
    _keys(now)


def silent() -> None:
    """The same, and the agent has not been heard of for a while."""
    from wireguard.models import AgentState

    fleet()
    AgentState.objects.update(alive_at=_now() - timedelta(minutes=4), synced_at=_now() - timedelta(minutes=4))
    _timers(_now())


STATES: dict[str, Callable[[], None]] = {one.__name__: one for one in (nothing, no_hub, empty, fleet, silent)}


def _tokens(now: datetime) -> None:
    from hubproject.audit import Caller
    from tokens.services import claim_token, issue_token, revoke_token

    by, machine = Caller("root", "192.0.2.1"), Caller("spoke", "198.51.100.23", "curl/8.5.0")
    for name, age in (("nas-lyon", 1), ("build-arm-3", 3), ("kiosk-7", 30)):
        issue_token(spoke_name=name, platform="linux", by=by, now=now - timedelta(hours=age))
    fetched = issue_token(spoke_name="ana-notebook", platform="linux", by=by, now=now - timedelta(minutes=3))
    claim_token(secret=fetched.secret, platform="linux", by=machine, now=now - timedelta(seconds=20))
    stopped = issue_token(spoke_name="db-replica-2", platform="linux", by=by, now=now - timedelta(hours=20))
    claim_token(secret=stopped.secret, platform="linux", by=machine, now=now - timedelta(minutes=42))
    revoked = issue_token(spoke_name="printer-1", platform="windows", by=by, now=now - timedelta(hours=5))
    revoke_token(token_id=revoked.row.pk, by=by, now=now - timedelta(hours=4))


def _traffic(now: datetime) -> None:
    from wireguard.models import TrafficSample

    first = now.replace(second=0, microsecond=0) - timedelta(days=1)
    wave = [2.2 + 1.6 * math.sin(n / 190) + 0.5 * math.sin(n / 23) for n in range(1440)]
    TrafficSample.objects.bulk_create(
        TrafficSample(at=first + timedelta(minutes=n), received=int(height * 2e8), sent=int(height * 5e7 + n % 7 * 4e6))
        for n, height in enumerate(wave, 1)
    )


def _timers(now: datetime) -> None:
    """What failed last night."""
    from hubproject.models import TimerReport
    from hubproject.timer_reports import report

    errand, night = TimerReport.Errand, now - timedelta(hours=7)
    full = "The backup could not be written: No space left on device (/var/backups/wireguard-hub)."
    report(errand.BACKUP, is_good=True, sentence="Written.", now=night - timedelta(days=1))
    report(errand.BACKUP, is_good=False, sentence=full, now=night)
    ends = "The certificate of hub.example.com ends in 9 days, on 2026-03-10 12:00 UTC."
    report(errand.CERTIFICATE_CHECK, is_good=False, sentence=ends, now=night)
    open_to = "/var/lib/wireguard-hub/database.sqlite (0666) is open to others."
    report(errand.PERMISSIONS_CHECK, is_good=False, sentence=open_to, now=night)


def _keys(now: datetime) -> None:
    from hubproject.access import create_api_key, revoke_api_key
    from hubproject.audit import Caller
    from hubproject.models import ApiKey, Role

    by = Caller("root", "192.0.2.1")
    for name, role, days in (
        ("monitoring", Role.VIEWER, None),
        ("terraform", Role.OPERATOR, 90),
        ("old-ci", Role.ADMIN, 1),
    ):
        create_api_key(name=name, role=role, expires_in_days=days, by=by, now=now - timedelta(days=2))
    create_api_key(name="lost-laptop", role=Role.OPERATOR, by=by, now=now - timedelta(days=9))
    revoke_api_key(key_id=ApiKey.objects.get(name="lost-laptop").pk, by=by, now=now - timedelta(days=1))
    ApiKey.objects.filter(name="monitoring").update(last_used_at=now - timedelta(seconds=40))


def _people() -> dict[str, str]:
    """Session ids by role."""
    from django.contrib.auth.models import User
    from django.test import Client

    from hubproject.accounts import create_user
    from hubproject.audit import Caller
    from hubproject.models import Role

    sessions = {}
    for role, name in USERS.items():
        create_user(username=name, password=PASSWORD, role=Role(role), by=Caller("root", "192.0.2.1"), now=_now())
        client = Client(HTTP_HOST="localhost")
        client.post("/account/sign-in", {"login": name, "password": PASSWORD})
        assert User.objects.get(username=name).last_login, name
        sessions[role] = client.cookies["sessionid"].value
    return sessions


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    django.setup()
    STATES[sys.argv[1]]()
    print(json.dumps(_people() if sys.argv[1] != "nothing" else {}))
