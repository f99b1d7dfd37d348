"""The overview: figures, what needs somebody, the last events, for every role and any size of the fleet."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client

from hubproject.models import Role
from proxmox.models import Cluster
from spokes.models import Spoke
from tests.conftest import BY_TEST, NOW, agent_has_applied, claim, issue, register
from tests.fleet import seed_fleet
from tests.hubproject.conftest import signed_in
from wireguard.models import AgentState, HubConfig, PeerStatus, TrafficSample
from wireguard.services import initialize_hub

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>'\"&"


@pytest.fixture
def chief(root) -> Client:
    return signed_in(root)


@pytest.fixture
def fleet(now):
    seed_fleet(148, now)


def overview_of(client: Client, **headers: str) -> str:
    answer = client.get("/admin/", headers=headers)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def text_in(page: str, cell: str) -> str:
    """What can be read in one part of the page."""
    part = re.split(r"<\w+[^>]* data-cell=", page.partition(f'data-cell="{cell}"')[2])[0]
    return " ".join(re.sub(r"<[^>]+>", " ", part.partition(">")[2]).split())


def enrol(name: str, heard: timedelta | None = None, **fields) -> Spoke:
    agent_has_applied(synced_at=NOW)
    assert register(issue(name).secret, **fields).status_code == 201
    spoke = Spoke.objects.get(name=name)
    if heard is not None:
        PeerStatus.objects.create(peer=spoke.peer, heard_at=NOW - heard, latest_handshake_at=NOW - heard)
    return spoke


def node(cluster: str, name: str) -> dict[str, object]:
    return {"os": "proxmox", "isProxmox": True, "proxmoxClusterName": cluster, "proxmoxNodeName": name}


# --- Figures ------------------------------------------------------------------------------------------------------


def test_the_strip_counts_spokes_by_status(chief, hub):
    enrol("here", timedelta(seconds=10))
    enrol("gone", timedelta(days=3))
    enrol("new")
    said = text_in(overview_of(chief), "figures")
    assert "Spokes 3 1 active 1 inactive 1 pending" in said
    assert "Address pool 1 % 3 of 253 250 free" in said


def test_the_strip_counts_clusters_by_health(chief, hub):
    enrol("a1", timedelta(0), **node("good", "a1"))
    enrol("b1", timedelta(0), **node("half", "b1"))
    enrol("b2", timedelta(days=2), **node("half", "b2"))
    assert "Proxmox clusters 2 3 nodes 1 healthy 1 degraded" in text_in(overview_of(chief), "figures")


@pytest.mark.parametrize(("network", "cells"), [("10.0.1.0/24", 256), ("10.0.0.0/16", 256), ("10.0.1.0/29", 8)])
def test_the_map_has_a_cell_for_each_address_and_never_more_than_256(chief, now, network, cells):
    initialize_hub(network_cidr=network, endpoint="hub.example.com:51820", by=BY_TEST, now=now)
    issue("only")
    page = overview_of(chief)
    drawn = re.search(r'<svg class="map".*?</svg>', page, re.DOTALL)[0]
    assert drawn.count("<rect") == 1
    assert drawn.count("h3.2v1.5") == cells - 1


def test_the_map_shows_where_the_addresses_lie(chief, hub):
    for number, address in enumerate(["10.0.1.2", "10.0.1.100", "10.0.1.254"]):
        issue(f"n{number}", custom_ip=address)
    drawn = re.search(r'<svg class="map".*?</svg>', overview_of(chief), re.DOTALL)[0]
    places = [
        (int(float(x)) // 4, round(float(y) / 2.25))
        for x, y in re.findall(r'<rect[^>]* x="([\d.]+)" y="([\d.]+)"', drawn)
    ]
    assert [row * 32 + column for column, row in places] == [2, 100, 254]


def test_addresses_that_were_given_back_rest(chief, hub):
    from tokens.services import revoke_token

    enrol("one")
    revoke_token(token_id=issue("two").row.pk, by=BY_TEST, now=NOW)
    assert "251 free 1 resting" in text_in(overview_of(chief), "figures")


def test_traffic_is_told_for_now_and_for_the_day(chief, hub):
    enrol("one")
    for minute in range(1, 1440):
        TrafficSample.objects.create(at=NOW - timedelta(minutes=minute), received=60_000_000, sent=6_000_000)
    TrafficSample.objects.create(at=NOW - timedelta(days=2), received=10**15, sent=10**15)
    page = overview_of(chief)
    assert "Traffic now 1.0 MB/s received 100 kB/s sent" in text_in(page, "figures")
    assert "Received 86 GB Sent 8.6 GB" in text_in(page, "traffic")


def test_old_traffic_is_not_told_as_that_of_now(chief, hub):
    enrol("one")
    TrafficSample.objects.create(at=NOW - timedelta(minutes=5), received=60_000_000, sent=6_000_000)
    assert "Traffic now \N{EN DASH} received \N{EN DASH} sent" in text_in(overview_of(chief), "figures")


def test_without_samples_the_chart_says_so(chief, hub):
    enrol("one")
    assert "Nothing has been counted in the last day." in text_in(overview_of(chief), "traffic")


# --- What needs somebody ------------------------------------------------------------------------------------------


def attention(client: Client) -> str:
    return text_in(overview_of(client), "attention")


def test_nothing_needs_attention_when_all_is_well(chief, hub):
    enrol("one", timedelta(0))
    assert attention(chief) == "Needs attention Nothing. All is as it should be."


def test_an_install_that_stopped_is_reissued_with_one_click(chief, hub, clock):
    enrol("one", timedelta(0))
    stopped = issue("db-replica-2")
    claim(stopped)
    assert "stopped half way" not in attention(chief)
    clock.shift(10 * 60)
    agent_has_applied(synced_at=NOW)
    page = overview_of(chief)
    assert "db-replica-2 stopped half way: script fetched, never registered Fetched from 192.0.2.1 at 12:00." in (
        text_in(page, "attention")
    )
    assert f'formaction="/admin/add-spoke/{stopped.row.pk}/reissue"' in page
    answer = chief.post(f"/admin/add-spoke/{stopped.row.pk}/reissue")
    assert "/api/installation/script/" in answer.content.decode()
    assert "db-replica-2 stopped" not in attention(chief)


def test_an_install_that_stopped_yesterday_is_told_until_a_day_is_over(chief, hub, clock):
    stopped = issue("half", expires_in_hours=1)
    enrol("one", timedelta(0))
    claim(stopped)
    clock.shift(timedelta(hours=7))
    assert "half stopped half way" in attention(chief)
    chief_again = signed_in(chief_user())
    clock.shift(timedelta(hours=1))
    assert "half stopped half way" in attention(chief_again)


def chief_user():
    from django.contrib.auth.models import User

    return User.objects.get(username="root")


def test_clusters_are_told_the_worst_first(chief, hub):
    for cluster, heard in {"bad": [0, 2, 2], "half": [0, 2], "good": [0], "dead": [2]}.items():
        for number, days in enumerate(heard):
            enrol(f"{cluster}{number}", timedelta(days=days), **node(cluster, f"{cluster}{number}"))
    said = attention(chief)
    assert re.findall(r"(\w+) is (all inactive|critical|degraded):", said) == [
        ("dead", "all inactive"),
        ("bad", "critical"),
        ("half", "degraded"),
    ]
    assert "bad is critical: 1 of 3 nodes connected" in said
    assert "good" not in said


def test_what_went_dark_today_is_told_and_what_sleeps_for_days_is_not(chief, hub):
    enrol("here", timedelta(0))
    enrol("laptop", timedelta(days=2))
    enrol("server", timedelta(minutes=15))
    said = attention(chief)
    assert "server went dark 15 min ago" in said
    assert "laptop" not in said


def test_a_node_that_went_dark_is_told_with_its_cluster_and_not_twice(chief, hub):
    enrol("pve1", timedelta(0), **node("site", "pve1"))
    enrol("pve2", timedelta(hours=1), **node("site", "pve2"))
    said = attention(chief)
    assert "site is degraded: 1 of 2 nodes connected Went dark today: pve2" in said
    assert "pve2 went dark" not in said


def test_a_storm_of_silence_is_told_in_few_lines(chief, hub):
    for number in range(9):
        enrol(f"s{number}", timedelta(minutes=10 + number))
    said = attention(chief)
    assert said.count("went dark") == 6
    assert "More went dark in the last 24 hours" in said


def test_a_removed_spoke_is_no_loss(chief, hub, operator):
    spoke = enrol("gone", timedelta(minutes=10))
    enrol("here", timedelta(0))
    operator.delete(f"/api/spoke/{spoke.pk}")
    page = overview_of(chief)
    assert "gone" not in text_in(page, "attention")
    assert "Spokes 1 1 active Proxmox" in text_in(page, "figures")


def test_a_spoke_that_was_removed_while_it_was_heard_counts_no_more(chief, hub, operator):
    spoke = enrol("gone", timedelta(seconds=5))
    enrol("new")
    operator.delete(f"/api/spoke/{spoke.pk}")
    assert "Spokes 1 0 active 1 pending" in text_in(overview_of(chief), "figures")


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"alive_at": NOW - timedelta(minutes=2)}, "The agent is silent 2 min ago"),
        ({"alive_at": None}, "The agent is silent It has never reported."),
        (
            {"is_managing": False, "problem": "No CAP_NET_ADMIN."},
            "The agent may not change the interface No CAP_NET_ADMIN.",
        ),
        ({"problem": HOSTILE}, f"The agent cannot do its work {HOSTILE}"),
        ({"interface_up": False}, "wg0 is down"),
        ({"applied_generation": 0}, "The agent is behind: 2 changes are not on the interface yet"),
        ({"hold": True, "differences": ["a", "b"]}, "The hub is on hold after a restore 2 differences wait"),
    ],
)
def test_what_is_wrong_with_the_hub_itself_stands_first(chief, hub, report, said):
    enrol("half", timedelta(minutes=15))
    AgentState.objects.filter(id=1).update(**report)
    told = attention(chief).removeprefix("Needs attention 2 ")
    assert told.startswith(" ".join(re.sub(r"<[^>]+>", " ", said).split()))


@pytest.mark.parametrize(("used", "is_told"), [(3, False), (4, True), (5, True)])
def test_a_pool_above_four_fifths_is_told(chief, small_hub, used, is_told):
    for number in range(used):
        issue(f"n{number}")
    agent_has_applied(synced_at=NOW)
    assert ("The address pool is" in attention(chief)) is is_told


# --- The hub, open installs, events -------------------------------------------------------------------------------


def test_the_hub_panel_says_what_one_needs_to_know_of_it(chief, hub):
    enrol("one")
    page = overview_of(chief)
    said = text_in(page, "hub")
    for part in (
        "wg0 up",
        "Alive",
        "None",
        hub.endpoint,
        hub.public_key,
        "10.0.1.0/24",
        "10.0.1.1",
        "Isolated",
        "None pushed",
    ):
        assert part in said
    assert f'data-copy="{hub.public_key}"' in page
    assert hub.sealed_private_key not in page


def test_open_installs_are_listed_and_registered_ones_are_not(chief, hub):
    enrol("done")
    issue("nas-lyon")
    claim(issue("build-arm-3"))
    said = text_in(overview_of(chief), "installs")
    assert "nas-lyon Waiting" in said
    assert "build-arm-3 Fetched" in said
    assert "done" not in said


def test_the_latest_events_are_sentences(chief, hub):
    enrol("one")
    said = text_in(overview_of(chief), "events")
    assert "12:00 one registered As 10.0.1.2, linux 127.0.0.1" in said
    assert "12:00 root signed in By password 127.0.0.1" not in said.split("one registered")[0]
    assert "12:00 Install command for one issued For 10.0.1.2 192.0.2.1" in said
    assert "spent" not in said


# --- Empty, without a hub, by role --------------------------------------------------------------------------------


def test_an_empty_hub_waits_for_its_first_spoke(chief, hub):
    agent_has_applied(synced_at=NOW)
    said = text_in(overview_of(chief), "empty")
    assert "The hub is up and waiting wg0 listens on hub.example.com:51820." in said
    assert "Add your first spoke Add several at once" in said


@pytest.mark.parametrize(
    ("report", "said"),
    [({"alive_at": None}, "its agent is not running"), ({"interface_up": False}, "wg0 is not up yet")],
)
def test_an_empty_hub_does_not_claim_to_be_up_when_it_is_not(chief, hub, report, said):
    agent_has_applied()
    AgentState.objects.update(**report)
    assert said in text_in(overview_of(chief), "empty")


def test_a_viewer_of_an_empty_hub_is_offered_nothing(ada, hub):
    assert "Add" not in text_in(overview_of(signed_in(ada)), "empty")


def test_before_there_is_a_hub_an_admin_is_led_to_set_it_up_and_others_are_told(root, person, now):
    assert signed_in(root).get("/admin/")["Location"] == "/setup"
    assert "This hub has no network yet" in overview_of(signed_in(person("ada")))


def test_a_viewer_sees_the_figures_and_no_button(ada, fleet, hub_with_a_stopped_install):
    page = overview_of(signed_in(ada))
    assert "Needs attention" in page
    assert not re.search(r"Reissue|Add spoke|>Edit<|<form[^>]*method=\"post\"[^>]*reissue", page)


@pytest.fixture
def hub_with_a_stopped_install(fleet, clock):
    claim(issue("half"))
    clock.shift(11 * 60)


def test_an_operator_reissues_and_does_not_edit_the_hub(person, hub_with_a_stopped_install):
    page = overview_of(signed_in(person("ada", Role.OPERATOR)))
    assert "Reissue" in page
    assert ">Edit<" not in page


# --- Live, hostile, large -----------------------------------------------------------------------------------------


def test_an_open_page_is_given_what_moves_and_no_frame(chief, fleet):
    part = overview_of(chief, **{"HX-Request": "true"})
    assert part.lstrip().startswith('<div id="overview" data-live="30">')
    assert "<html" not in part
    assert "148" in text_in(part, "figures")


def test_who_was_signed_out_meanwhile_is_told_so(hub):
    client = Client(headers={"HX-Request": "true"})
    assert client.get("/admin/", follow=True).status_code == 401


def test_hostile_names_are_text(chief, hub, clock):
    spoke = enrol("one", timedelta(minutes=15), **node(HOSTILE[:60], HOSTILE[:60]))
    Spoke.objects.filter(pk=spoke.pk).update(name=HOSTILE)
    Cluster.objects.update(cluster_name=HOSTILE)
    AgentState.objects.update(problem=HOSTILE)
    HubConfig.objects.update(spoke_to_spoke="<b>", endpoint='"><i>')
    for headers in ({}, {"HX-Request": "true"}):
        body = chief.get("/admin/", headers=headers).content
        assert b"<script>alert" not in body
        assert b"<i>" not in body
        assert HOSTILE in unescape(body.decode())


@pytest.mark.parametrize("role", Role)
def test_it_takes_thirteen_queries_at_most_for_any_fleet(person, now, count_queries, role):
    client = signed_in(person("ada", role))
    seed_fleet(3, now)
    few = count_queries(lambda: overview_of(client))
    seed_more = HubConfig.objects.get()
    assert seed_more.network_cidr == "10.0.0.0/16"
    for number in range(8):
        claim(issue(f"half{number}"))
    assert count_queries(lambda: overview_of(client)) == few <= 13
