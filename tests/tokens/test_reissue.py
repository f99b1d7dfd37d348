"""Reissuing: a new secret for the same spoke, and the old one worthless at once."""

from datetime import timedelta

import pytest
from django.test import Client

from hubproject.models import AuditEvent
from tests.conftest import NOW, assert_refused, claim, enrol, issue, register
from tokens.models import InstallationToken

pytestmark = pytest.mark.django_db


def reissue(client, issued):
    return client.post(f"/api/installation/token/{issued.row.id}/reissue", content_type="application/json")


def fetch(secret):
    return Client().get(f"/api/installation/script/{secret}?platform=linux")


@pytest.mark.parametrize("is_claimed", [False, True])
def test_the_new_command_works_for_the_same_name_id_and_address_and_the_old_one_does_not(hub, operator, is_claimed):
    old = issue("alpha")
    if is_claimed:
        claim(old)
    answer = reissue(operator, old)
    token = answer.json()["token"]
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    assert token["token"] != old.secret
    assert (token["spokeName"], token["spokeId"]) == ("alpha", str(old.row.spoke_id))
    assert token["allowedIPs"] == old.row.allowed_ips
    assert_refused(fetch(old.secret), 410, "TOKEN_REVOKED")
    assert_refused(register(old.secret), 410, "TOKEN_REVOKED")
    assert fetch(token["token"]).status_code == 200
    assert register(token["token"]).json()["spokeId"] == str(old.row.spoke_id)


def test_who_reissues_again_because_the_answer_was_lost_is_told_which_token_holds_the_name_now(hub, operator):
    old = issue("alpha")
    lost = reissue(operator, old).json()["token"]
    refusal = assert_refused(reissue(operator, old), 409, "SPOKE_NAME_IN_USE")
    assert f"/api/installation/token/{lost['id']}/reissue" in refusal["recoveryHint"]


def test_the_lease_is_handed_over_and_never_rests(hub, operator):
    old = issue("alpha")
    reissue(operator, old)
    assert list(InstallationToken.objects.filter(lease_host=old.row.host).values_list("state", flat=True)) == ["issued"]
    assert issue("beta").row.host != old.row.host


def test_an_expired_one_can_be_reissued_while_name_and_address_are_free(hub, operator, clock):
    old = issue("alpha", expires_in_hours=1)
    clock.move_to(NOW + timedelta(hours=2))
    assert reissue(operator, old).json()["token"]["allowedIPs"] == old.row.allowed_ips


def test_a_name_that_somebody_else_has_now_is_refused(hub, operator, clock):
    old = issue("alpha", expires_in_hours=1)
    clock.move_to(NOW + timedelta(hours=2))
    issue("ALPHA")
    assert_refused(reissue(operator, old), 409, "SPOKE_NAME_IN_USE")


def test_an_address_that_somebody_else_has_now_is_refused(hub, operator, clock):
    old = issue("alpha", expires_in_hours=1)
    clock.move_to(NOW + timedelta(hours=2))
    issue("beta", custom_ip=old.row.address)
    assert_refused(reissue(operator, old), 409, "IP_ALREADY_ALLOCATED")


def test_a_redeemed_token_cannot_be_reissued(hub, operator):
    spoke = enrol("alpha")
    path = f"/api/installation/token/{spoke['spoke']['tokenId']}/reissue"
    assert_refused(operator.post(path, content_type="application/json"), 400, "TOKEN_ALREADY_USED")


def test_one_whose_successor_was_redeemed_cannot_be_reissued_even_after_the_removal(hub, operator):
    old = issue("alpha")
    spoke = register(reissue(operator, old).json()["token"]["token"]).json()
    assert_refused(reissue(operator, old), 400, "TOKEN_ALREADY_USED")
    operator.delete(f"/api/spoke/{spoke['spokeId']}")
    assert_refused(reissue(operator, old), 400, "TOKEN_ALREADY_USED")


def test_a_refused_reissue_leaves_the_old_command_as_it_was(hub, operator, settings):
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = 0
    old = issue("alpha")
    assert_refused(reissue(operator, old), 429, "RATE_LIMITED")
    assert fetch(old.secret).status_code == 200


def test_nobody_elses_command_is_touched(hub, operator):
    old, others = issue("alpha"), issue("beta")
    reissue(operator, old)
    assert fetch(others.secret).status_code == 200


def test_it_is_recorded_with_what_it_replaces(hub, operator):
    old = issue("alpha")
    reissue(operator, old)
    assert AuditEvent.objects.get(event="token.reissued").details["replaces"] == str(old.row.id)


def test_after_the_hub_moved_to_another_network_the_old_address_is_refused(hub, operator, admin):
    old = issue("alpha")
    operator.delete(f"/api/installation/token/{old.row.id}")
    admin.put("/api/hub/config", {"networkCIDR": "10.9.0.0/24"}, content_type="application/json")
    assert_refused(reissue(operator, old), 409, "IP_ALREADY_ALLOCATED")
