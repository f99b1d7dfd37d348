"""What a wrong deployment is told at start, before it serves anything."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

# Minutes, hours or days: more than anybody means, and little enough for a calendar to hold what is so far away.
LONGEST_TIME = 100_000


@register("hub")
def settings_are_sane(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """hub.E001 and up: settings that could only end in a refusal later, or in something unsafe."""
    found: list[CheckMessage] = []
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            Error(
                "HUB_ALLOWED_HOSTS holds '*': any site's name would be answered.",
                hint="Name the hosts this hub is reached by.",
                id="hub.E001",
            )
        )
    counts = ("RATE_LIMIT_MAX_TOKENS_PER_HOUR", "HUB_THREADS", "HUB_WORKERS")
    found += [Error(f"{name} must be at least 1.", id="hub.E002") for name in counts if getattr(settings, name) < 1]
    times = ("TOKEN_EXPIRATION_HOURS", "TOKEN_REGISTRATION_MINUTES", "TOKEN_RETENTION_DAYS", "HUB_BACKUP_KEEP_DAYS")
    found += [
        Error(f"{name} must be between 1 and {LONGEST_TIME}.", id="hub.E002")
        for name in times
        if not 1 <= getattr(settings, name) <= LONGEST_TIME
    ]
    if settings.HUB_TRUSTED_PROXIES < 0:
        found.append(Error("HUB_TRUSTED_PROXIES must not be negative.", id="hub.E003"))
    return found


@register("hub")
def production_is_safe(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """hub.E004 and up: what Django only warns of in `check --deploy`, and only who thinks of asking."""
    found: list[CheckMessage] = []
    if settings.DEBUG and settings.HUB_PUBLIC_URL.startswith("https:"):
        found.append(
            Error(
                "DEBUG is on at an https public URL: a fault would show the hub's settings and code to anybody.",
                hint="Take DEBUG out, or set HUB_PUBLIC_URL to this machine.",
                id="hub.E004",
            )
        )
    if _is_weak(settings.SECRET_KEY):
        found.append(
            Error(
                "SECRET_KEY is too easy to guess: with it anybody could make a session of anybody.",
                hint="Leave it out, and the hub makes one; or use 50 random characters and more.",
                id="hub.E005",
            )
        )
    if settings.HUB_WORKERS > 1 and not settings.REDIS_URL:
        found.append(
            Error(
                "Several HUB_WORKERS without REDIS_URL: each would count guesses and issued commands for itself.",
                hint="Set REDIS_URL, or HUB_WORKERS=1 with more HUB_THREADS.",
                id="hub.E006",
            )
        )
    return found


def _is_weak(secret: str) -> bool:
    return len(secret) < 50 or len(set(secret)) < 5 or secret.startswith("django-insecure-")


@register(checks.Tags.security, deploy=True)
def a_proxy_is_named(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """hub.W001: https ends at a proxy, and the hub has to know how many stand in front to see its clients."""
    if settings.HUB_TRUSTED_PROXIES or not settings.HUB_PUBLIC_URL.startswith("https:"):
        return []
    return [
        checks.Warning(
            "HUB_TRUSTED_PROXIES is 0 at an https public URL: every client would seem to be the proxy.",
            hint="Set it to the number of proxies of yours in front of the hub, 1 with the installed nginx.",
            id="hub.W001",
        )
    ]
