"""What the timers found is one row an errand."""

from datetime import UTC, datetime, timedelta

import pytest

from hubproject.models import TimerReport
from hubproject.timer_reports import report, reports

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BACKUP = TimerReport.Errand.BACKUP

pytestmark = pytest.mark.django_db


def test_a_run_takes_the_place_of_the_one_before():
    report(BACKUP, is_good=True, sentence="First.", now=NOW)
    report(BACKUP, is_good=True, sentence="Second.", now=NOW + timedelta(days=1))
    (found,) = reports().values()
    assert (found.sentence, found.last_good_at) == ("Second.", NOW + timedelta(days=1))


def test_a_failure_leaves_the_last_good_moment():
    report(BACKUP, is_good=True, sentence="Written.", now=NOW)
    report(BACKUP, is_good=False, sentence="The disk is full.", now=NOW + timedelta(days=1))
    found = reports()["backup"]
    assert (found.is_good, found.sentence, found.last_good_at) == (False, "The disk is full.", NOW)
    assert found.ran_at == NOW + timedelta(days=1)
