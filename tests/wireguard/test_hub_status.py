"""`GET /api/hub/status`: the interface and its peers as the agent last saw them."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from tests.conftest import NOW, agent_has_applied, assert_refused, enrol, new_key
from wireguard.models import HubConfig, Peer, PeerStatus

pytestmark = pytest.mark.django_db


def status(client, query: str = "") -> dict:
    answer = client.get(f"/api/hub/status?{query}")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def many_peers(count: int) -> None:
    for _ in range(count):
        key = new_key()
        peer = Peer.objects.create(public_key=key, live_key=key, allowed_ips="10.0.1.9/32", generation=1)
        PeerStatus.objects.create(peer=peer, heard_at=NOW)


def test_without_an_agent_nothing_is_up(hub, viewer):
    assert status(viewer) == {
        "interface": "wg0",
        "interfaceUp": False,
        "publicKey": hub.public_key,
        "listenPort": 51820,
        "peerCount": 0,
        "generation": 1,
        "appliedGeneration": 0,
        "syncedAt": None,
        "agent": "down",
        "hold": False,
        "differences": [],
        "peers": [],
        "page": 1,
        "pageSize": 1000,
        "nextPage": None,
    }


def test_it_shows_what_the_agent_reports(hub, viewer):
    agent_has_applied(hub.generation, synced_at=NOW)
    body = status(viewer)
    assert (body["agent"], body["interfaceUp"], body["appliedGeneration"]) == ("ok", True, 1)
    assert body["syncedAt"] == "2026-03-01T12:00:00Z"


def test_a_change_that_is_not_applied_shows_as_behind(hub, viewer):
    enrol()
    agent_has_applied(hub.generation)
    body = status(viewer)
    assert (body["agent"], body["generation"], body["appliedGeneration"], body["peerCount"]) == ("behind", 2, 1, 1)


def test_what_hinders_the_agent_is_told(hub, viewer):
    agent_has_applied(problem="The sealing key is missing.", interface_up=False)
    body = status(viewer)
    assert (body["agent"], body["interfaceUp"]) == ("behind", False)
    assert body["differences"] == ["The sealing key is missing."]


def test_an_agent_without_the_privilege_is_unmanaged(hub, viewer):
    agent_has_applied(is_managing=False, interface_up=False)
    assert status(viewer)["agent"] == "unmanaged"


def test_a_silent_agents_word_is_not_taken_for_the_interface(hub, viewer, clock):
    agent_has_applied(hub.generation)
    clock.shift(timedelta(seconds=20))
    body = status(viewer)
    assert (body["agent"], body["interfaceUp"]) == ("down", False)


def test_it_shows_each_peer(hub, viewer):
    key = enrol()["spoke"]["publicKey"]
    PeerStatus.objects.create(
        peer=Peer.objects.get(),
        endpoint="[2001:db8::7]:49152",
        latest_handshake_at=NOW,
        heard_at=NOW,
        transfer_rx=2**40,
        transfer_tx=148,
    )
    assert status(viewer)["peers"] == [
        {
            "publicKey": key,
            "endpoint": "[2001:db8::7]:49152",
            "allowedIPs": ["10.0.1.2/32"],
            "latestHandshake": "2026-03-01T12:00:00Z",
            "transferRx": 2**40,
            "transferTx": 148,
            "persistentKeepalive": 25,
        }
    ]


def test_a_peer_never_seen_has_no_figures(hub, viewer):
    enrol()
    peer = status(viewer)["peers"][0]
    assert (peer["endpoint"], peer["latestHandshake"], peer["transferRx"], peer["transferTx"]) == (None, None, 0, 0)


def test_a_removed_peer_is_gone(hub, viewer, operator):
    operator.delete(f"/api/spoke/{enrol()['spokeId']}")
    body = status(viewer)
    assert (body["peerCount"], body["peers"]) == (0, [])


def test_peers_come_in_pages(hub, viewer):
    many_peers(5)
    pages = [status(viewer, f"pageSize=2&page={page}") for page in (1, 2, 3, 4)]
    assert [len(body["peers"]) for body in pages] == [2, 2, 1, 0]
    assert [body["nextPage"] for body in pages] == [2, 3, None, None]
    assert {body["peerCount"] for body in pages} == {5}
    assert len({peer["publicKey"] for body in pages for peer in body["peers"]}) == 5


def test_it_makes_the_same_number_of_queries_for_60_peers_as_for_10(hub, viewer, count_queries):
    many_peers(10)
    status(viewer)
    few = count_queries(lambda: status(viewer))
    many_peers(50)
    assert count_queries(lambda: status(viewer)) == few


def test_without_a_hub_it_is_answered_409(viewer):
    assert_refused(viewer.get("/api/hub/status"), 409, "HUB_NOT_INITIALIZED")


def test_there_is_never_a_second_hub(hub):
    hub.pk = 2
    with pytest.raises(IntegrityError, match="hub_config_is_one_row"), transaction.atomic():
        hub.save(force_insert=True)
    assert HubConfig.objects.count() == 1
