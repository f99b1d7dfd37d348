"""What every page knows of the hub it belongs to."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest


def hub(request: HttpRequest) -> dict[str, Any]:
    return about_hub()


def about_hub() -> dict[str, Any]:
    """`hub_host` names the hub, so that two of them are never mistaken for each other; `program` runs its commands."""
    return {
        "hub_host": urlsplit(settings.HUB_PUBLIC_URL).hostname,
        "program": settings.PROGRAM,
        "second_factor_is_required": settings.HUB_REQUIRE_MFA,
    }
