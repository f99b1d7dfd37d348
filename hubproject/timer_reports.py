"""What the timers' commands found the last time, for the overview and the metrics to tell."""

from datetime import datetime

from hubproject.models import TimerReport


def report(
    errand: TimerReport.Errand, *, is_good: bool, sentence: str, now: datetime, expires_at: datetime | None = None
) -> None:
    """Puts this run in the place of the one before; the last good moment stays until the next good one."""
    found = {"ran_at": now, "is_good": is_good, "sentence": sentence[:300], "expires_at": expires_at}
    good = {"last_good_at": now} if is_good else {}
    TimerReport.objects.update_or_create(errand=errand, defaults=found | good)


def reports() -> dict[str, TimerReport]:
    """The last run of every errand that ever ran."""
    return {found.errand: found for found in TimerReport.objects.all()}
