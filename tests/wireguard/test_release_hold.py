"""The hold after a restore: what is told of it, and that one decision ends it."""

import pytest
from django.core.management import call_command

from hubproject.models import AuditEvent
from tests.conftest import BY_TEST, NOW, agent_has_applied, enrol, issue, new_key, register
from wireguard.configtext import WantedPeer
from wireguard.drift import peer_drift
from wireguard.dump import SeenInterface, SeenPeer
from wireguard.hold import MOST_SENTENCES, differences
from wireguard.models import AgentState
from wireguard.services import start_hold

pytestmark = pytest.mark.django_db
PATH = "/api/hub/release-hold"


@pytest.fixture
def held(hub):
    """A hub on hold, with an agent that has applied everything and tells of one difference."""
    agent_has_applied()
    start_hold(by=BY_TEST, now=NOW)
    AgentState.objects.update(differences=["alpha (10.0.1.2/32, key K): would be let in."])
    return hub


def status(client):
    return client.get("/api/hub/status").json()


def test_the_status_tells_of_the_hold_and_what_differs(held, viewer):
    shown = status(viewer)
    assert (shown["hold"], shown["differences"]) == (True, ["alpha (10.0.1.2/32, key K): would be let in."])


def test_a_problem_of_the_agent_stands_before_the_differences(held, viewer):
    AgentState.objects.update(problem="nft is not installed.")
    assert status(viewer)["differences"][0] == "nft is not installed."
    assert len(status(viewer)["differences"]) == 2


def test_an_admin_releases_it(held, admin):
    assert admin.post(PATH, {}, content_type="application/json").json() == {"success": True}
    assert (status(admin)["hold"], status(admin)["differences"]) == (False, [])


def test_it_is_recorded_who_held_and_who_released_once(held, admin):
    for _ in range(2):
        assert admin.post(PATH, content_type="application/json").status_code == 200
    events = AuditEvent.objects.filter(event__in=["hub.held", "hub.released"]).order_by("id")
    assert list(events.values_list("event", "actor")) == [
        ("hub.held", "test"),
        ("hub.released", "api-key:admin of the tests"),
    ]


@pytest.mark.parametrize("who", ["operator", "viewer", "anonymous"])
def test_nobody_else_does(held, request, who):
    answer = request.getfixturevalue(who).post(PATH, content_type="application/json")
    assert answer.status_code in {401, 403}
    assert AgentState.objects.get().hold


def test_the_command_lists_what_differs_and_releases(held, capsys):
    call_command("release_hold")
    assert capsys.readouterr().out == "alpha (10.0.1.2/32, key K): would be let in.\nReleased.\n"
    assert not AgentState.objects.get().hold
    call_command("release_hold")
    assert capsys.readouterr().out == "There is no hold.\n"
    assert AuditEvent.objects.filter(event="hub.released").count() == 1


def test_the_command_only_lists_when_it_is_asked_to(held, capsys):
    call_command("release_hold", "--list")
    assert capsys.readouterr().out == "alpha (10.0.1.2/32, key K): would be let in.\n"
    assert AgentState.objects.get().hold
    assert not AuditEvent.objects.filter(event="hub.released").exists()
    AgentState.objects.update(hold=False, differences=[])
    call_command("release_hold", "--list")
    assert capsys.readouterr().out == "There is no hold.\n"


def test_on_hold_no_answer_says_that_the_agent_has_acted(held, operator):
    spoke = enrol("alpha")
    assert spoke["peerApplied"] is False
    answer = operator.delete(f"/api/spoke/{spoke['spokeId']}")
    assert (answer.status_code, answer.json()["peerRemoved"]) == (202, False)


def test_the_hold_is_nothing_to_healthz(held, anonymous):
    answer = anonymous.get("/api/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


# --- The sentences ------------------------------------------------------------------------------------------------


def seen(*peers):
    return SeenInterface("HUB", 51820, None, {key: seen_peer(key, ips) for key, ips in peers})


def seen_peer(key, ips):
    return SeenPeer(key, None, (ips,), 0, 0, 0, None, False)


def wanted(*peers):
    return {key: WantedPeer(key, (ips,)) for key, ips in peers}


def told(want, see):
    return differences(peer_drift(want, see), want, see)


def test_nothing_is_told_when_a_release_would_change_nothing(hub):
    assert told(wanted(("A", "10.0.1.2/32")), seen(("A", "10.0.1.2/32"))) == []


def test_each_difference_is_told_with_name_and_address(hub, operator):
    stays, comes, gone = enrol("stays"), enrol("comes"), enrol("gone")
    operator.delete(f"/api/spoke/{gone['spokeId']}")
    keys = [spoke["spoke"]["publicKey"] for spoke in (stays, comes, gone)]
    foreign = new_key()
    want = wanted((keys[0], "10.0.1.2/32"), (keys[1], "10.0.1.3/32"))
    see = seen((keys[0], "10.0.1.9/32"), (keys[2], "10.0.1.4/32"), (foreign, "10.0.1.77/32"))
    counts, *sentences = told(want, see)
    assert counts == "2 peers would be cut off, 1 let in, 1 changed."
    assert set(sentences) == {
        f"stays (10.0.1.2/32, key {keys[0]}): would be changed.",
        f"comes (10.0.1.3/32, key {keys[1]}): would be let in.",
        f"gone, which was removed (10.0.1.4/32, key {keys[2]}): would be cut off.",
        f"Unknown to the database (10.0.1.77/32, key {foreign}): would be cut off.",
    }


def test_a_machine_that_came_back_is_called_by_its_name_of_today(hub, operator):
    old = enrol("old")
    key = old["spoke"]["publicKey"]
    operator.delete(f"/api/spoke/{old['spokeId']}")
    register(issue("new").secret, key)
    assert told(wanted((key, "10.0.1.3/32")), seen())[1].startswith("new (")


def test_however_many_differ_the_list_stays_short(hub):
    want = wanted(*((f"K{number}", "10.0.1.2/32") for number in range(10_000)))
    sentences = told(want, seen())
    assert sentences[0] == "0 peers would be cut off, 10000 let in, 0 changed."
    assert len(sentences) == MOST_SENTENCES + 2
    assert sentences[-1] == "And 9800 more."
