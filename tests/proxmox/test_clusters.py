"""Proxmox clusters: how nodes join them, what health they are in, what an operator may do."""

from datetime import timedelta
from threading import Thread

import pytest
from django.db import connection, transaction
from django.db.models import Model

from hubproject.models import AuditEvent
from proxmox.models import Cluster, Health
from proxmox.services import describe_cluster, join_cluster
from spokes.models import Spoke
from tests.conftest import BY_TEST, NOW, agent_has_applied, assert_refused, enrol, issue, refused_fields, register
from wireguard.models import HubConfig, Peer, PeerStatus

pytestmark = pytest.mark.django_db
CA, OTHER_CA = "ab" * 32, "cd" * 32
LIST = "/api/proxmox/clusters"


def node(name, cluster="dc1-prod", **fields):
    """A Proxmox node that registers and says it belongs to a cluster."""
    report = {"os": "proxmox", "isProxmox": True, "proxmoxNodeName": name, "proxmoxClusterName": cluster, **fields}
    return enrol(name, **report)["spoke"]


def heard(name, seconds_ago=10):
    at = NOW - timedelta(seconds=seconds_ago)
    PeerStatus.objects.create(peer=Spoke.objects.get(name=name).peer, latest_handshake_at=at, heard_at=at)


def clusters(client, query=""):
    answer = client.get(f"{LIST}?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def path(spoke):
    return f"{LIST}/{spoke['proxmoxClusterId']}"


def confirm(client, spoke, node):
    return client.post(f"{path(spoke)}/nodes/{node['id']}/confirm", content_type="application/json")


# --- Joining --------------------------------------------------------------------------------------------------------


def test_nodes_of_one_name_are_one_cluster(hub, viewer):
    assert node("pve1")["proxmoxClusterId"] == node("pve2")["proxmoxClusterId"] is not None
    body = clusters(viewer)
    assert (body["totalClusters"], body["totalNodes"], body["clusters"][0]["nodeCount"]) == (1, 2, 2)


def test_two_clusters_may_bear_one_name_when_their_fingerprints_differ(hub):
    first = node("pve1", proxmoxClusterFingerprint=CA)
    second = node("pve2", proxmoxClusterFingerprint=OTHER_CA)
    assert first["proxmoxClusterId"] != second["proxmoxClusterId"]


def test_a_fingerprint_finds_its_cluster_under_any_name_and_spelling(hub):
    first = node("pve1", proxmoxClusterFingerprint=CA)
    colons = ":".join(CA[start : start + 2] for start in range(0, 64, 2)).upper()
    assert (
        node("pve2", cluster="renamed", proxmoxClusterFingerprint=colons)["proxmoxClusterId"]
        == first["proxmoxClusterId"]
    )


def test_the_first_fingerprint_seen_sticks_to_the_cluster_of_that_name(hub):
    first = node("pve1")
    assert node("pve2", proxmoxClusterFingerprint=CA)["proxmoxClusterId"] == first["proxmoxClusterId"]
    assert node("pve3", proxmoxClusterFingerprint=OTHER_CA)["proxmoxClusterId"] != first["proxmoxClusterId"]
    assert Cluster.objects.get(id=first["proxmoxClusterId"]).fingerprint == CA


def test_a_node_without_fingerprint_joins_the_only_cluster_of_its_name(hub):
    first = node("pve1", proxmoxClusterFingerprint=CA)
    assert node("pve2")["proxmoxClusterId"] == first["proxmoxClusterId"]


def test_a_node_without_fingerprint_joins_none_of_two_proven_clusters_of_its_name(hub):
    proven = {node("pve1", proxmoxClusterFingerprint=CA)["proxmoxClusterId"]}
    proven.add(node("pve2", proxmoxClusterFingerprint=OTHER_CA)["proxmoxClusterId"])
    assert node("pve3")["proxmoxClusterId"] not in proven


def test_a_standalone_node_has_no_cluster(hub):
    assert enrol("pve9", os="proxmox", isProxmox=True, proxmoxNodeName="pve9")["spoke"]["proxmoxClusterId"] is None


@pytest.mark.parametrize("told", [["pve1", "pve2"], "pve1,pve2", "pve1, pve2,"])
def test_the_latest_report_of_members_is_kept(hub, viewer, told):
    node("pve1", metadata={"clusterNodes": ["old"]})
    node("pve2", metadata={"clusterNodes": told})
    assert clusters(viewer)["clusters"][0]["knownNodes"] == ["pve1", "pve2"]


@pytest.mark.django_db(transaction=True)
def test_what_an_operator_writes_while_a_node_joins_is_kept(now, monkeypatch):
    cluster = Cluster.objects.create(cluster_name="dc1-prod", created_at=NOW, updated_at=NOW)
    words = {"cluster_id": cluster.pk, "datacenter": "Berlin", "by": BY_TEST, "now": NOW}
    operator = Thread(target=in_thread, args=(describe_cluster,), kwargs=words)

    def save(*args, **kwargs):
        operator.start()
        operator.join(0.3)  # in time to be overwritten, unless it has to wait
        Model.save(*args, **kwargs)

    monkeypatch.setattr(Cluster, "save", save)
    with transaction.atomic():
        join_cluster(name="dc1-prod", fingerprint=CA, known_nodes=["pve1"], by=BY_TEST, now=NOW)
    operator.join()
    cluster.refresh_from_db()
    assert (cluster.datacenter, cluster.fingerprint, cluster.known_nodes) == ("Berlin", CA, ["pve1"])


def in_thread(act, **arguments):
    try:
        act(**arguments)
    finally:
        connection.close()


@pytest.mark.parametrize("told", [7, {"a": 1}, [[1], None, "x" * 64, "a\nb"], None])
def test_a_rubbish_report_of_members_is_left_out(hub, viewer, told):
    node("pve1", metadata={"clusterNodes": told})
    assert clusters(viewer)["clusters"][0]["knownNodes"] == []


@pytest.mark.parametrize("fingerprint", ["ab", "zz" * 32, CA + "0", "\u0660" * 64])
def test_a_fingerprint_that_is_none_is_refused(hub, fingerprint):
    answer = register(issue("pve1").secret, os="proxmox", proxmoxClusterFingerprint=fingerprint)
    assert "proxmoxClusterFingerprint" in refused_fields(answer)


# --- Health ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "active", "health"),
    [
        (0, 0, "empty"),
        (1, 1, "healthy"),
        (3, 3, "healthy"),
        (3, 2, "degraded"),
        (2, 1, "degraded"),
        (4, 2, "degraded"),
        (3, 1, "critical"),
        (5, 2, "critical"),
        (3, 0, "down"),
        (1, 0, "down"),
    ],
)
def test_health_by_active_nodes(nodes, active, health):
    assert Health.of(nodes=nodes, active=active) == health


def test_pending_and_silent_nodes_count_as_not_active(hub, viewer):
    for name in ("pve1", "pve2", "pve3"):
        node(name)
    heard("pve1", seconds_ago=179)
    heard("pve2", seconds_ago=181)
    cluster = clusters(viewer)["clusters"][0]
    assert (cluster["activeNodes"], cluster["inactiveNodes"], cluster["nodeCount"]) == (1, 2, 3)
    assert cluster["health"] == "critical"


def test_one_cluster_shows_its_nodes(hub, viewer):
    spoke = node("pve1", proxmoxVersion="8.1.3")
    heard("pve1")
    body = viewer.get(path(spoke)).json()
    (shown,) = body["nodes"]
    assert body["cluster"]["clusterName"] == "dc1-prod"
    assert (shown["name"], shown["proxmoxVersion"], shown["status"], shown["confirmed"]) == (
        "pve1",
        "8.1.3",
        "active",
        False,
    )
    assert shown["allowedIPs"] == spoke["allowedIPs"]


def test_the_number_of_queries_does_not_grow(hub, viewer, count_queries):
    spoke = node("pve1")
    clusters(viewer)  # notes the key's first use
    few = count_queries(lambda: clusters(viewer)), count_queries(lambda: viewer.get(path(spoke)))
    for number in range(2, 9):
        node(f"pve{number}", cluster=f"dc{number % 3}-prod")
    assert (count_queries(lambda: clusters(viewer)), count_queries(lambda: viewer.get(path(spoke)))) == few


def test_clusters_come_in_pages(hub, viewer):
    for number in range(3):
        node(f"pve{number}", cluster=f"dc{number}")
    body = clusters(viewer, "pageSize=2&page=2")
    assert ([cluster["clusterName"] for cluster in body["clusters"]], body["nextPage"]) == (["dc2"], None)
    assert body["totalClusters"] == 3


# --- What an operator may do ----------------------------------------------------------------------------------------


def test_datacentre_and_description_are_set_and_cleared(hub, operator):
    spoke = node("pve1")

    def put(**body):
        return operator.put(path(spoke), body, content_type="application/json").json()["cluster"]

    assert put(datacenter="Lyon", description="Rack 7")["datacenter"] == "Lyon"
    cluster = put(description="")
    assert (cluster["datacenter"], cluster["description"]) == ("Lyon", "")
    assert AuditEvent.objects.filter(event="cluster.changed").count() == 2


def test_what_was_read_of_a_cluster_may_be_sent_back(hub, operator):
    spoke = node("pve1")
    cluster = operator.get(path(spoke)).json()["cluster"]
    assert operator.put(path(spoke), cluster, content_type="application/json").status_code == 200


@pytest.mark.parametrize("body", [{}, {"datacenter": None}, {"datacenter": "Lyon"}])
def test_what_changes_nothing_of_a_cluster_is_no_event_and_no_change(hub, operator, clock, body):
    spoke = node("pve1")
    before = operator.put(path(spoke), {"datacenter": "Lyon"}, content_type="application/json").json()["cluster"]
    clock.shift(60)
    assert operator.put(path(spoke), body, content_type="application/json").json()["cluster"] == before
    assert AuditEvent.objects.filter(event="cluster.changed").count() == 1


@pytest.mark.parametrize(
    "body", [{"clusterName": "other"}, {"health": "healthy"}, {"datacenter": 7}, {"datacenter": "x" * 101}]
)
def test_anything_else_of_a_cluster_is_refused(hub, operator, body):
    assert refused_fields(operator.put(path(node("pve1")), body, content_type="application/json"))


def test_a_confirmed_node_is_shown_so_and_recorded_once(hub, operator):
    spoke = node("pve1")
    for _ in range(2):
        assert confirm(operator, spoke, spoke).json() == {"success": True}
    assert operator.get(path(spoke)).json()["nodes"][0]["confirmed"] is True
    assert AuditEvent.objects.filter(event="node.confirmed").count() == 1


def groups():
    """The forwarding group of each live spoke's peer, by name."""
    return dict(Spoke.objects.live().values_list("name", "peer__forwarding_group"))


def test_confirmed_nodes_of_one_cluster_share_a_group_and_nobody_else_has_it(hub, operator):
    berlin = [node(name, proxmoxClusterFingerprint=CA) for name in ("pve1", "pve2", "pve3")]
    tokyo = [node(name, cluster="tokyo", proxmoxClusterFingerprint=OTHER_CA) for name in ("tyo1", "tyo2")]
    for spoke in (*berlin[:2], *tokyo):
        confirm(operator, spoke, spoke)
    found = groups()
    assert found["pve1"] == found["pve2"] != found["tyo1"] == found["tyo2"]
    assert None not in {found["pve1"], found["tyo1"]}
    assert found["pve3"] is None


def test_confirming_is_a_change_for_the_agent_that_touches_no_peer(hub, operator):
    spoke = node("pve1")
    before = Peer.objects.get(), HubConfig.objects.get().generation
    confirm(operator, spoke, spoke)
    assert HubConfig.objects.get().generation == before[1] + 1
    assert Peer.objects.get().generation == before[0].generation
    confirm(operator, spoke, spoke)
    assert HubConfig.objects.get().generation == before[1] + 1


def test_a_confirmation_can_be_taken_back(hub, operator):
    spoke = node("pve1")
    confirm(operator, spoke, spoke)
    generation = HubConfig.objects.get().generation
    for _ in range(2):
        assert operator.delete(f"{path(spoke)}/nodes/{spoke['id']}/confirm").json() == {"success": True}
    assert operator.get(path(spoke)).json()["nodes"][0]["confirmed"] is False
    assert groups() == {"pve1": None}
    assert HubConfig.objects.get().generation == generation + 1
    assert AuditEvent.objects.filter(event="node.unconfirmed").count() == 1


def test_a_removed_node_is_in_no_group(hub, operator):
    spoke = node("pve1")
    confirm(operator, spoke, spoke)
    operator.delete(f"/api/spoke/{spoke['id']}")
    assert Peer.objects.get().forwarding_group is None
    back = node("pve1")
    assert groups() == {"pve1": None}
    assert operator.get(path(back)).json()["nodes"][0]["confirmed"] is False


def test_a_spoke_that_is_no_node_of_the_cluster_cannot_be_confirmed(hub, operator):
    spoke, stranger = node("pve1"), enrol("laptop")["spoke"]
    assert_refused(confirm(operator, spoke, stranger), 404, "NOT_FOUND")


def test_a_cluster_with_nodes_is_not_deleted_and_an_empty_one_is(hub, operator):
    spoke = node("pve1")
    assert_refused(operator.delete(path(spoke)), 400, "CLUSTER_NOT_EMPTY")
    agent_has_applied()
    operator.delete(f"/api/spoke/{spoke['id']}")
    assert operator.get(path(spoke)).json()["cluster"]["health"] == "empty"
    assert operator.delete(path(spoke)).json()["success"]
    assert_refused(operator.get(path(spoke)), 404, "NOT_FOUND")


def test_an_unknown_cluster_is_not_found(hub, operator):
    unknown = f"{LIST}/00000000-0000-4000-8000-000000000000"
    assert_refused(operator.get(unknown), 404, "NOT_FOUND")
    assert_refused(operator.put(unknown, {"datacenter": "x"}, content_type="application/json"), 404, "NOT_FOUND")
    assert_refused(operator.delete(unknown), 404, "NOT_FOUND")


def test_a_machine_cannot_confirm_itself(hub):
    node("pve1", metadata={"confirmed": True})
    assert not Spoke.objects.get(name="pve1").confirmed
