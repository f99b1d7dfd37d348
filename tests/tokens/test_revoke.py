"""Revoking makes a token worthless until it is redeemed, and gives its lease back."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from hubproject.errors import NotFound
from hubproject.models import AuditEvent
from tests.conftest import BY_TEST, NOW, assert_refused, claim, everything, issue, register
from tokens.errors import TokenCannotBeRevoked
from tokens.models import InstallationToken, RestingAddress
from tokens.services import revoke_token

pytestmark = pytest.mark.django_db


def revoke(issued) -> InstallationToken:
    return revoke_token(token_id=issued.row.pk, by=BY_TEST, now=timezone.now())


def fetch(issued):
    return Client().get(f"/api/installation/script/{issued.secret}?platform=linux")


def test_an_issued_token_opens_nothing_any_more(hub):
    issued = issue()
    revoke(issued)
    assert_refused(fetch(issued), 410, "TOKEN_REVOKED")
    assert_refused(register(issued.secret), 410, "TOKEN_REVOKED")


def test_a_claimed_token_can_register_no_more(hub):
    issued = issue()
    claim(issued)
    revoke(issued)
    assert_refused(register(issued.secret), 410, "TOKEN_REVOKED")


def test_it_releases_address_and_name(hub, clock):
    issued = issue()
    clock.shift(60)
    row = revoke(issued)
    assert (row.state, row.lease_host, row.lease_name) == ("revoked", None, None)
    assert row.ended_at == NOW + timedelta(seconds=60)
    assert list(RestingAddress.objects.values_list("host", "released_at")) == [(2, NOW + timedelta(seconds=60))]


def test_it_is_recorded(hub):
    issued = issue()
    revoke(issued)
    event = AuditEvent.objects.get(event="token.revoked")
    assert (event.actor, event.details["token"]) == ("test", str(issued.row.pk))


def test_a_redeemed_token_is_refused_and_its_spoke_stays(hub):
    issued = issue()
    register(issued.secret)
    before = everything()
    with pytest.raises(TokenCannotBeRevoked) as refusal:
        revoke(issued)
    assert (refusal.value.status, refusal.value.code) == (400, "TOKEN_ALREADY_USED")
    assert everything() == before


def test_a_second_revocation_changes_nothing(hub, clock):
    issued = issue()
    revoke(issued)
    before = everything()
    clock.shift(60)
    assert revoke(issued).state == "revoked"
    assert everything() == before


def test_a_second_revocation_does_not_touch_the_next_holder_of_the_lease(hub):
    issued = issue("alpha", custom_ip="10.0.1.9")
    revoke(issued)
    successor = issue("alpha", custom_ip="10.0.1.9")
    revoke(issued)
    successor.row.refresh_from_db()
    assert (successor.row.lease_host, successor.row.lease_name) == (9, "alpha")


def test_an_unknown_token_is_refused(hub):
    with pytest.raises(NotFound):
        revoke_token(token_id=uuid4(), by=BY_TEST, now=NOW)


def test_a_token_that_has_lapsed_gives_its_lease_back_all_the_same(hub, clock):
    issued = issue()
    clock.shift(timedelta(hours=25))
    assert revoke(issued).lease_host is None
    assert RestingAddress.objects.count() == 1


def test_a_revocation_that_could_not_be_recorded_did_not_happen(hub, monkeypatch):
    issued = issue()
    before = everything()
    monkeypatch.setattr("hubproject.audit.record_all", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        revoke(issued)
    assert everything() == before
