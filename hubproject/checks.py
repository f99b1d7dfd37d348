"""What a wrong deployment is told at start, before it serves anything."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
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
    counts = ("TOKEN_EXPIRATION_HOURS", "TOKEN_REGISTRATION_MINUTES", "HUB_THREADS", "HUB_WORKERS")
    found += [Error(f"{name} must be at least 1.", id="hub.E002") for name in counts if getattr(settings, name) < 1]
    return found
