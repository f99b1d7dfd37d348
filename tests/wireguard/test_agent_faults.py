"""Things going wrong around the agent: one sentence each, no crash, nothing cut, and well again by itself."""

from dataclasses import replace

import pytest
from django.utils import timezone

from hubproject.models import AuditEvent
from tests.conftest import enrol
from tests.wireguard.keeper import RecordingBackend, finish_look, heard, live, look, repairs, want_peer, wanted
from wireguard.agent import Agent
from wireguard.backends import BackendError, BackendUnavailable, MemoryBackend
from wireguard.configtext import Difference, WantedPeer
from wireguard.firewall import REMOVAL_TEXT
from wireguard.keeper import LOOK_SECONDS, RETRY_SECONDS
from wireguard.keys import generate_private_key, public_key_of
from wireguard.models import AgentState, HubConfig, PeerStatus

pytestmark = pytest.mark.django_db
ZERO_KEY = "A" * 43 + "="


@pytest.fixture
def agent(make_agent, new_hub) -> Agent:
    """An agent that has looked once."""
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    return agent


def problem() -> str:
    return AgentState.current().problem


def by_hand(backend: RecordingBackend, change: Difference) -> None:
    MemoryBackend.set_peers(backend, "wg0", change)


# --- What cannot be repaired ----------------------------------------------------------------------------------------


def test_a_peer_that_wg_took_without_effect_is_reported_by_the_look_after(agent, backend, ticks, new_hub):
    want_peer(2, key=new_hub.public_key)  # wg takes it, says nothing, and does not add it
    agent.turn()
    assert problem() == ""
    ticks.now += 2
    agent.turn()
    finish_look(agent)
    assert problem().startswith("Peers were missing (")
    assert "has no effect on wg0" in problem()
    assert AgentState.current().word(generation=2, now=timezone.now()) == "behind"


def test_it_is_tried_ever_less_often_recorded_once_and_forgotten_when_it_is_over(agent, backend, ticks, new_hub):
    peer = want_peer(2, key=new_hub.public_key)
    agent.turn()
    backend.changes.clear()
    for _ in range(60):
        look(agent, ticks)
    assert 8 <= len(backend.changes) <= 16
    assert repairs() == ["peer_missing"]
    HubConfig.objects.update(generation=3)
    type(peer).objects.filter(id=peer.id).update(live_key=None, removed_at=timezone.now(), generation=3)
    look(agent, ticks)
    assert problem() == ""


def test_what_somebody_changes_at_every_instant_is_fought_once_an_interval(agent, backend, ticks):
    peer = want_peer(2)
    agent.turn()
    finish_look(agent)
    backend.changes.clear()
    for _ in range(50):  # 50 seconds, with somebody taking the peer off five times in each
        by_hand(backend, Difference((peer.public_key,), ()))
        ticks.now += 1
        agent.turn()
        finish_look(agent)
    assert len(backend.changes) <= 6
    assert len(repairs()) <= 6


def test_an_interface_taken_away_again_and_again_is_made_once_an_interval_and_said(agent, backend, ticks):
    made = []
    for second in range(30):
        if backend.interface_exists("wg0"):
            made.append(second)
            backend.delete_interface("wg0")
        ticks.now += 1
        agent.turn()
    assert len(made) <= 4
    assert problem() == "wg0 is gone again, right after it was made: something takes it away."
    ticks.now += LOOK_SECONDS
    agent.turn()
    finish_look(agent)
    assert problem() == ""


def test_the_hubs_own_address_on_another_interface_is_said(agent, backend, ticks):
    backend.create_interface("eth1")
    backend.set_addresses("eth1", ["10.0.1.1/32"], 1500)
    look(agent, ticks)
    assert problem().startswith("An address of wg0 (10.0.1.1/24) is on eth1, too")
    assert backend.link_state("eth1").addresses == ("10.0.1.1/32",)
    backend.delete_interface("eth1")
    look(agent, ticks)
    assert problem() == ""


# --- Programs that fail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure", [BackendUnavailable("nft is not installed."), BackendError("`nft -f -` failed with exit status 1.")]
)
def test_without_nft_everything_else_goes_on(agent, backend, ticks, monkeypatch, failure):
    def refuse(*given: object) -> None:
        raise failure

    foreign = public_key_of(generate_private_key())
    by_hand(backend, Difference((), (WantedPeer(foreign, ("10.0.1.9/32",)),)))
    peer = want_peer(2)
    monkeypatch.setattr(backend, "firewall_table", refuse)
    monkeypatch.setattr(backend, "ruleset_generation", lambda: None)
    monkeypatch.setattr(backend, "load_ruleset", refuse)
    agent.turn()
    backend.hear("wg0", heard(peer, at=timezone.now()))
    look(agent, ticks)
    assert problem() == str(failure)
    assert live(backend) == wanted()
    assert PeerStatus.objects.filter(peer=peer).exists()
    monkeypatch.undo()
    look(agent, ticks)
    assert problem() == ""


def test_a_taken_port_keeps_no_peer_from_being_put_right(agent, backend, ticks, monkeypatch):
    def refuse(name: str, **given: object) -> None:
        raise BackendError("The UDP port 51999 is taken by another program.")

    HubConfig.objects.update(listen_port=51999, generation=2)
    peer = want_peer(2)
    monkeypatch.setattr(backend, "set_interface", refuse)
    for _ in range(3):
        agent.turn()
    assert live(backend) == {peer.public_key: ("10.0.1.2/32",)}
    assert problem() == "The UDP port 51999 is taken by another program."
    monkeypatch.undo()
    agent.turn()
    look(agent, ticks)
    assert problem() == ""


@pytest.mark.parametrize("text", ["", "rubbish\n", "private\tpublic\t1\toff\n"])
def test_a_dump_of_rubbish_cuts_nobody(agent, backend, ticks, monkeypatch, text):
    peer = want_peer(2)
    agent.turn()
    monkeypatch.setattr(backend, "dump", lambda name: text)
    look(agent, ticks)
    assert problem().startswith("Line 1 of the dump")
    monkeypatch.undo()
    assert live(backend) == {peer.public_key: ("10.0.1.2/32",)}
    look(agent, ticks)
    assert problem() == ""


def test_a_dump_cut_at_the_end_of_a_line_costs_nobody_a_session(agent, backend, ticks, monkeypatch):
    peers = [want_peer(host) for host in range(2, 6)]
    agent.turn()
    shaken = timezone.now().replace(microsecond=0)
    for peer in peers:
        backend.hear("wg0", heard(peer, at=shaken))
    whole = backend.dump("wg0")
    monkeypatch.setattr(backend, "dump", lambda name: "".join(whole.splitlines(keepends=True)[:2]))
    look(agent, ticks)
    monkeypatch.undo()
    look(agent, ticks)
    assert [line for line in backend.dump("wg0").splitlines() if str(int(shaken.timestamp())) in line] == (
        whole.splitlines()[1:]
    )


def test_a_fault_of_its_own_ends_neither_the_agent_nor_what_comes_after(agent, backend, ticks, monkeypatch, caplog):
    monkeypatch.setattr(agent._keeper._observations, "write", lambda *given: 1 / 0)
    look(agent, ticks)
    assert problem() == "The agent met a fault of its own (ZeroDivisionError): its log says where."
    assert "Traceback" in caplog.text
    monkeypatch.undo()
    look(agent, ticks)
    assert problem() == ""


def test_while_something_is_wrong_it_comes_back_soon(agent, backend):
    backend.fail_with = BackendError("`wg set` failed with exit status 1.")
    want_peer(2)
    agent.turn()
    assert agent._pause() == RETRY_SECONDS


# --- Much at once ---------------------------------------------------------------------------------------------------


def test_two_hundred_foreign_peers_are_cut_in_one_look_with_one_event(agent, backend, ticks):
    peer = want_peer(2)
    agent.turn()
    foreign = tuple(WantedPeer(f"{n:042d}A=", (f"10.9.{n}.0/24",)) for n in range(200))
    by_hand(backend, Difference((), foreign))
    look(agent, ticks)
    assert live(backend) == {peer.public_key: ("10.0.1.2/32",)}
    event = AuditEvent.objects.get(event="drift.repaired")
    assert (event.details["kind"], event.details["count"], len(event.details["peers"])) == ("peer_foreign", 200, 20)
    assert AgentState.current().drift_repairs == {"peer_foreign": 200}
    assert AgentState.current().last_repair.endswith(", 197 more)")


def test_the_event_names_the_spoke(make_agent, backend, ticks, hub, clock):
    enrol("laptop-7")
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    by_hand(backend, Difference(tuple(live(backend)), ()))
    look(agent, ticks)
    event = AuditEvent.objects.get(event="drift.repaired")
    assert (event.object, event.details["peers"]) == ("laptop-7", ["laptop-7"])
    assert AgentState.current().last_repair == "Peers were missing (laptop-7)"


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda b, key: b.decorate("wg0", key, keepalive="5"), "keepalive"),
        (lambda b, key: b.decorate("wg0", key, preshared_key=generate_private_key()), "preshared_key"),
        (lambda b, key: b.set_interface("wg0", listen_port=51999), "listen_port"),
        (lambda b, key: b.set_interface("wg0", private_key=generate_private_key()), "private_key"),
        (lambda b, key: b.set_addresses("wg0", ["10.9.0.1/24"], 1420), "address"),
        (lambda b, key: b.set_addresses("wg0", ["10.0.1.1/24"], 1300), "mtu"),
        (lambda b, key: setattr(b._interface("wg0"), "link", replace(b.link_state("wg0"), is_up=False)), "link_down"),
        (lambda b, key: b.load_ruleset(REMOVAL_TEXT), "firewall"),
    ],
)
def test_each_other_drift_is_repaired_by_its_own_change_alone(agent, backend, ticks, spoil, kind):
    peer, bystander = want_peer(2), want_peer(3)
    agent.turn()
    finish_look(agent)
    shaken = timezone.now().replace(microsecond=0)
    backend.hear("wg0", heard(bystander, at=shaken))
    table, right = backend.firewall_table(), backend.dump("wg0")
    backend.changes.clear()
    spoil(backend, peer.public_key)
    look(agent, ticks)
    assert repairs() == [kind]
    assert (backend.dump("wg0"), backend.firewall_table(), problem()) == (right, table, "")
    assert not [change for change in backend.changes if change.put or change.remove]
    assert AgentState.current().drift_repairs == {kind: 1}


def test_a_foreign_peer_added_while_no_agent_ran_is_cut_and_recorded_at_the_next_start(
    agent, make_agent, backend, new_hub
):
    agent._close()
    by_hand(backend, Difference((), (WantedPeer(public_key_of(generate_private_key()), ("10.0.1.9/32",)),)))
    newcomer = want_peer(2)
    make_agent().turn()
    assert live(backend) == {newcomer.public_key: ("10.0.1.2/32",)}
    assert repairs() == ["peer_foreign"]
