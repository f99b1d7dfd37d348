"""The page of Proxmox clusters: the tree, who is missing, and what an operator does there."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client

from hubproject.models import AuditEvent, Role
from proxmox.models import Cluster
from spokes.cluster_tree import PAGE_SIZE
from spokes.models import Spoke
from spokes.services import remove_spoke
from tests.conftest import BY_TEST, NOW, enrol, signed_in_as
from tests.fleet import seed_fleet
from wireguard.models import PeerStatus

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

PAGE = "/admin/proxmox/cluster/"
CA, OTHER_CA = "ab" * 32, "cd" * 32


@pytest.fixture
def viewing(now):
    return signed_in_as(Role.VIEWER)


@pytest.fixture
def operating(now):
    return signed_in_as(Role.OPERATOR)


def node(name, cluster="dc1-prod", seconds_ago=None, **fields):
    report = {"os": "proxmox", "isProxmox": True, "proxmoxNodeName": name, "proxmoxClusterName": cluster, **fields}
    spoke = enrol(name, **report)["spoke"]
    if seconds_ago is not None:
        at = NOW - timedelta(seconds=seconds_ago)
        PeerStatus.objects.create(peer=Spoke.objects.get(name=name).peer, latest_handshake_at=at, heard_at=at)
    return spoke


def page(client, query="") -> str:
    answer = client.get(f"{PAGE}?{query}")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def clusters(text: str) -> list[str]:
    return re.findall(r'<h2 title="([^"]*)">', text)


def branch(name: str, text: str) -> str:
    (found,) = (part for part in text.split("<details ") if f'<h2 title="{name}">' in part)
    return found + text.partition(found)[2].partition('<details class="cluster panel"')[0]


def act(cluster_id, part: str) -> str:
    return f"{PAGE}{cluster_id}/{part}/"


# --- What it shows ------------------------------------------------------------------------------------------------


def test_the_worst_comes_first_with_its_health_in_words(now, viewing):
    seed_fleet(30, now)
    text = page(viewing)
    assert clusters(text) == ["pve-lab", "edge-site1", "datacenter2-backup", "pve-lab", "datacenter1-prod"]
    pills = re.findall(r'data-cell="health"><span class="pill \w+">.*?</svg>([^<]+)<', text)
    assert pills == ["All Inactive", "Critical", "Degraded", "Degraded", "All Active"]
    assert "1 of 3</span> nodes connected" in branch("edge-site1", text)


def test_a_node_has_address_handshake_and_version(hub, viewing):
    node("pve1", seconds_ago=125, proxmoxVersion="8.1.3")
    text = branch("dc1-prod", page(viewing))
    for words in (">pve1<", ">10.0.1.2<", ">Active<", ">2 min ago<", ">PVE 8.1.3<"):
        assert words in text, words


def test_a_node_that_went_dark_stands_out(hub, viewing):
    node("pve1", seconds_ago=900)
    assert 'class="late"' in branch("dc1-prod", page(viewing))


def test_members_nobody_enrolled_can_be_enrolled(hub, viewing, operating):
    spoke = node("pve1", metadata={"clusterNodes": ["pve1", "pve 2&x"]})
    text = branch("dc1-prod", page(operating))
    assert "1 not enrolled" in text
    assert "Not enrolled" in text
    asked = f"name=pve%202%26x&platform=proxmox&cluster={spoke['proxmoxClusterId']}&node=pve%202%26x"
    assert f'href="/admin/add-spoke?{asked}"' in text
    assert "Enrol this node" not in page(viewing)
    assert operating.get(f"/admin/add-spoke?{asked}").status_code == 200


def test_a_member_that_is_enrolled_under_any_case_is_not_missing(hub, viewing):
    node("PVE1", metadata={"clusterNodes": ["pve1"]})
    assert "not enrolled" not in page(viewing)


def test_clusters_of_one_name_show_their_ca(hub, viewing):
    node("pve1", proxmoxClusterFingerprint=CA)
    assert "CA ab:ab:ab" not in page(viewing)
    node("pve2", proxmoxClusterFingerprint=OTHER_CA)
    text = page(viewing)
    assert "CA ab:ab:ab" in text
    assert "CA cd:cd:cd" in text


def test_hosts_outside_any_cluster_stand_apart_at_the_end(hub, viewing):
    node("pve1")
    enrol("pve-alone", os="proxmox", isProxmox=True, proxmoxNodeName="pve-alone")
    _, _, rest = page(viewing).partition("Standalone hosts")
    assert ">pve-alone<" in rest
    assert ">pve1<" not in rest


def test_healthy_ones_are_closed_when_there_are_many(hub, viewing):
    def opened(text: str) -> int:
        return len(re.findall(r'<details class="cluster panel"[^>]* open>', text))

    for number in range(8):
        node(f"pve{number}", cluster=f"dc{number}", seconds_ago=10)
    assert opened(page(viewing)) == 8
    node("pve8", cluster="dc8", seconds_ago=900)
    assert opened(page(viewing)) == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("health=critical", ["edge-site1"]),
        ("search=backup", ["datacenter2-backup"]),
        ("search=lyon", ["edge-site1"]),
        ("search=10.0.0.7", ["edge-site1"]),
        ("search=pve2.1.", ["datacenter2-backup"]),
        ("search=nobody", []),
        ("health=healthy&search=edge", []),
        ("health=x&page=x&search=%00", 5),
    ],
)
def test_it_finds_by_health_name_place_and_node(now, viewing, query, found):
    seed_fleet(30, now)
    shown = clusters(page(viewing, query))
    assert len(shown) == found if isinstance(found, int) else shown == found


def test_many_clusters_come_in_pages(now, viewing):
    seed_fleet(1, now)
    times = {"created_at": NOW, "updated_at": NOW}
    Cluster.objects.bulk_create(Cluster(cluster_name=f"dc{n:03}", **times) for n in range(PAGE_SIZE + 1))
    assert len(clusters(page(viewing))) == PAGE_SIZE
    assert clusters(page(viewing, "page=2")) == clusters(page(viewing, "page=99")) == [f"dc{PAGE_SIZE:03}"]


def test_without_any_proxmox_it_says_how_to_begin(hub, viewing, operating):
    assert "No Proxmox VE here yet" in page(viewing)
    assert "Add a Proxmox VE node" in page(operating)
    assert "Add a Proxmox VE node" not in page(viewing)


def test_what_a_machine_sent_shows_as_text(hub, operating):
    hostile = "<script>alert(1)</script>'\"&{{7*7}}"
    node("pve1", cluster=hostile, proxmoxVersion=hostile, metadata={"clusterNodes": [hostile], "quorate": hostile})
    assert b"<script>alert" not in operating.get(PAGE).content


def test_it_takes_as_few_queries_for_many_nodes_as_for_some(hub, viewing, count_queries):
    node("pve1")
    few = count_queries(lambda: page(viewing))
    for number in range(2, 9):
        node(f"pve{number}", cluster=f"dc{number % 3}")
    assert count_queries(lambda: page(viewing)) <= few <= 12


def test_the_page_of_one_cluster_is_its_place_here(hub, viewing):
    cluster_id = node("pve1")["proxmoxClusterId"]
    assert viewing.get(act(cluster_id, "change"))["Location"] == f"{PAGE}?search=dc1-prod#cluster-{cluster_id}"
    assert viewing.get(act("00000000-0000-4000-8000-000000000000", "change")).status_code in {302, 404}


# --- What an operator does ----------------------------------------------------------------------------------------


def test_datacentre_and_description_are_written_in_place(hub, operating):
    cluster_id = node("pve1")["proxmoxClusterId"]
    form = {"datacenter": "Lyon", "description": "Rack 7", "back": "?search=dc1"}
    answer = operating.post(act(cluster_id, "describe"), form)
    assert answer["Location"] == f"{PAGE}?search=dc1#cluster-{cluster_id}"
    assert "Lyon. Rack 7" in page(operating)
    operating.post(act(cluster_id, "describe"), {"datacenter": "", "description": ""})
    assert Cluster.objects.values_list("datacenter", "description").get() == ("", "")


def test_what_is_too_long_is_said_beside_its_field_and_stays(hub, operating):
    cluster_id = node("pve1")["proxmoxClusterId"]
    answer = operating.post(act(cluster_id, "describe"), {"datacenter": "x" * 101, "description": "kept"})
    text = answer.content.decode()
    assert "at most 100 characters" in text
    assert 'aria-invalid="true"' in text
    assert 'value="kept"' in text
    assert not AuditEvent.objects.filter(event="cluster.changed").exists()


def test_an_unconfirmed_node_is_confirmed_once(hub, operating):
    spoke = node("pve1")
    assert ">Confirm</button>" in page(operating)
    confirm = act(spoke["proxmoxClusterId"], f"nodes/{spoke['id']}/confirm")
    for _ in range(2):
        assert operating.post(confirm).status_code == 302
    text = page(operating)
    assert "pve1 is confirmed as a node of its cluster." in text
    assert ">Confirm</button>" not in text
    assert AuditEvent.objects.filter(event="node.confirmed").count() == 1


def test_a_stranger_is_not_confirmed(hub, operating):
    cluster_id = node("pve1")["proxmoxClusterId"]
    stranger = enrol("laptop")["spoke"]
    operating.post(act(cluster_id, f"nodes/{stranger['id']}/confirm"))
    assert "There is no such node in this cluster." in page(operating)


def test_an_empty_cluster_is_forgotten_after_asking(hub, operating):
    spoke = node("pve1")
    forget = act(spoke["proxmoxClusterId"], "forget")
    assert "Forget…" not in page(operating)
    assert operating.post(forget).status_code == 302
    assert "still has nodes" in page(operating)
    remove_spoke(spoke_id=spoke["id"], by=BY_TEST, now=NOW)
    assert "Forget…" in page(operating)
    assert "Forget dc1-prod?" in operating.get(forget).content.decode()
    assert Cluster.objects.count() == 1
    for _ in range(2):
        assert operating.post(forget).status_code == 302
    assert Cluster.objects.count() == 0
    assert AuditEvent.objects.filter(event="cluster.deleted").count() == 1


def test_a_viewer_sees_no_button_and_is_refused(hub, viewing):
    spoke = node("pve1", metadata={"clusterNodes": ["pve1", "pve2"]})
    text = page(viewing)
    assert "Not confirmed" in text
    for words in (
        "Confirm</button>",
        "Describe ",
        "Enrol this node",
        "Add spoke",
        '<form method="post" action="/admin/pro',
    ):
        assert words not in text, words
    cluster_id = spoke["proxmoxClusterId"]
    for part in ("describe", "forget", f"nodes/{spoke['id']}/confirm", f"nodes/{spoke['id']}/unconfirm"):
        assert viewing.post(act(cluster_id, part), {"datacenter": "x"}).status_code == 403
    assert viewing.get(act(cluster_id, "forget")).status_code == 403
    assert not Spoke.objects.get().confirmed


def test_another_sites_form_and_a_mere_link_change_nothing(hub, operating):
    spoke = node("pve1")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operating.cookies
    for part in ("describe", "forget", f"nodes/{spoke['id']}/confirm"):
        assert strict.post(act(spoke["proxmoxClusterId"], part)).status_code == 403
    for part in ("describe", f"nodes/{spoke['id']}/confirm"):
        assert operating.get(act(spoke["proxmoxClusterId"], part)).status_code == 405
    assert not Spoke.objects.get().confirmed
