"""The list of spokes in the dashboard: what it shows, how its address describes it, and that its cost does not grow."""

import re
from datetime import timedelta
from html import unescape

import pytest

from hubproject.models import Role
from spokes.listing import PAGE_SIZE
from spokes.models import Spoke
from spokes.services import remove_spoke
from tests.conftest import BY_TEST, NOW, enrol, signed_in_as
from tests.fleet import seed_fleet
from wireguard.models import PeerStatus

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

LIST, LIVE = "/admin/spokes/spoke/", "/admin/spokes/spoke/live/"
MOST_QUERIES = 12
MOST_BYTES = 200_000


@pytest.fixture
def viewing(now):
    return signed_in_as(Role.VIEWER)


@pytest.fixture
def operating(now):
    return signed_in_as(Role.OPERATOR)


@pytest.fixture
def fleet(now):
    seed_fleet(148, now)


def page(client, query="", path=LIST) -> str:
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 200, answer
    return unescape(answer.content.decode())


def names(text: str) -> list[str]:
    return re.findall(r'<td [^>]*class="name"><a href="[^"]*" title="[^"]*">([^<]*)</a>', text)


def row_of(name: str, text: str) -> str:
    rows = [row for row in text.split("<tr ") if f">{name}</a>" in row]
    assert len(rows) == 1, rows
    return rows[0]


def heard(name: str, seconds_ago: float, **seen) -> None:
    at = NOW - timedelta(seconds=seconds_ago)
    peer = Spoke.objects.get(name=name).peer
    PeerStatus.objects.create(peer=peer, latest_handshake_at=at, heard_at=at, **seen)


# --- What it shows ------------------------------------------------------------------------------------------------


def test_a_row_says_how_a_spoke_is(hub, viewing):
    enrol("laptop-001", os="macos")
    heard("laptop-001", 41, endpoint="198.51.100.7:52144", rate_rx=12_000, rate_tx=4_100)
    row = row_of("laptop-001", page(viewing))
    for words in ("Active", "10.0.1.2", "macOS", "41 s ago", "198.51.100.7:52144", "12 kB/s", "4.1 kB/s"):
        assert f">{words}<" in row, words


def test_a_spoke_that_was_never_heard_says_so(hub, viewing):
    enrol("edge-cam")
    row = row_of("edge-cam", page(viewing))
    assert ">Pending<" in row
    assert ">Never<" in row


def test_statuses_are_counted(fleet, viewing):
    text = page(viewing)
    shown = re.findall(r'data-cell="count-(\w+)">(\d+)<', text)
    assert dict(shown) == {"active": "116", "inactive": "24", "pending": "8"}
    assert 'All <span class="count">148</span>' in text


def test_without_spokes_the_hub_waits(hub, operating, viewing):
    assert "The hub is up and waiting" in page(operating)
    assert "Add your first spoke" in page(operating)
    assert "Add your first spoke" not in page(viewing)
    assert "There is no hub yet" not in page(viewing)


def test_without_a_hub_it_says_so(viewing):
    assert "There is no hub yet" in page(viewing)


def test_what_a_machine_sent_shows_as_text(hub, viewing):
    enrol("laptop")
    hostile = "<script>alert(1)</script>'\"&{{7*7}}"
    heard("laptop", 10, endpoint=hostile)
    for path in (LIST, f"{LIVE}?peers={Spoke.objects.get().peer_id}"):
        body = viewing.get(path).content.decode()
        assert "<script>alert" not in body
        assert "&lt;script&gt;alert(1)" in body


# --- The address describes it -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=inactive&search=laptop", ["laptop-037", "laptop-051", "laptop-023"]),
        ("os=proxmox&status=pending", ["pve3.3.pve-lab"]),
        ("search=10.0.0.14", 11),
        ("search=203.0.113.13:", ["pve-standalone"]),
        ("search=  PVE-STANDALONE ", ["pve-standalone"]),
        ("status=gone&os=beos&cluster=x&page=x&ordering=x&view=x", PAGE_SIZE),
        ("search=%00", PAGE_SIZE),
    ],
)
def test_it_finds_by_status_platform_and_search(fleet, viewing, query, found):
    shown = names(page(viewing, query))
    if isinstance(found, int):
        assert len(shown) == found
    else:
        assert set(found) <= set(shown)


def test_it_finds_a_key_and_the_nodes_of_a_cluster(fleet, viewing):
    node = Spoke.objects.get(name="pve2.1.datacenter2-backup")
    key = node.peer.public_key.replace("+", "%2B")
    assert names(page(viewing, f"search={key}")) == [node.name]
    assert len(names(page(viewing, f"cluster={node.proxmox_cluster_id}"))) == 2


@pytest.mark.parametrize("ordering", ["name", "-name", "address", "-address", "os", "lastHandshake", "-lastHandshake"])
def test_it_orders_both_ways_and_says_which(fleet, viewing, ordering):
    text = page(viewing, f"ordering={ordering}")
    sort = "descending" if ordering.startswith("-") else "ascending"
    assert re.findall(r'aria-sort="(\w+)"', text) == [sort]
    shown = names(text)
    spokes = {spoke.name: spoke for spoke in Spoke.objects.select_related("token").with_status(NOW)}
    value = {
        "name": lambda name: name,
        "address": lambda name: spokes[name].token.host,
        "os": lambda name: spokes[name].os,
        "lastHandshake": lambda name: spokes[name].last_handshake,
    }[ordering.removeprefix("-")]
    values = [value(name) for name in shown if value(name) is not None]
    assert values == sorted(values, reverse=ordering.startswith("-"))


def test_every_spoke_is_on_exactly_one_page(fleet, viewing):
    first, second = page(viewing), page(viewing, "page=2")
    assert len(names(first)) == PAGE_SIZE
    assert sorted(names(first) + names(second)) == sorted(Spoke.objects.values_list("name", flat=True))
    assert "1\u2013100 of 148" in first
    assert "101\u2013148 of 148" in second


def test_a_page_too_far_is_the_last(fleet, viewing):
    assert names(page(viewing, "page=999999")) == names(page(viewing, "page=2"))


def test_links_keep_what_is_chosen(fleet, viewing):
    text = page(viewing, "search=a&os=linux&ordering=-name&view=type")
    segment = re.search(r'<a href="(\?[^"]*status=inactive[^"]*)"', text)
    assert segment
    assert all(part in segment[1] for part in ("search=a", "os=linux", "ordering=-name", "view=type"))
    assert "page=" not in segment[1]


def test_by_type_has_a_heading_for_each_type_with_its_number(fleet, viewing):
    text = page(viewing, "view=type&page=2") + page(viewing, "view=type")
    headings = dict(re.findall(r'scope="rowgroup">([^<]+)<span class="count">(\d+)<', text))
    assert headings == {"Linux": "59", "macOS": "38", "Windows": "38", "Proxmox VE": "13"}


def test_clear_is_there_only_when_something_is_set(fleet, viewing):
    assert ">Clear</a>" not in page(viewing, "view=type&ordering=-name")
    assert ">Clear</a>" in page(viewing, "os=linux")


def test_an_empty_search_says_what_was_searched(fleet, viewing):
    text = page(viewing, "search=nobody<b>&status=active")
    assert "No spoke matches" in text
    assert "“nobody<b>”" in text
    assert "Clear filters" in text
    assert not names(text)


# --- Who may what -------------------------------------------------------------------------------------------------


def test_a_viewer_sees_no_button_he_may_not_press(fleet, viewing, operating):
    for words in ("Remove…", "Add spoke", "/remove/"):
        assert words not in page(viewing), words
        assert words in page(operating), words
    assert "Export CSV" in page(viewing)


# --- It renews itself ---------------------------------------------------------------------------------------------


def peers_of(*spoke_names: str) -> str:
    return ",".join(str(Spoke.objects.get(name=name).peer_id) for name in spoke_names)


def test_news_are_of_the_rows_that_were_named_and_of_no_others(hub, viewing):
    for name in ("alpha", "beta", "gamma"):
        enrol(name)
    heard("beta", 10, endpoint="203.0.113.9:51820")
    text = page(viewing, f"peers={peers_of('alpha', 'beta')}", LIVE)
    assert sorted(re.findall(r'data-row="(\d+)"', text)) == peers_of("alpha", "beta").split(",")
    assert "203.0.113.9:51820" in text
    assert re.findall(r'data-cell="count-(\w+)">(\d+)<', text) == [("active", "1"), ("inactive", "0"), ("pending", "2")]


def test_a_spoke_that_was_removed_meanwhile_is_said_to_be(hub, viewing):
    enrol("alpha")
    query = f"peers={peers_of('alpha')}"
    remove_spoke(spoke_id=Spoke.objects.get().pk, by=BY_TEST, now=NOW)
    assert ">Removed<" in page(viewing, query, LIVE)


@pytest.mark.parametrize("peers", ["", ",", "x", "-1", "1.5", "9" * 400, "%00", "²", "1;2", ",".join(["1"] * 5000)])
def test_news_of_nothing_real_are_none(fleet, viewing, peers):
    text = page(viewing, f"peers={peers}", LIVE)
    assert len(re.findall("data-row", text)) <= 1


def test_the_page_asks_for_news_of_its_own_rows(fleet, viewing):
    text = page(viewing, "status=inactive&os=linux")
    asked = re.search(r'data-live-url="(/admin/spokes/spoke/live/\?[^"]+)"', text)
    assert asked
    assert len(asked[1]) < 4000
    news = page(viewing, asked[1].partition("?")[2], LIVE)
    assert sorted(re.findall(r'data-row="(\d+)"', news)) == sorted(re.findall(r'data-row="(\d+)"', text))


# --- What it costs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "view=type", "status=inactive&search=a&os=linux", "ordering=-lastHandshake"])
def test_it_takes_as_few_queries_for_many_spokes_as_for_some(now, viewing, count_queries, query):
    seed_fleet(30, now)
    few = count_queries(lambda: page(viewing, query))
    seed_fleet(300, now, clusters=False)
    assert count_queries(lambda: page(viewing, query)) <= few <= MOST_QUERIES


def test_a_full_page_of_the_longest_names_is_light_enough(now, operating):
    seed_fleet(PAGE_SIZE + 5, now)
    for spoke in Spoke.objects.all():
        Spoke.objects.filter(pk=spoke.pk).update(name=f"{spoke.name:x<63}")
    PeerStatus.objects.update(endpoint="[2001:db8:1234:5678:9abc:def0:1234:5678]:51820", rate_rx=10**9, rate_tx=10**8)
    assert len(operating.get(LIST).content) < MOST_BYTES
