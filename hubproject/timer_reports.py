"""What the timers' commands found the last time, for the overview and the metrics to tell."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from django.db import DatabaseError
from django.utils import timezone

from hubproject.models import TimerReport


def report(
    errand: TimerReport.Errand, *, is_good: bool, sentence: str, now: datetime, expires_at: datetime | None = None
) -> None:
    """Puts this run in the place of the one before; the last good moment stays until the next good one."""
    found = {"ran_at": now, "is_good": is_good, "sentence": sentence[:300], "expires_at": expires_at}
    good = {"last_good_at": now} if is_good else {}
    TimerReport.objects.update_or_create(errand=errand, defaults=found | good)


def reported(errand: TimerReport.Errand, act: Callable[[], str], *, failure: type[Exception]) -> str:
    """Does the errand and reports the sentence it returns, or that of its failure, which goes on to the caller."""
    try:
        sentence = act()
    except failure as problem:
        with suppress(DatabaseError):  # the failure is the news, also where the database is away
            report(errand, is_good=False, sentence=str(problem), now=timezone.now())
        raise
    report(errand, is_good=True, sentence=sentence, now=timezone.now())
    return sentence


def reports() -> dict[str, TimerReport]:
    """The last run of every errand that ever ran."""
    return {found.errand: found for found in TimerReport.objects.all()}
