"""What surrounds every page of the dashboard, and the pages that say what went wrong."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client

from hubproject.models import Role
from spokes.models import Spoke
from tests.conftest import NOW, agent_has_applied, enrol, issue
from tests.hubproject.conftest import signed_in
from wireguard.models import AgentState, PeerStatus

pytestmark = pytest.mark.django_db
PAGE = "/admin/wireguard/hubconfig/"
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def chief(hub, root) -> Client:
    return signed_in(root)


def page(client: Client, path: str = PAGE) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def line_of(text: str, name: str) -> str:
    """One line of the side navigation."""
    return text[text.index(f"</svg>{name}<span") :].partition("</li>")[0]


# --- The side navigation ------------------------------------------------------------------------------------------


def test_it_counts_what_is_behind_each_line(chief):
    enrol("alpha")
    enrol("beta")
    issue("gamma")
    text = page(chief)
    assert ">2</span>" in line_of(text, "Spokes")
    assert ">1</span>" in line_of(text, "Install tokens")
    assert "<use" not in line_of(text, "Proxmox clusters")


def test_a_cluster_that_lost_a_node_is_marked_with_a_shape_and_words(chief):
    for name in ("pve1", "pve2", "pve3"):
        enrol(name, os="proxmox", isProxmox=True, proxmoxNodeName=name, proxmoxClusterName="prod")
    for spoke in Spoke.objects.exclude(name="pve3"):
        PeerStatus.objects.create(peer=spoke.peer, heard_at=NOW)
    assert "A cluster is degraded" in line_of(page(chief), "Proxmox clusters")
    PeerStatus.objects.all().delete()
    assert "A cluster is down" in line_of(page(chief), "Proxmox clusters")


@pytest.mark.parametrize(("role", "sees_users"), [(Role.VIEWER, False), (Role.OPERATOR, False), (Role.ADMIN, True)])
def test_what_a_role_may_not_open_is_not_there(hub, person, role, sees_users):
    text = page(signed_in(person("ada", role)))
    assert ("/admin/auth/user/" in text) is sees_users
    assert ("data-new=" in text) is (role != Role.VIEWER)


def test_the_page_one_is_on_is_marked(chief):
    text = page(chief)
    assert text.count('<a href="/admin/wireguard/hubconfig/" aria-current="page">') == 1


def test_the_frame_takes_as_many_queries_for_thirty_spokes_as_for_one(chief, count_queries):
    enrol("alpha")
    few = count_queries(lambda: page(chief, "/admin/frame"))
    for number in range(30):
        enrol(f"spoke-{number}")
    assert count_queries(lambda: page(chief, "/admin/frame")) == few
    assert few <= 8


# --- How the hub is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "pulse", "banner"),
    [
        ({}, "Agent alive", ""),
        ({"alive_at": NOW - timedelta(seconds=48)}, "Agent silent", "The agent has not reported for 48 s."),
        ({"alive_at": NOW - timedelta(hours=3)}, "Agent silent", "The agent has not reported for 3 h."),
        ({"alive_at": NOW + timedelta(hours=3)}, "Agent silent", "3 h ahead of this machine"),
        ({"problem": "<b>wg0</b> is not ours."}, "Agent behind", "&lt;b&gt;wg0&lt;/b&gt; is not ours."),
        ({"is_managing": False, "problem": "No CAP_NET_ADMIN."}, "Agent may not act", "The agent may only watch."),
        ({"hold": True}, "Agent alive", "The hub is on hold after a restore."),
    ],
)
def test_what_is_wrong_with_the_agent_stands_above_every_page(chief, report, pulse, banner):
    agent_has_applied(**report)
    text = page(chief)
    assert pulse in text
    assert banner in text
    assert ('class="note' in text.partition("<h1>")[0]) is bool(banner)


def test_a_hub_that_never_had_an_agent_says_so(chief):
    AgentState.objects.all().delete()
    assert "No agent has ever reported." in page(chief)


# --- Parts that renew themselves ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/admin/frame", "/admin/", PAGE])
def test_a_part_of_a_page_is_never_answered_with_the_sign_in_page(hub, path):
    assert Client().get(path).status_code == 302
    answer = Client().get(path, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content) == (401, b"")


# --- What went wrong ----------------------------------------------------------------------------------------------


def test_a_browser_is_shown_a_page_in_words(chief):
    for path, status, words in (("/nothing", 404, "There is nothing at this address."),):
        answer = chief.get(path, headers=BROWSER)
        assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8")
        assert words in answer.content.decode()


def test_who_may_not_open_a_page_is_shown_that_in_words(hub, ada):
    answer = signed_in(ada).get("/admin/auth/user/", headers=BROWSER)
    assert answer.status_code == 403
    assert "may not do that" in answer.content.decode()


def test_a_database_that_is_away_is_a_page_that_needs_no_database(hub, chief, monkeypatch, django_assert_num_queries):
    def fail(*_: object) -> None:
        raise OperationalError

    monkeypatch.setattr("hubproject.views.first_admin_is_wanted", fail)
    client = Client(raise_request_exception=False)
    with django_assert_num_queries(0):
        answer = client.get("/", headers=BROWSER)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "The database does not answer at the moment." in answer.content.decode()
    assert "Try again" in answer.content.decode()


def test_the_rest_interface_answers_browsers_in_json_too(hub, viewer):
    answer = viewer.get("/api/nothing", headers=BROWSER)
    assert answer.json()["code"] == "NOT_FOUND"
