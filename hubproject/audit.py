"""The append-only record of who did what, from where. Actor and object are text: rows outlive what they name."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hubproject.models import AuditEvent


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an actor in words (`admin`, `api-key:ci`, `spoke`), the true client address, the user agent."""

    actor: str
    address: str | None = None
    user_agent: str = ""


def record(event: str, *, by: Caller, about: str, now: datetime, **details: Any) -> None:
    """Appends one event inside the transaction of the act itself. Details hold at most a token's prefix."""
    AuditEvent.objects.create(
        at=now,
        event=event,
        actor=by.actor,
        object=about,
        source_address=by.address,
        user_agent=by.user_agent[:300],
        details=details,
    )
