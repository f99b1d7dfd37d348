"""Handshakes that stay away, and the time between two, are counted once, whoever looks and however often."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from tests.conftest import enrol
from tests.wireguard.keeper import finish_look, heard, look, unwant, want_peer
from tests.wireguard.test_agent_observing import peer_seen, seen
from wireguard.handshakes import BOUNDS, add_intervals, failures_between
from wireguard.models import AgentState, Peer, PeerStatus
from wireguard.observations import Observations
from wireguard.services import remove_peers

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LOOK = timedelta(seconds=10)
SILENT = timedelta(seconds=180)


def peer_heard(host: int, at: datetime) -> Peer:
    peer = want_peer(host)
    PeerStatus.objects.create(peer=peer, heard_at=at)
    return peer


def counted(start: datetime, looks: int, step: timedelta = LOOK) -> int:
    return sum(failures_between(start + number * step, start + (number + 1) * step) for number in range(looks))


@pytest.mark.parametrize("step", [1, 7, 10, 100, 1000])
def test_a_peer_that_falls_silent_is_counted_once_however_often_one_looks(new_hub, step):
    peer_heard(2, AT)
    assert counted(AT, 1000 // step, timedelta(seconds=step)) == 1
    assert counted(AT + SILENT, 50) == 0
    assert failures_between(AT + SILENT - timedelta(seconds=1), AT + SILENT) == 1


def test_one_that_is_heard_again_in_time_is_not_and_one_that_falls_silent_twice_is_twice(new_hub):
    peer = peer_heard(2, AT)
    assert failures_between(AT, AT + SILENT - LOOK) == 0
    PeerStatus.objects.filter(peer=peer).update(heard_at=AT + timedelta(seconds=179))
    assert failures_between(AT + SILENT - LOOK, AT + 2 * SILENT - LOOK) == 0
    assert failures_between(AT + 2 * SILENT - LOOK, AT + 2 * SILENT) == 1
    PeerStatus.objects.filter(peer=peer).update(heard_at=AT + timedelta(hours=1))
    assert counted(AT + 2 * SILENT, 400) == 1


def test_a_removed_peer_is_no_failure(new_hub):
    peer = peer_heard(2, AT)
    remove_peers([peer.pk], now=AT)
    assert counted(AT, 100) == 0


def test_a_machine_that_registers_and_is_never_heard_is_counted_after_five_minutes(hub):
    spoke = enrol("alpha")["spoke"]
    registered_at = datetime.fromisoformat(spoke["registeredAt"])
    assert counted(registered_at, 29) == 0
    assert counted(registered_at, 30) == counted(registered_at, 200) == 1
    PeerStatus.objects.create(peer=Peer.objects.get(), heard_at=registered_at + timedelta(seconds=200))
    assert counted(registered_at, 35) == 0


def test_the_agent_counts_what_turned_inactive_since_the_look_before(make_agent, backend, ticks, new_hub):
    peer = want_peer(2)
    agent = make_agent()
    agent.turn()
    # A minute before it counts as silent: `wg` tells moments in whole seconds, and looks take their time.
    backend.hear("wg0", heard(peer, at=timezone.now() - SILENT + timedelta(minutes=1)))
    look(agent, ticks)
    assert AgentState.current().handshake_failures == 0
    AgentState.objects.update(failures_counted_until=timezone.now() - timedelta(hours=1))
    PeerStatus.objects.update(heard_at=timezone.now() - timedelta(minutes=10))
    backend.hear("wg0", heard(peer, at=timezone.now() - timedelta(minutes=10)))
    agent._lease.release()
    for _ in range(3):  # each is the successor of one that was ended
        successor = make_agent()
        successor.turn()
        look(successor, ticks)
        assert AgentState.current().handshake_failures == 1
        successor._lease.release()


def test_an_agent_killed_before_it_could_write_the_count_loses_and_doubles_nothing(
    make_agent, backend, ticks, new_hub, monkeypatch
):
    peer_heard(2, timezone.now() - timedelta(minutes=10))
    AgentState.objects.update_or_create(id=1, defaults={"failures_counted_until": timezone.now() - timedelta(hours=1)})
    killed = make_agent()
    killed.turn()
    monkeypatch.setattr(killed, "_note", lambda hindrance: None)
    finish_look(killed)
    assert killed._state().handshake_failures == 1
    assert AgentState.current().handshake_failures == 0
    killed._lease.release()
    successor = make_agent()
    successor.turn()
    finish_look(successor)
    assert AgentState.current().handshake_failures == 1


def test_the_first_agent_of_all_counts_nothing_of_the_past(make_agent, ticks, new_hub):
    peer_heard(2, timezone.now() - timedelta(days=1))
    agent = make_agent()
    agent.turn()
    look(agent, ticks)
    assert AgentState.current().handshake_failures == 0


# --- Intervals and totals -----------------------------------------------------------------------------------------


def histogram() -> dict[str, object]:
    found = AgentState.current().handshake_intervals
    counts = zip([*map(str, BOUNDS), "more"], found.get("counts", ()), strict=False)
    return {bound: count for bound, count in counts if count} | {"sum": found.get("sum", 0)}


def test_the_time_between_two_handshakes_of_a_peer_is_counted_in_its_bucket(new_hub):
    AgentState.objects.create(id=1)
    one, other = want_peer(2), want_peer(3)
    ids = {one.public_key: one.id, other.public_key: other.id}
    observations, start = Observations(lambda: None), int(AT.timestamp())
    for seconds, shaken in [(0, (0, 0)), (10, (0, 5)), (20, (0, 5)), (130, (121, 5)), (9000, (8999, 8000))]:
        peers = [peer_seen(peer, handshake=start + at) for peer, at in zip((one, other), shaken, strict=True)]
        soon = 10.0 if seconds < 9000 else 8870.0  # the agent was away: what happened meanwhile is unknown
        observations.write(seen(*peers), ids, AT + timedelta(seconds=seconds), soon)
    assert histogram() == {"30": 1, "125": 1, "sum": 126.0}


def test_every_interval_has_a_bucket():
    found = add_intervals({}, [0.0, *BOUNDS, 10**9])
    assert found["counts"] == [2] + [1] * (len(BOUNDS) - 1) + [1]


def test_the_hubs_totals_go_on_when_a_spoke_is_removed_and_when_counters_begin_anew(new_hub):
    AgentState.objects.create(id=1)
    peer = want_peer(2)
    observations = Observations(lambda: None)
    for rx, tx in [(1000, 10), (1500, 20), (0, 0), (200, 5)]:
        observations.write(seen(peer_seen(peer, rx=rx, tx=tx)), {peer.public_key: peer.id}, AT, 10.0)
    unwant(peer)
    observations.write(seen(), {}, AT, 10.0)
    state = AgentState.current()
    assert (state.received, state.sent) == (1700, 25)
