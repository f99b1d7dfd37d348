"""Removing cuts a machine off: its peer is wanted no more, its address rests, its name is free."""

from datetime import timedelta
from uuid import uuid4

import pytest

from hubproject.models import AuditEvent
from proxmox.models import Cluster
from spokes.errors import SpokeNotFound
from spokes.models import Spoke
from spokes.services import remove_spokes
from tests.conftest import BY_TEST, NOW, agent_has_applied, assert_refused, enrol, everything, issue, register
from tokens.models import InstallationToken, RestingAddress
from wireguard.models import HubConfig, Peer

pytestmark = pytest.mark.django_db


def remove(client, spoke: dict):
    return client.delete(f"/api/spoke/{spoke['spokeId']}")


def test_it_answers_202_when_the_agent_has_not_confirmed(hub, operator):
    answer = remove(operator, enrol())
    assert answer.status_code == 202
    assert (answer.json()["success"], answer.json()["peerRemoved"]) == (True, False)


def test_it_answers_200_when_the_agent_has_confirmed(hub, operator):
    spoke = enrol()
    agent_has_applied()
    answer = remove(operator, spoke)
    assert (answer.status_code, answer.json()["peerRemoved"]) == (200, True)


def test_it_waits_for_an_agent_that_is_at_work(hub, operator, monkeypatch):
    spoke = enrol()
    agent_has_applied(hub.generation + 1)
    naps = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            agent_has_applied(HubConfig.objects.get().generation)

    monkeypatch.setattr("wireguard.waiting.time.sleep", nap)
    monkeypatch.setattr("wireguard.waiting.READING_HOLDS_SECONDS", 0)  # nobody really sleeps here
    assert remove(operator, spoke).status_code == 200
    assert len(naps) == 3


def test_it_does_not_wait_for_an_agent_that_is_not_there(hub, operator, monkeypatch, clock):
    spoke = enrol()
    agent_has_applied(hub.generation)
    clock.shift(20)
    monkeypatch.setattr("wireguard.waiting.time.sleep", lambda _: pytest.fail("waited"))
    assert remove(operator, spoke).status_code == 202


def test_it_gives_up_on_an_agent_that_hangs(hub, operator, monkeypatch):
    spoke = enrol()
    agent_has_applied(hub.generation)
    monkeypatch.setattr("spokes.services.REMOVE_WAIT_SECONDS", 0.05)
    assert remove(operator, spoke).status_code == 202
    assert not Spoke.objects.live().exists()


def test_the_peer_is_wanted_no_more_and_the_generation_says_so(hub, operator):
    spoke = enrol()
    before = HubConfig.objects.get().generation
    remove(operator, spoke)
    peer, generation = Peer.objects.get(), HubConfig.objects.get().generation
    assert generation == before + 1
    assert (peer.live_key, peer.removed_at, peer.generation) == (None, NOW, generation)


def test_the_row_stays_and_says_when(hub, operator, clock):
    spoke = enrol()
    clock.shift(60)
    remove(operator, spoke)
    assert Spoke.objects.get().removed_at == NOW + timedelta(seconds=60)
    assert InstallationToken.objects.get().state == "redeemed"


def test_its_lease_is_released(hub, operator):
    remove(operator, enrol())
    token = InstallationToken.objects.get()
    assert (token.lease_host, token.lease_name) == (None, None)
    assert list(RestingAddress.objects.values_list("host", "released_at")) == [(2, NOW)]


def test_it_is_recorded(hub, operator):
    spoke = enrol()
    remove(operator, spoke)
    event = AuditEvent.objects.get(event="spoke.removed")
    assert (event.actor, event.object) == ("api-key:operator of the tests", "alpha")
    assert (event.details["spoke"], event.details["address"]) == (spoke["spokeId"], "10.0.1.2")


def test_it_leaves_its_cluster_which_stays(hub, operator):
    remove(operator, enrol("pve1", os="proxmox", proxmoxClusterName="pve"))
    assert Spoke.objects.get().proxmox_cluster is None
    assert Cluster.objects.get().nodes.count() == 0


def test_a_second_removal_is_answered_404_and_changes_nothing(hub, operator):
    spoke = enrol()
    remove(operator, spoke)
    before = everything()
    assert_refused(remove(operator, spoke), 404, "NOT_FOUND")
    assert everything() == before


def test_an_unknown_spoke_is_answered_404(hub, operator):
    assert_refused(operator.delete(f"/api/spoke/{uuid4()}"), 404, "NOT_FOUND")


def test_others_are_left_alone(hub, operator):
    other = enrol("other")
    before = Peer.objects.filter(public_key=other["spoke"]["publicKey"]).values().get()
    remove(operator, enrol())
    assert Peer.objects.filter(public_key=other["spoke"]["publicKey"]).values().get() == before
    assert [spoke.name for spoke in Spoke.objects.live()] == ["other"]


def test_the_machine_may_come_back_with_the_same_key_and_name_by_a_new_token(hub, operator):
    spoke = enrol()
    remove(operator, spoke)
    answer = register(issue("alpha", custom_ip="10.0.1.2").secret, spoke["spoke"]["publicKey"])
    assert answer.status_code == 201
    assert answer.json()["allowedIPs"] == ["10.0.1.2/24"]
    assert answer.json()["spokeId"] != spoke["spokeId"]
    assert Peer.objects.filter(live_key=spoke["spoke"]["publicKey"]).count() == 1


def test_several_are_removed_by_one_change_of_what_is_wanted(hub):
    spokes = [enrol(f"spoke{number}") for number in range(3)]
    before = HubConfig.objects.get().generation
    remove_spokes(spoke_ids=[spoke["spokeId"] for spoke in spokes[:2]], by=BY_TEST, now=NOW)
    assert HubConfig.objects.get().generation == before + 1
    assert [spoke.name for spoke in Spoke.objects.live()] == ["spoke2"]
    assert AuditEvent.objects.filter(event="spoke.removed").count() == 2


def test_of_several_those_that_are_gone_already_do_not_matter(hub):
    first, second = enrol("first"), enrol("second")
    remove_spokes(spoke_ids=[first["spokeId"]], by=BY_TEST, now=NOW)
    remove_spokes(spoke_ids=[first["spokeId"], second["spokeId"]], by=BY_TEST, now=NOW)
    assert not Spoke.objects.live().exists()
    with pytest.raises(SpokeNotFound):
        remove_spokes(spoke_ids=[first["spokeId"], second["spokeId"]], by=BY_TEST, now=NOW)


def test_a_removal_that_could_not_be_recorded_did_not_happen(hub, operator, monkeypatch):
    spoke = enrol()
    before = everything()
    with monkeypatch.context() as broken:
        broken.setattr("hubproject.audit.record_all", lambda *args, **kwargs: 1 / 0)
        assert_refused(remove(operator, spoke), 500, "INTERNAL_ERROR")
    after = everything()
    assert {name for name in before if before[name] != after[name]} <= {"api_keys"}
