"""Two agents: one acts, the other stands by, and one that was stopped notices before it writes."""

import os
import subprocess
import sys
import threading

import pytest
from django.db import connection
from django.utils import timezone

from tests.wireguard.keeper import NoWakeup, Ticks, finish_look, heard, live, look, want_peer, wanted
from wireguard.agent import Agent
from wireguard.lease import LEASE_SECONDS, Lease, LeaseLost, _process_space
from wireguard.models import AgentState, PeerStatus

pytestmark = pytest.mark.django_db
on_postgres = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="a lock that PostgreSQL has")


@pytest.fixture
def boot() -> Ticks:
    """The clock that both leases go by."""
    return Ticks()


@pytest.fixture
def first(make_agent, boot, new_hub) -> Agent:
    agent = make_agent(Lease(holder="one 1 x", clock=boot))
    agent.turn()
    finish_look(agent)
    return agent


@pytest.fixture
def second(make_agent, boot, first) -> Agent:
    return make_agent(Lease(holder="two 2 y", clock=boot))


def let_stand_still(agent: Agent, boot: Ticks, seconds: float) -> None:
    """The standby sees the lease, and again so many seconds later."""
    agent.turn()
    boot.now += seconds
    agent.turn()


def report() -> dict[str, object]:
    return dict(AgentState.objects.values().get(id=1))


def test_a_second_agent_stands_by_says_so_once_and_writes_nothing(first, second, backend, caplog):
    before = report()
    want_peer(2)
    for _ in range(3):
        second.turn()
    assert caplog.text.count("standing by: one 1 x is in charge") == 1
    assert report() == before
    assert live(backend) == {}


def test_the_hubs_status_does_not_mind_a_standby(first, second):
    second.turn()
    assert AgentState.current().word(generation=1, now=timezone.now()) == "ok"


def test_it_takes_over_when_the_lease_has_stood_still_for_its_time_and_no_sooner(first, second, boot, backend):
    peer = want_peer(2)
    let_stand_still(second, boot, LEASE_SECONDS - 0.1)
    assert live(backend) == {}
    boot.now += 0.2
    second.turn()
    assert live(backend) == {peer.public_key: ("10.0.1.2/32",)}
    assert (report()["lease_holder"], report()["term"]) == ("two 2 y", 2)


def test_a_lease_that_is_renewed_is_not_taken(first, second, boot, ticks):
    for _ in range(10):
        second.turn()
        boot.now += 4
        ticks.now += 4
        first.turn()
    assert report()["lease_holder"] == "one 1 x"


def test_no_clock_on_the_wall_makes_a_lease_run_out(first, second, boot):
    AgentState.objects.update(alive_at="2001-01-01T00:00:00Z", lease_expires_at="2001-01-01T00:00:10Z")
    let_stand_still(second, boot, LEASE_SECONDS - 1)
    assert report()["lease_holder"] == "one 1 x"


def test_a_lease_given_back_is_taken_at_once(first, second):
    first._close()
    second.turn()
    assert report()["lease_holder"] == "two 2 y"


def test_the_lease_of_a_process_that_is_gone_is_taken_at_once(make_agent, new_hub):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    AgentState.objects.create(
        lease_holder=f"here {child.pid} {_process_space()}:1", term=4, lease_expires_at=timezone.now()
    )
    make_agent().turn()
    assert report()["term"] == 5


def test_the_lease_of_a_process_that_lives_is_not(make_agent, new_hub):
    holder = f"here {os.getppid()} {_process_space()}:1"
    AgentState.objects.create(lease_holder=holder, term=4, lease_expires_at=timezone.now())
    assert make_agent().run_once() == f"Another agent is in charge: {holder}."


def test_one_that_was_stopped_while_another_took_over_changes_nothing_and_stands_by(
    first, second, boot, backend, caplog
):
    let_stand_still(second, boot, LEASE_SECONDS)
    finish_look(second)
    peer = want_peer(2)
    before, changes = report(), list(backend.changes)
    first.turn()  # resumed: it sees a change, and its lease has run out
    assert "another agent has taken over" in caplog.text
    assert (report(), backend.changes) == (before, changes)
    second.turn()
    assert live(backend) == {peer.public_key: ("10.0.1.2/32",)}
    first.turn()
    assert "standing by: two 2 y is in charge" in caplog.text


def test_one_that_was_stopped_while_nobody_took_over_goes_on(first, boot, ticks, backend):
    want_peer(2)
    boot.now += 60
    ticks.now += 60
    first.turn()
    assert live(backend) == wanted()
    assert report()["term"] == 1


def test_one_that_was_stopped_between_look_and_table_writes_no_late_observation(first, second, boot, ticks, backend):
    peer = want_peer(2)
    first.turn()
    finish_look(first)
    ticks.now += 10
    backend.hear("wg0", heard(peer, at=timezone.now(), rx=900))
    first.turn()
    first._keeper.wait_for_look()
    AgentState.objects.update(term=2, lease_holder="two 2 y")  # somebody took over, and no clock told
    first.turn()
    assert not PeerStatus.objects.exists()
    assert not first._lease.is_held


def test_a_repair_by_one_that_has_lost_its_term_is_neither_counted_nor_recorded(first, backend, ticks):
    peer = want_peer(2)
    first.turn()
    finish_look(first)
    backend._interface("wg0").remove(peer.public_key)
    ticks.now += 10
    first.turn()
    first._keeper.wait_for_look()
    AgentState.objects.update(term=2)
    first.turn()
    assert AgentState.current().drift_repairs == {}


def test_a_long_change_is_covered_by_a_longer_lease(new_hub, boot):
    lease = Lease(holder="one 1 x", clock=boot)
    assert lease.acquire() == ""
    lease.check(100)
    standby = Lease(holder="two 2 y", clock=boot)
    assert standby.acquire() == "one 1 x"
    boot.now += 100
    assert standby.acquire() == "one 1 x"
    boot.now += 11
    assert standby.acquire() == ""
    lease._forget()
    standby.release()


def test_of_two_that_see_it_run_out_one_gets_it(new_hub, boot):
    AgentState.objects.create(lease_holder="gone 9 z", term=1, lease_expires_at=timezone.now())
    rivals = [Lease(holder=f"{name} 1 x", clock=boot) for name in ("one", "two")]
    for rival in rivals:
        rival.acquire()
    boot.now += LEASE_SECONDS
    assert [rival.acquire() for rival in rivals] == ["", "one 1 x"]
    rivals[0].release()


@on_postgres
def test_an_agent_that_holds_the_databases_lock_keeps_out_another_whatever_the_row_says(first, second):
    AgentState.objects.update(lease_expires_at=None)
    second.turn()
    assert not second._lease.is_held


@on_postgres
def test_who_takes_over_ends_the_stalled_ones_connection_and_so_its_lock(first, second, boot):
    let_stand_still(second, boot, LEASE_SECONDS)
    assert second._lease.is_held
    assert not first._lease._lock._answers(first._lease._lock._connection)


@on_postgres
def test_a_lock_given_back_is_free_at_once_not_when_the_server_sees_the_connection_end():
    from wireguard.postgres import _LOCK, AdvisoryLock  # psycopg is there on PostgreSQL alone

    for _ in range(50):
        lock = AdvisoryLock()
        assert lock.take()
        lock.release()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s), pg_advisory_unlock_all()", _LOCK)
            assert cursor.fetchone()[0]


@on_postgres
def test_a_lock_lost_with_its_connection_is_taken_again(first, ticks):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid, 2000) FROM pg_locks WHERE locktype = 'advisory'")
    ticks.now += 5
    first.turn()
    assert first._lease.is_held
    assert first._lease._lock.take()


def test_a_turn_after_the_loss_begins_anew(first, second, boot, ticks, backend):
    let_stand_still(second, boot, LEASE_SECONDS)
    boot.now += 60
    with pytest.raises(LeaseLost):
        first._lease.check(5)
    second._close()
    first.turn()
    look(first, ticks)
    assert report()["lease_holder"] == "one 1 x"
    assert live(backend) == wanted()


def test_a_standby_ends_when_told(make_agent, first, boot):
    stop = threading.Event()
    standby = Agent(first._service._backend, NoWakeup(), stop, lease=Lease(holder="two 2 y", clock=boot))
    stop.set()
    standby.run()
    assert report()["lease_holder"] == "one 1 x"
