"""The list of live spokes: what it shows, how it filters, counts and pages, and that its cost does not grow."""

from datetime import timedelta

import pytest
from django.test import Client

from spokes.models import Spoke
from tests.conftest import NOW, enrol, new_key, refused_fields
from tokens.models import InstallationToken
from wireguard.models import HubConfig, Peer, PeerStatus

pytestmark = pytest.mark.django_db

COUNTS = ["totalCount", "activeCount", "inactiveCount", "pendingCount"]


def heard(name: str, seconds_ago: float) -> None:
    at = NOW - timedelta(seconds=seconds_ago)
    peer = Spoke.objects.get(name=name).peer
    PeerStatus.objects.create(peer=peer, latest_handshake_at=at, heard_at=at)


def listed(client: Client, query: str = "") -> dict:
    answer = client.get(f"/api/spoke/list?{query}")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def names(body: dict) -> list[str]:
    return [spoke["name"] for spoke in body["spokes"]]


def counts(body: dict) -> list[int]:
    return [body[name] for name in COUNTS]


@pytest.fixture
def mixed(hub):
    """Two active, one inactive, three pending; of these one Windows machine, which is active."""
    for name in ("e-pending", "a-active", "c-inactive", "d-pending", "f-pending"):
        enrol(name)
    enrol("b-active", os="windows")
    heard("a-active", 10)
    heard("b-active", 100)
    heard("c-inactive", 500)


def many_spokes(count: int) -> None:
    hub, first = HubConfig.objects.get(), Spoke.objects.count()
    for number in range(first, first + count):
        key = new_key()
        peer = Peer.objects.create(public_key=key, live_key=key, allowed_ips=f"10.0.1.{number + 2}/32", generation=1)
        token = InstallationToken.objects.create(
            hub=hub,
            token_hash=f"{number:064}",
            spoke_name=f"spoke{number}",
            host=number + 2,
            address=f"10.0.1.{number + 2}",
            created_at=NOW,
            expires_at=NOW,
            network_cidr=hub.network_cidr,
        )
        Spoke.objects.create(
            id=token.spoke_id, token=token, peer=peer, name=token.spoke_name, registered_at=NOW, os="linux"
        )
        PeerStatus.objects.create(peer=peer, heard_at=NOW)


def test_without_spokes_it_is_empty(hub, viewer):
    assert listed(viewer) == {
        "spokes": [],
        "totalCount": 0,
        "activeCount": 0,
        "inactiveCount": 0,
        "pendingCount": 0,
        "page": 1,
        "pageSize": 1000,
        "nextPage": None,
    }


def test_it_shows_each_spoke_as_its_registration_did(hub, viewer):
    registered = enrol(metadata={"kernelVersion": "6.1"})["spoke"]
    assert listed(viewer)["spokes"] == [registered]


def test_it_comes_by_name_with_counts(mixed, viewer):
    body = listed(viewer)
    assert names(body) == ["a-active", "b-active", "c-inactive", "d-pending", "e-pending", "f-pending"]
    assert counts(body) == [6, 2, 1, 3]


@pytest.mark.parametrize(
    ("query", "found", "counted"),
    [
        ("status=active", ["a-active", "b-active"], [2, 2, 1, 3]),
        ("status=inactive", ["c-inactive"], [1, 2, 1, 3]),
        ("status=pending", ["d-pending", "e-pending", "f-pending"], [3, 2, 1, 3]),
        ("os=windows", ["b-active"], [1, 1, 0, 0]),
        ("os=windows&status=inactive", [], [0, 1, 0, 0]),
        ("os=macos", [], [0, 0, 0, 0]),
        ("status=&os=", ["a-active", "b-active", "c-inactive", "d-pending", "e-pending", "f-pending"], [6, 2, 1, 3]),
    ],
)
def test_it_filters_by_status_and_platform(mixed, viewer, query, found, counted):
    body = listed(viewer, query)
    assert names(body) == found
    assert counts(body) == counted


@pytest.mark.parametrize("query", ["status=gone", "status=ACTIVE", "status=%00", "os=beos", "os=linux'--", "os=%00"])
def test_it_refuses_a_filter_there_is_not(hub, viewer, query):
    assert set(refused_fields(viewer.get(f"/api/spoke/list?{query}"))) == {query.partition("=")[0]}


@pytest.mark.parametrize(
    ("query", "found", "next_page"),
    [
        ("pageSize=4", ["a-active", "b-active", "c-inactive", "d-pending"], 2),
        ("pageSize=4&page=2", ["e-pending", "f-pending"], None),
        ("pageSize=3&page=2", ["d-pending", "e-pending", "f-pending"], None),
        ("pageSize=6", ["a-active", "b-active", "c-inactive", "d-pending", "e-pending", "f-pending"], None),
        ("pageSize=4&page=3", [], None),
        ("page=999999999", [], None),
        ("status=pending&pageSize=2&page=2", ["f-pending"], None),
    ],
)
def test_it_comes_in_pages_whose_counts_are_of_the_whole(mixed, viewer, query, found, next_page):
    body = listed(viewer, query)
    assert names(body) == found
    assert body["nextPage"] == next_page
    assert counts(body)[1:] == [2, 1, 3]


def test_every_spoke_is_on_exactly_one_page(hub, viewer):
    many_spokes(25)
    pages = [names(listed(viewer, f"pageSize=7&page={page}")) for page in range(1, 5)]
    assert sorted(name for page in pages for name in page) == sorted(f"spoke{number}" for number in range(25))


def test_a_removed_spoke_is_not_listed_nor_counted(mixed, viewer, operator):
    operator.delete(f"/api/spoke/{Spoke.objects.get(name='a-active').id}")
    body = listed(viewer)
    assert "a-active" not in names(body)
    assert counts(body) == [5, 1, 1, 3]


def test_it_makes_the_same_number_of_queries_for_60_spokes_as_for_10(hub, viewer, count_queries):
    many_spokes(10)
    listed(viewer)
    few = count_queries(lambda: listed(viewer))
    many_spokes(50)
    assert count_queries(lambda: listed(viewer)) == few
    assert listed(viewer)["totalCount"] == 60
