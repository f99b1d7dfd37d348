"""A node enrolled by "Enrol this node" counts as confirmed: that node of that cluster, and no other machine."""

from uuid import uuid4

import pytest

from hubproject.models import AuditEvent
from proxmox.models import Cluster
from spokes.models import Spoke
from tests.conftest import BY_TEST, NOW, enrol, issue, register
from tokens.services import reissue_token
from wireguard.models import HubConfig, Peer

pytestmark = pytest.mark.django_db
CA = "ab" * 32


@pytest.fixture
def cluster(hub) -> Cluster:
    enrol("pve1", **report("pve1", proxmoxClusterFingerprint=CA))
    return Cluster.objects.get()


def report(node: str, **changes):
    return {"os": "proxmox", "isProxmox": True, "proxmoxNodeName": node, "proxmoxClusterName": "dc1", **changes}


def expecting(cluster_id, node: str = "pve2"):
    return issue("pve2.dc1", platform="proxmox", expected_cluster=cluster_id, expected_node=node)


def registered(secret: str, **fields) -> Spoke:
    assert register(secret, **fields).status_code == 201
    return Spoke.objects.get(name="pve2.dc1")


def test_the_expected_node_is_confirmed_at_once_and_may_talk_to_its_cluster(cluster):
    before = HubConfig.objects.get().generation
    spoke = registered(expecting(cluster.pk).secret, **report("pve2"))
    assert spoke.confirmed
    assert Peer.objects.get(spoke=spoke).forwarding_group == cluster.forwarding_group
    assert HubConfig.objects.get().generation > before + 1


def test_the_audit_log_says_for_which_node_a_command_was_issued(cluster):
    expecting(cluster.pk)
    told = AuditEvent.objects.filter(event="token.issued").latest("id").details
    assert (told["node"], told["cluster"]) == ("pve2", str(cluster.pk))


@pytest.mark.parametrize(
    "said",
    [
        {"proxmoxNodeName": "pve3"},
        {"proxmoxNodeName": "PVE2"},
        {"proxmoxClusterName": "dc2"},
        {"proxmoxClusterFingerprint": "cd" * 32},
        {"isProxmox": False},
        {"proxmoxClusterName": ""},
        {"proxmoxNodeName": ""},
    ],
)
def test_whoever_says_to_be_another_is_not(cluster, said):
    spoke = registered(expecting(cluster.pk).secret, **{**report("pve2"), **said})
    assert not spoke.confirmed
    assert Peer.objects.get(spoke=spoke).forwarding_group is None


def test_a_command_that_expects_nobody_confirms_nobody(cluster):
    assert not registered(issue("pve2.dc1").secret, **report("pve2")).confirmed


def test_a_cluster_that_is_not_there_confirms_nobody(cluster):
    assert not registered(expecting(uuid4()).secret, **report("pve2")).confirmed


def test_a_reissued_command_still_expects_it(cluster):
    again = reissue_token(token_id=expecting(cluster.pk).row.pk, by=BY_TEST, now=NOW)
    assert registered(again.secret, **report("pve2")).confirmed
