"""An act whose last statement fails leaves nothing behind: no token without its event, no event without its act."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.utils import timezone

from hubproject import access, accounts
from hubproject.models import ApiKey, Role
from proxmox.models import Cluster
from proxmox.services import delete_cluster, describe_cluster
from spokes import services as spokes
from spokes.models import OperatingSystem, Spoke
from tests.conftest import BY_TEST, NOW, enrol, everything, issue, new_key
from tokens import services as tokens
from tokens.models import InstallationToken
from wireguard import services as wireguard

pytestmark = pytest.mark.django_db(transaction=True)
HUB = {"network_cidr": "10.0.1.0/24", "endpoint": "hub.example.com:51820"}
PASSWORD = "correct horse battery"
LINUX = spokes.Machine(os=OperatingSystem.LINUX)


def a_node() -> Cluster:
    """A cluster with one node, which nobody has confirmed."""
    enrol("pve1", os="proxmox", isProxmox=True, proxmoxNodeName="pve1", proxmoxClusterName="dc1")
    return Cluster.objects.get()


def nodes_ids() -> dict[str, object]:
    return {"cluster_id": Cluster.objects.get().pk, "spoke_id": Spoke.objects.get().pk}


def an_empty_cluster() -> Cluster:
    return Cluster.objects.create(cluster_name="dc1", created_at=NOW, updated_at=NOW)


def a_user(role: Role = Role.VIEWER) -> User:
    return accounts.create_user(username="mary", password=PASSWORD, role=role, by=BY_TEST, now=NOW)


def a_key() -> str:
    return access.create_api_key(name="terraform", role=Role.VIEWER, by=BY_TEST, now=NOW)


def a_code() -> str:
    return access.make_setup_code(by=BY_TEST, now=NOW)


def a_lapsed_token() -> None:
    issue()
    InstallationToken.objects.update(expires_at=NOW)


# What is there, the act, and what it is told of that; the act is told who and when besides.
ACTS = {
    "issue": (None, tokens.issue_token, lambda _: {"spoke_name": "beta"}),
    "issue several": (None, tokens.issue_tokens, lambda _: {"token_ids": {"beta": uuid4(), "gamma": uuid4()}}),
    "claim": (issue, tokens.claim_token, lambda made: {"secret": made.secret, "platform": "linux"}),
    "reissue": (issue, tokens.reissue_token, lambda made: {"token_id": made.row.pk}),
    "revoke": (issue, tokens.revoke_token, lambda made: {"token_id": made.row.pk}),
    "expire": (a_lapsed_token, tokens.purge_tokens, lambda _: {}),
    "register": (
        issue,
        spokes.register_spoke,
        lambda made: {"secret": made.secret, "public_key": new_key(), "machine": LINUX},
    ),
    "confirm": (a_node, spokes.confirm_node, lambda _: nodes_ids()),
    "remove": (enrol, spokes.remove_spoke, lambda made: {"spoke_id": made["spoke"]["id"]}),
    "remove several": (enrol, spokes.remove_spokes, lambda made: {"spoke_ids": [made["spoke"]["id"]]}),
    "describe": (a_node, describe_cluster, lambda made: {"cluster_id": made.pk, "datacenter": "Berlin"}),
    "forget": (an_empty_cluster, delete_cluster, lambda made: {"cluster_id": made.pk}),
    "change the hub": (None, wireguard.update_hub, lambda _: {"mtu": 1300}),
    "hold": (None, wireguard.start_hold, lambda _: {}),
    "make a key": (None, access.create_api_key, lambda _: {"name": "terraform", "role": Role.VIEWER}),
    "revoke a key": (a_key, access.revoke_api_key, lambda _: {"key_id": ApiKey.objects.get().pk}),
    "make a code": (None, access.make_setup_code, lambda _: {}),
    "make the first admin": (
        a_code,
        accounts.create_first_admin,
        lambda made: {"code": made, "username": "mary", "password": PASSWORD},
    ),
    "make a user": (
        None,
        accounts.create_user,
        lambda _: {"username": "mary", "password": PASSWORD, "role": Role.VIEWER},
    ),
    "set a role": (a_user, accounts.set_role, lambda made: {"user": made, "role": Role.OPERATOR}),
    "shut out": (a_user, accounts.set_active, lambda made: {"user": made, "active": False}),
    "set a password": (a_user, accounts.set_password, lambda made: {"user": made, "password": f"{PASSWORD} staple"}),
    "delete a user": (a_user, accounts.delete_user, lambda made: {"user": made}),
    "recover": (a_user, accounts.reset_admin, lambda _: {"username": "mary", "password": PASSWORD}),
}


def without_events(execute, sql, params, many, context):
    if sql.startswith("INSERT INTO audit_events"):
        raise OperationalError("database or disk is full")
    return execute(sql, params, many, context)


@pytest.mark.parametrize("act", ACTS)
def test_what_cannot_be_recorded_is_not_done(hub, act):
    prepare, verb, told = ACTS[act]
    arguments = told(prepare() if prepare else None)
    before = everything()
    with connection.execute_wrapper(without_events), pytest.raises(OperationalError):
        verb(**arguments, by=BY_TEST, now=timezone.now())
    assert everything() == before
    verb(**arguments, by=BY_TEST, now=timezone.now())
    assert everything() != before


def test_a_hub_whose_making_cannot_be_recorded_is_not_made(now):
    before = everything()
    with connection.execute_wrapper(without_events), pytest.raises(OperationalError):
        wireguard.initialize_hub(**HUB, by=BY_TEST, now=now)
    assert everything() == before


def test_a_hold_whose_end_cannot_be_recorded_goes_on(hub):
    wireguard.start_hold(by=BY_TEST, now=NOW)
    before = everything()
    with connection.execute_wrapper(without_events), pytest.raises(OperationalError):
        wireguard.release_hold(by=BY_TEST, now=NOW)
    assert everything() == before
