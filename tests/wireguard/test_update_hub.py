"""Changing the hub's configuration: what may change, what may not while spokes live on it."""

import pytest

from hubproject.models import AuditEvent
from tests.conftest import BY_TEST, NOW, assert_refused, issue, refused_fields
from tokens.services import revoke_token
from wireguard.models import HubConfig

pytestmark = pytest.mark.django_db
PATH = "/api/hub/config"


def put(client, **body):
    return client.put(PATH, body, content_type="application/json")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", "new.example.com:443"),
        ("listenPort", 443),
        ("dns", ["9.9.9.9"]),
        ("dnsDomains", ["corp.example.com"]),
        ("mtu", 1380),
        ("persistentKeepalive", 15),
        ("spokeToSpoke", "cluster"),
        ("spokeToSpoke", "open"),
    ],
)
def test_each_field_changes_alone(hub, admin, field, value):
    before = admin.get(PATH).json()
    answer = put(admin, **{field: value}).json()
    assert answer["success"]
    after = admin.get(PATH).json()
    assert after == answer["hubConfig"]
    assert {name for name in after if after[name] != before[name]} - {"updatedAt"} == {field}
    assert after[field] == value
    assert HubConfig.objects.get().generation == hub.generation + 1


def test_what_was_read_may_be_sent_back_and_changes_nothing(hub, admin):
    before = admin.get(PATH).json()
    assert put(admin, **before).json()["hubConfig"] == before
    assert HubConfig.objects.get().generation == hub.generation


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("publicKey", "changed"),
        ("id", 2),
        ("interfaceName", "wg7"),
        ("privateKey", "x"),
        ("interfaceAddress6", "fd00::1/64"),
    ],
)
def test_a_read_only_or_unknown_field_that_would_change_is_refused(hub, admin, field, value):
    assert field in refused_fields(put(admin, **{field: value}))


def test_a_read_only_field_is_not_said_to_be_none(hub, admin):
    fields = refused_fields(put(admin, publicKey="changed", mtu=1400))
    assert fields == {"publicKey": ["Cannot be set, and is not what was sent."]}
    assert refused_fields(put(admin, privateKey="x")) == {"privateKey": ["There is no such field."]}


def test_a_list_of_something_else_is_told_what_it_should_hold(hub, admin):
    assert refused_fields(put(admin, dns=[None])) == {"dns": ["Must be a list of texts."]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", "no-port"),
        ("listenPort", 0),
        ("listenPort", "51820"),
        ("dns", ["fe80::1%eth0"]),
        ("dns", "9.9.9.9"),
        ("mtu", 100),
        ("networkCIDR", "10.0.1.7/24"),
        ("networkCIDR6", "fd00::/126"),
        ("spokeToSpoke", "none"),
    ],
)
def test_a_bad_value_is_refused_and_nothing_changes(hub, admin, field, value):
    before = admin.get(PATH).json()
    assert set(refused_fields(put(admin, **{field: value, "mtu": value if field == "mtu" else 1300}))) == {field}
    assert admin.get(PATH).json() == before


def test_the_network_cannot_change_while_a_lease_lives(hub, admin):
    issued = issue("alpha")
    assert_refused(put(admin, networkCIDR="10.9.0.0/24"), 409, "NETWORK_IN_USE")
    revoke_token(token_id=issued.row.id, by=BY_TEST, now=NOW)
    answer = put(admin, networkCIDR="10.9.0.0/24").json()["hubConfig"]
    assert (answer["networkCIDR"], answer["interfaceAddress"]) == ("10.9.0.0/24", "10.9.0.1/24")
    assert issue("beta").row.address == "10.9.0.2"


def test_an_ipv6_prefix_cannot_be_added_or_changed_while_a_lease_lives(hub, admin):
    issued = issue("alpha")
    assert_refused(put(admin, networkCIDR6="fd00::/64"), 409, "NETWORK_IN_USE")
    assert admin.get(PATH).json()["networkCIDR6"] is None
    revoke_token(token_id=issued.row.id, by=BY_TEST, now=NOW)
    answer = put(admin, networkCIDR6="FD00:0::/64").json()["hubConfig"]
    assert (answer["networkCIDR6"], answer["interfaceAddress6"]) == ("fd00::/64", "fd00::1/64")
    beta = issue("beta").row
    assert_refused(put(admin, networkCIDR6="fd00:1::/64"), 409, "NETWORK_IN_USE")
    assert put(admin, networkCIDR6="FD00::/64").status_code == 200
    revoke_token(token_id=beta.id, by=BY_TEST, now=NOW)
    assert put(admin, networkCIDR6="fd00:1::/64").json()["hubConfig"]["interfaceAddress6"] == "fd00:1::1/64"


def test_addresses_rest_on_when_only_the_ipv6_prefix_changes(hub, admin):
    revoke_token(token_id=issue("alpha").row.id, by=BY_TEST, now=NOW)
    put(admin, networkCIDR6="fd00::/64")
    assert issue("beta").row.address == "10.0.1.3"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({}, {"networkCIDR": "10.0.0.0/8", "networkCIDR6": "fd00::/112"}),
        ({"networkCIDR": "10.0.0.0/8"}, {"networkCIDR6": "fd00::/112"}),
        ({"networkCIDR6": "fd00::/112"}, {"networkCIDR": "10.0.0.0/8"}),
    ],
)
def test_the_ipv6_prefix_keeps_room_for_every_host_number(hub, admin, first, then):
    put(admin, **first)
    assert "at most a /104" in refused_fields(put(admin, **then))["networkCIDR6"][0]


def test_an_unset_hub_is_said_to_be_so(db, admin):
    assert_refused(put(admin, mtu=1300), 409, "HUB_NOT_INITIALIZED")


def test_the_change_is_recorded_with_its_values(hub, admin):
    put(admin, mtu=1300)
    assert AuditEvent.objects.get(event="hub.changed").details["changed"] == {"mtu": "1300"}
