"""How often something may be asked: counters by django-ratelimit, answers in the one error shape.

With Redis the counts are exact across processes and machines; without it they are exact within the one web process
that a check of ours allows.
"""

import ipaddress
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError
from rest_framework.request import Request

from hubproject.access import role_of
from hubproject.api import client_address
from hubproject.errors import HubError, RateLimited
from hubproject.models import Role

ADMIN_FACTOR = 10  # admins enrol whole clusters
GUESSES_PER_MINUTE = 30
Asking = HttpRequest | Request

log = logging.getLogger(__name__)


def count_issue(request: Asking, times: int = 1) -> None:
    """Counts issues and reissues of this user from this address; raises RateLimited when the hour is used up.

    Of several at once that go past the limit none is counted.
    """
    most = settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR * (ADMIN_FACTOR if role_of(request.user) == Role.ADMIN else 1)
    counter = ("issue", f"{request.user.get_username()}|{bucket_of(request)}", f"{most}/h")
    before = _usage(request, *counter, increment=False) if times > 1 else None
    if before and before["count"] + times > most:
        raise _too_many_issues(most, before["time_left"], left=max(0, most - before["count"]))
    waits = [_seconds_over_limit(request, *counter) for _ in range(times)]
    if waits[-1] is not None:
        raise _too_many_issues(most, waits[-1], left=0)


def _too_many_issues(most: int, seconds: int, *, left: int) -> RateLimited:
    again = _clock(timezone.now() + timedelta(seconds=seconds))
    spent = f"{most} install commands were issued in the last hour. The next is possible at {again}."
    return RateLimited(
        f"Only {left} more install commands can be issued before {again}." if left else spent,
        seconds=seconds,
        recovery_hint="RATE_LIMIT_MAX_TOKENS_PER_HOUR raises the limit; admins have ten times as much.",
    )


@contextmanager
def count_guesses(request: Request, guesses: tuple[type[HubError], ...]) -> Iterator[None]:
    """Counts those of the given refusals that happen inside; past the limit they become RateLimited.

    Only the refusal is replaced: a valid token is never refused because of its neighbours' guesses.
    """
    try:
        yield
    except guesses:
        seconds = _seconds_over_limit(request, "guess", bucket_of(request), f"{GUESSES_PER_MINUTE}/m")
        if seconds is None:
            raise
        raise RateLimited("Too many unknown tokens came from this address.", seconds=seconds) from None


def bucket_of(request: Asking) -> str:
    """What shares a counter: an IPv4 address, or a /64 of IPv6, which is one customer."""
    text = client_address(request)
    if text is None:
        return "unknown"
    address = ipaddress.ip_address(text)
    length = 32 if address.version == 4 else 64
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False))


def _seconds_over_limit(request: Asking, group: str, key: str, rate: str) -> int | None:
    """Counts once; None within the limit, else the seconds until the count starts anew."""
    usage = _usage(request, group, key, rate, increment=True)
    if usage is None or not usage["should_limit"]:
        return None
    return max(1, int(usage["time_left"]))


def _usage(request: Asking, group: str, key: str, rate: str, *, increment: bool) -> dict[str, Any] | None:
    """What django-ratelimit says of this counter; None when nothing can be counted."""
    try:
        found: dict[str, Any] | None = get_usage(
            request, group=group, key=lambda *_: key, rate=rate, increment=increment
        )
    except RedisError as failure:
        log.warning("rate counters are out of reach, so nothing is limited: %s", failure)
        return None
    return found


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M} UTC"
