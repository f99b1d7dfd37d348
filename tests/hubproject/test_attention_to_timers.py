"""What the timers' commands found is told on the overview, and on the page of settings."""

from datetime import timedelta

import pytest

from hubproject.models import Role, TimerReport
from hubproject.timer_reports import report
from tests.conftest import NOW, agent_has_applied, signed_in_as
from tests.hubproject.test_overview import attention, enrol
from wireguard.models import HubConfig

pytestmark = pytest.mark.django_db
ALL_IS_WELL = "Needs attention Nothing. All is as it should be."


@pytest.fixture
def viewer(hub):
    enrol("one", timedelta(0))
    return signed_in_as(Role.VIEWER)


@pytest.mark.parametrize(
    ("errand", "fact"),
    [
        ("backup", "The last backup failed"),
        ("backup check", "The last backup does not restore"),
        ("audit check", "The audit log is broken"),
        ("certificate check", "The certificate check failed"),
        ("permissions check", "Files of the hub are open to others"),
    ],
)
def test_what_failed_is_told_with_its_reason_until_it_is_good_again(viewer, errand, fact):
    report(TimerReport.Errand.BACKUP, is_good=True, sentence="Written.", now=NOW)
    report(TimerReport.Errand(errand), is_good=False, sentence="<b>For a reason.", now=NOW)
    assert fact in attention(viewer)
    assert "For a reason." in attention(viewer)
    report(TimerReport.Errand(errand), is_good=True, sentence="Fine.", now=NOW)
    assert attention(viewer) == ALL_IS_WELL


def test_a_hub_has_a_day_to_be_backed_up_for_the_first_time(viewer):
    assert attention(viewer) == ALL_IS_WELL
    HubConfig.objects.update(created_at=NOW - timedelta(days=1, minutes=1))
    assert "No backup was ever made" in attention(viewer)


def test_of_a_backup_that_was_never_made_it_is_not_said_that_it_does_not_restore(viewer):
    report(TimerReport.Errand.BACKUP_CHECK, is_good=False, sentence="There is no backup.", now=NOW)
    assert attention(viewer) == ALL_IS_WELL
    report(TimerReport.Errand.BACKUP, is_good=False, sentence="Full.", now=NOW)
    assert "The last backup failed" in attention(viewer)
    assert "does not restore" not in attention(viewer)


@pytest.mark.parametrize(("hours", "is_told"), [(25, False), (27, True)])
def test_an_old_backup_is_told_after_26_hours(viewer, hours, is_told):
    report(TimerReport.Errand.BACKUP, is_good=True, sentence="Written.", now=NOW - timedelta(hours=hours))
    assert ("The last backup is old" in attention(viewer)) is is_told


@pytest.mark.parametrize(("days", "is_told"), [(15, False), (13, True)])
def test_a_certificate_that_was_long_enough_when_it_was_looked_at_is_watched(viewer, days, is_told):
    ends = NOW + timedelta(days=days)
    report(TimerReport.Errand.CERTIFICATE_CHECK, is_good=True, sentence="Lasts.", now=NOW, expires_at=ends)
    assert ("The certificate ends soon" in attention(viewer)) is is_told


def test_the_page_of_settings_tells_of_the_last_backup(viewer):
    page = "/admin/wireguard/hubconfig/"
    agent_has_applied()
    assert 'Last backup</dt><dd class="quiet">Never' in viewer.get(page).content.decode()
    report(TimerReport.Errand.BACKUP, is_good=True, sentence="Written.", now=NOW)
    assert "Last backup</dt><dd><time" in viewer.get(page).content.decode()
    report(TimerReport.Errand.BACKUP, is_good=False, sentence="Full.", now=NOW)
    assert "Failed <time" in viewer.get(page).content.decode()
