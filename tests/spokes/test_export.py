"""The list as a file: all that matches, streamed, and nothing in it that a spreadsheet would compute."""

import csv

import pytest
from django.http import StreamingHttpResponse

from hubproject.models import Role
from spokes.export import as_cell
from spokes.models import Spoke
from tests.conftest import enrol, signed_in_as
from tests.fleet import seed_fleet
from wireguard.models import PeerStatus

pytestmark = pytest.mark.django_db

EXPORT = "/admin/spokes/spoke/export/"


@pytest.fixture
def viewing(now):
    return signed_in_as(Role.VIEWER)


def exported(client, query="") -> list[dict[str, str]]:
    answer = client.get(f"{EXPORT}?{query}")
    assert answer.status_code == 200
    return list(csv.DictReader(answer.getvalue().decode().splitlines(keepends=True)))


def test_a_row_holds_what_is_known_of_a_spoke(hub, viewing):
    spoke = enrol("laptop-001", os="macos")["spoke"]
    (row,) = exported(viewing)
    assert row == {
        "name": "laptop-001",
        "status": "pending",
        "address": "10.0.1.2",
        "platform": "macos",
        "public key": as_cell(spoke["publicKey"]),
        "endpoint": "",
        "last handshake": "",
        "received bytes": "",
        "sent bytes": "",
        "registered": "2026-03-01T12:00:00Z",
        "cluster": "",
        "node": "",
        "Proxmox VE": "",
    }


def test_it_holds_all_pages_and_only_what_matches(now, viewing):
    seed_fleet(148, now)
    assert sorted(row["name"] for row in exported(viewing)) == sorted(Spoke.objects.values_list("name", flat=True))
    assert {row["platform"] for row in exported(viewing, "os=windows")} == {"windows"}
    assert {row["status"] for row in exported(viewing, "status=inactive&page=2")} == {"inactive"}


def test_it_holds_those_whose_boxes_are_ticked_or_all_that_match(hub, viewing):
    peers = {name: enrol(name) and Spoke.objects.get(name=name).peer_id for name in ("alpha", "beta", "gamma")}
    ticked = f"_selected_action={peers['alpha']}&_selected_action={peers['gamma']}"
    assert [row["name"] for row in exported(viewing, ticked)] == ["alpha", "gamma"]
    assert [row["name"] for row in exported(viewing, f"{ticked}&select_across=1&search=bet")] == ["beta"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "  =", "\uff1d"])
def test_no_cell_begins_a_formula(start):
    assert as_cell(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("text", ["pve1", "10.0.1.2", "a=b", "", "O'Brien"])
def test_other_cells_are_as_they_are(text):
    assert as_cell(text) == text


def test_what_a_machine_sent_stays_in_its_cell(hub, viewing):
    hostile = '=HYPERLINK("http://evil");"x"'
    enrol("pve1", os="proxmox", proxmoxNodeName=hostile, proxmoxVersion="@SUM(1)", proxmoxClusterName="a;=1+1,b")
    PeerStatus.objects.create(peer=Spoke.objects.get().peer, endpoint='x\r\n"=2+2",y')
    (row,) = exported(viewing)
    assert row["node"] == f"'{hostile}"
    assert row["Proxmox VE"] == "'@SUM(1)"
    assert row["cluster"] == "a;=1+1,b"
    assert row["endpoint"] == 'x\r\n"=2+2",y'
    assert b'"a;=1+1,b"' in viewing.get(EXPORT).getvalue()


def test_it_is_streamed_as_a_file(hub, viewing):
    answer = viewing.get(EXPORT)
    assert isinstance(answer, StreamingHttpResponse)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="spokes-2026-03-01.csv"'
    answer.close()
