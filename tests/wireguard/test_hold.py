"""The agent on hold after a restore: it looks and tells, and nobody is cut or revived before the release."""

import pytest
from django.utils import timezone

from hubproject.models import AuditEvent
from tests.conftest import BY_TEST
from tests.wireguard.keeper import finish_look, heard, live, look, repairs, unwant, want_peer, wanted
from wireguard import keeper as keeper_module
from wireguard.backends import MemoryBackend
from wireguard.configtext import Difference, WantedPeer
from wireguard.keys import generate_private_key, public_key_of
from wireguard.models import AgentState, Peer, PeerStatus
from wireguard.services import release_hold, start_hold, update_hub

pytestmark = pytest.mark.django_db
STRANGER = WantedPeer(public_key_of(generate_private_key()), ("10.0.1.77/32",))


def hold():
    start_hold(by=BY_TEST, now=timezone.now())


def release():
    assert release_hold(by=BY_TEST, now=timezone.now())


def let_in(backend, *peers: WantedPeer):
    MemoryBackend.set_peers(backend, "wg0", Difference((), peers))


def cut(backend, *keys):
    MemoryBackend.set_peers(backend, "wg0", Difference(keys, ()))


@pytest.fixture
def held(make_agent, backend, new_hub):
    """An agent on hold over a running interface: one peer is right, one missing, one a stranger."""
    stays, lost = want_peer(2), want_peer(3)
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    cut(backend, lost.public_key)
    let_in(backend, STRANGER)
    backend.changes.clear()
    hold()
    agent.turn()
    return agent, stays, lost


def test_what_was_known_of_the_peers_before_the_restore_is_forgotten(make_agent, backend, ticks, new_hub):
    removed_since = want_peer(2)
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    # The backup, and as many changes since it as the database it replaces had: the generation is the same.
    key = public_key_of(generate_private_key())
    Peer.objects.filter(id=removed_since.id).update(public_key=key, live_key=key)
    hold()
    look(agent, ticks)
    assert key in str(AgentState.current().differences)
    release()
    look(agent, ticks)
    assert live(backend) == wanted() == {key: ("10.0.1.2/32",)}


def test_the_service_manager_shows_that_it_holds(held):
    agent, _, _ = held
    assert agent._condition() == "on hold after a restore"
    release()
    agent.turn()
    assert agent._condition() == "wg0 is up"


def test_neither_cuts_nor_revives(held, backend, ticks):
    agent, stays, _ = held
    before = live(backend)
    for _ in range(3):
        look(agent, ticks)
    assert live(backend) == before == {stays.public_key: ("10.0.1.2/32",), STRANGER.public_key: STRANGER.allowed_ips}
    assert backend.changes == []
    assert repairs() == []


def test_it_lists_what_a_release_would_do(held, ticks):
    agent, _, lost = held
    look(agent, ticks)
    counts, *told = AgentState.current().differences
    assert counts == "1 peers would be cut off, 1 let in, 0 changed."
    assert len(told) == 2
    assert any(lost.public_key in sentence and "let in" in sentence for sentence in told)
    assert any(STRANGER.public_key in sentence and "cut off" in sentence for sentence in told)


def test_after_the_release_the_interface_is_what_the_database_says_and_that_is_no_drift(held, backend, ticks):
    agent, stays, _ = held
    look(agent, ticks)
    release()
    agent.turn()
    assert live(backend) == wanted()
    assert stays.public_key not in {peer.public_key for change in backend.changes for peer in change.put}
    finish_look(agent)
    look(agent, ticks)
    assert repairs() == []
    assert AgentState.current().differences == []
    assert (AgentState.current().applied_generation, AgentState.current().problem) == (3, "")


def test_whoever_is_removed_or_registers_meanwhile_waits_for_the_release_too(held, backend, ticks):
    agent, stays, _ = held
    before = live(backend)
    newcomer, generation = want_peer(4), unwant(stays)
    for _ in range(2):
        look(agent, ticks)
    assert live(backend) == before
    assert AgentState.current().applied_generation < generation
    release()
    agent.turn()
    assert set(live(backend)) == set(wanted()) != set(before)
    assert newcomer.public_key in live(backend)
    assert stays.public_key not in live(backend)


def test_on_a_bare_machine_the_interface_comes_up_without_anybody(make_agent, backend, ticks, new_hub):
    peers = [want_peer(2), want_peer(3)]
    hold()
    agent = make_agent()
    agent.turn()
    look(agent, ticks)
    assert live(backend) == {}
    assert (backend.link_state("wg0").is_up, AgentState.current().interface_up) == (True, True)
    assert "drop" in backend.firewall_table()
    assert AgentState.current().differences[0] == "0 peers would be cut off, 2 let in, 0 changed."
    release()
    agent.turn()
    assert set(live(backend)) == {peer.public_key for peer in peers}


def test_an_agent_that_starts_on_hold_leaves_a_running_interface_as_it_is(held, make_agent, backend, ticks):
    agent, *_ = held
    agent._close()
    before, table = live(backend), backend.firewall_table()
    update_hub(by=BY_TEST, now=timezone.now(), mtu=1300, spokeToSpoke="open")
    successor = make_agent()
    successor.turn()
    look(successor, ticks)
    assert (live(backend), backend.firewall_table()) == (before, table)
    assert backend.link_state("wg0").mtu == 1420
    assert backend.changes == []


def test_who_is_there_is_still_heard_and_shown(held, backend, ticks):
    agent, stays, _ = held
    backend.hear("wg0", heard(stays, at=timezone.now(), rx=100, tx=200))
    look(agent, ticks)
    assert PeerStatus.objects.get().heard_at is not None
    assert AgentState.current().synced_at is not None


def test_differences_are_told_anew_when_they_change(held, backend, ticks):
    agent, *_ = held
    look(agent, ticks)
    cut(backend, STRANGER.public_key)
    look(agent, ticks)
    assert AgentState.current().differences[0].startswith("0 peers would be cut off, 1 let in")


@pytest.mark.usefixtures("new_hub")
@pytest.mark.parametrize("doing", ["bringing up", "applying a change", "finishing a look"])
def test_a_restore_in_the_midst_of_a_turn_is_noticed_before_a_peer_is_changed(
    make_agent, backend, ticks, monkeypatch, doing
):
    lost = want_peer(2)
    agent = make_agent()
    if doing != "bringing up":
        agent.turn()
        finish_look(agent)
        cut(backend, lost.public_key)
    if doing == "applying a change":
        want_peer(3)
    if doing == "finishing a look":
        ticks.now += 10
        agent.turn()
        agent._keeper.wait_for_look()
    restore_after_the_next_question(monkeypatch)
    agent.turn()
    assert not backend.interface_exists("wg0") or live(backend) == {}
    agent.turn()
    assert live(backend) == {}


def restore_after_the_next_question(monkeypatch):
    """The hold begins right after the agent has asked for it once."""
    ask = keeper_module._is_on_hold

    def ask_then_restore():
        monkeypatch.setattr(keeper_module, "_is_on_hold", ask)
        was = ask()
        hold()
        return was

    monkeypatch.setattr(keeper_module, "_is_on_hold", ask_then_restore)


def test_a_look_from_before_the_release_repairs_nothing_after_it(held, backend, ticks):
    agent, *_ = held
    ticks.now += 10
    agent.turn()
    release()
    agent.turn()
    backend.changes.clear()
    finish_look(agent)
    assert (backend.changes, repairs()) == ([], [])


def test_no_hold_is_released_twice(db):
    hold()
    release()
    assert not release_hold(by=BY_TEST, now=timezone.now())
    assert AuditEvent.objects.filter(event="hub.released").count() == 1
