"""Purging records what has expired, gives its lease back, and in time forgets it; what was redeemed stays."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from hubproject.models import AuditEvent
from spokes.models import Spoke
from tests.conftest import BY_TEST, NOW, claim, everything, issue, register
from tokens.models import InstallationToken, RestingAddress
from tokens.services import purge_tokens, revoke_token

pytestmark = pytest.mark.django_db

DAY = timedelta(hours=24)
MILLISECOND = timedelta(milliseconds=1)


def purge() -> tuple[int, int]:
    return purge_tokens(by=BY_TEST, now=timezone.now())


def let_eight_lapse(clock) -> None:
    for number in range(8):
        issue(f"spoke{number}")
    clock.shift(DAY)


def state_of(issued) -> str:
    return InstallationToken.objects.get(pk=issued.row.pk).state


def test_before_the_hub_is_set_up_there_is_nothing_to_purge(db):
    assert purge() == (0, 0)


@pytest.mark.parametrize(("milliseconds", "state"), [(-1, "issued"), (0, "expired"), (1, "expired")])
def test_it_records_an_issued_token_as_expired_from_the_very_moment(hub, clock, milliseconds, state):
    issued = issue()
    clock.move_to(NOW + DAY + milliseconds * MILLISECOND)
    assert purge() == (int(state == "expired"), 0)
    assert state_of(issued) == state


@pytest.mark.parametrize(("milliseconds", "state"), [(-1, "claimed"), (0, "expired"), (1, "expired")])
def test_a_claimed_token_keeps_its_hour_after_the_claim(hub, clock, milliseconds, state):
    issued = issue()
    clock.move_to(NOW + DAY - MILLISECOND)
    claim(issued)
    clock.shift(timedelta(minutes=60) + milliseconds * MILLISECOND)
    purge()
    assert state_of(issued) == state


def test_a_token_claimed_early_lives_until_its_day_is_over(hub, clock):
    issued = issue()
    claim(issued)
    clock.move_to(NOW + DAY - MILLISECOND)
    purge()
    assert state_of(issued) == "claimed"
    clock.move_to(NOW + DAY)
    purge()
    assert state_of(issued) == "expired"


def test_a_purge_in_its_hour_does_not_keep_a_claimed_token_from_registering(hub, clock):
    issued = issue()
    clock.move_to(NOW + DAY - MILLISECOND)
    claim(issued)
    clock.shift(timedelta(minutes=59))
    purge()
    assert register(issued.secret).status_code == 201


def test_it_gives_the_lease_back(hub, clock):
    issued = issue()
    clock.move_to(NOW + DAY)
    purge()
    issued.row.refresh_from_db()
    assert (issued.row.lease_host, issued.row.lease_name, issued.row.ended_at) == (None, None, NOW + DAY)
    assert list(RestingAddress.objects.values_list("host", "released_at")) == [(2, NOW + DAY)]


def test_each_expiry_is_recorded(hub, clock):
    issue("alpha")
    issue("beta")
    clock.shift(DAY)
    purge()
    assert AuditEvent.objects.filter(event="token.expired", actor="test").count() == 2


def test_a_second_purge_has_nothing_to_do(hub, clock):
    issue()
    clock.shift(DAY)
    purge()
    before = everything()
    assert purge() == (0, 0)
    assert everything() == before


@pytest.mark.parametrize(("milliseconds", "deleted"), [(-1, 0), (0, 1), (1, 1)])
def test_it_forgets_expired_and_revoked_tokens_after_the_retention(hub, clock, settings, milliseconds, deleted):
    settings.TOKEN_RETENTION_DAYS = 30
    issued = issue()
    revoke_token(token_id=issued.row.pk, by=BY_TEST, now=NOW)
    clock.move_to(NOW + timedelta(days=30) + milliseconds * MILLISECOND)
    assert purge() == (0, deleted)
    assert InstallationToken.objects.count() == 1 - deleted


def test_the_retention_counts_from_the_end_of_the_token(hub, clock, settings):
    settings.TOKEN_RETENTION_DAYS = 1
    issue()
    clock.shift(timedelta(days=10))
    assert purge() == (1, 0)
    clock.shift(timedelta(days=1))
    assert purge() == (0, 1)


def test_what_was_recorded_of_a_forgotten_token_stays(hub, clock):
    issue()
    clock.shift(timedelta(days=1))
    purge()
    clock.shift(timedelta(days=31))
    purge()
    events = AuditEvent.objects.filter(event__startswith="token.").order_by("id").values_list("event", flat=True)
    assert list(events) == ["token.issued", "token.expired"]


def test_a_redeemed_token_stays_for_good(hub, clock):
    issued = issue()
    register(issued.secret)
    clock.shift(timedelta(days=10_000))
    assert purge() == (0, 0)
    assert state_of(issued) == "redeemed"
    assert Spoke.objects.live().count() == 1


def test_it_ends_more_tokens_than_one_batch_holds(hub, clock, monkeypatch):
    monkeypatch.setattr("tokens.leases.EXPIRE_BATCH", 3)
    let_eight_lapse(clock)
    purge()
    assert InstallationToken.objects.filter(state="expired", lease_host=None).count() == 8


def test_what_is_old_goes_a_batch_a_transaction_and_all_of_it_goes(hub, clock, monkeypatch):
    monkeypatch.setattr("tokens.services.PURGED_AT_ONCE", 3)
    let_eight_lapse(clock)
    purge()
    clock.shift(timedelta(days=31))
    assert purge() == (0, 8)
    assert not InstallationToken.objects.exists()
    purged = AuditEvent.objects.filter(event="tokens.purged").order_by("id")
    assert [event.details["deleted"] for event in purged] == [3, 3, 2]


def test_the_command_says_how_many(hub, clock, capsys):
    issue()
    clock.shift(DAY)
    call_command("purge_tokens")
    assert capsys.readouterr().out == "1 expired, 0 deleted.\n"
