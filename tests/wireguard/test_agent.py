"""The agent over a backend that behaves like the kernel: what it makes so, what it repairs, what stops it."""

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hubproject.models import AuditEvent
from tests.wireguard.keeper import (
    NoWakeup,
    RecordingBackend,
    finish_look,
    heard,
    live,
    look,
    repairs,
    unwant,
    want_peer,
    wanted,
)
from wireguard.agent import Agent
from wireguard.backends import BackendError, BackendUnavailable, InterfaceMissing, MemoryBackend, PrivilegeMissing
from wireguard.configtext import Difference, WantedPeer
from wireguard.keys import generate_private_key, public_key_of
from wireguard.models import AgentState, PeerStatus

pytestmark = pytest.mark.django_db


# --- Making it so ---------------------------------------------------------------------------------------------------


def test_it_waits_quietly_while_the_hub_is_not_set_up(make_agent, backend):
    assert make_agent().run_once() == ""
    assert not backend.interface_exists("wg0")


def test_it_rests_between_its_signs_of_life_while_the_hub_is_not_set_up(make_agent):
    agent = make_agent()
    for _ in range(3):
        agent.turn()
        assert agent._pause() > 1


def test_it_brings_the_interface_up_with_every_wanted_peer(make_agent, backend, new_hub):
    peers = [want_peer(host) for host in range(2, 12)]
    assert make_agent().run_once() == ""
    state = AgentState.current()
    assert live(backend) == {peer.public_key: (peer.allowed_ips,) for peer in peers}
    assert backend.link_state("wg0").addresses == ("10.0.1.1/24",)
    assert (state.applied_generation, state.interface_up, state.problem) == (11, True, "")


def test_a_change_reaches_the_interface_in_one_call_and_is_noted(make_agent, backend, new_hub):
    agent = make_agent()
    agent.turn()
    first, second = want_peer(2), want_peer(3)
    agent.turn()
    assert [set(change.put) for change in backend.changes] == [
        {WantedPeer(first.public_key, ("10.0.1.2/32",)), WantedPeer(second.public_key, ("10.0.1.3/32",))}
    ]
    assert AgentState.current().applied_generation == 3


def test_it_touches_only_the_peers_that_changed(make_agent, backend, new_hub):
    bystander = want_peer(2)
    agent = make_agent()
    agent.turn()
    newcomer = want_peer(3)
    agent.turn()
    touched = {peer.public_key for change in backend.changes for peer in change.put}
    assert touched == {newcomer.public_key}
    assert bystander.public_key in live(backend)


def test_a_removed_peer_is_off_after_the_next_turn(make_agent, backend, new_hub):
    leaver, stayer = want_peer(2), want_peer(3)
    agent = make_agent()
    agent.turn()
    generation = unwant(leaver)
    agent.turn()
    assert live(backend) == {stayer.public_key: ("10.0.1.3/32",)}
    assert AgentState.current().applied_generation == generation


def test_a_key_that_was_removed_and_came_back_in_one_batch_is_there(make_agent, backend, new_hub):
    peer = want_peer(2)
    agent = make_agent()
    agent.turn()
    unwant(peer)
    want_peer(3, key=peer.public_key)
    agent.turn()
    assert live(backend) == {peer.public_key: ("10.0.1.3/32",)}


def test_an_address_that_moved_between_two_peers_in_one_batch_ends_with_the_new_one(make_agent, backend, new_hub):
    old = want_peer(2)
    agent = make_agent()
    agent.turn()
    unwant(old)
    new = want_peer(2)
    agent.turn()
    assert live(backend) == {new.public_key: ("10.0.1.2/32",)}


def test_a_second_look_in_a_row_does_nothing(make_agent, backend, ticks, new_hub):
    want_peer(2)
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    backend.changes.clear()
    look(agent, ticks)
    assert backend.changes == []
    assert not AuditEvent.objects.filter(event="drift.repaired").exists()


def test_while_nobody_joins_or_leaves_a_look_does_not_read_the_peers_again(make_agent, backend, ticks, new_hub):
    want_peer(2)
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    for newcomers in (0, 1):
        for host in range(newcomers):
            want_peer(10 + host)
        with CaptureQueriesContext(connection) as queries:
            look(agent, ticks)
        whole = [
            query["sql"] for query in queries if 'FROM "peers" WHERE "peers"."live_key" IS NOT NULL' in query["sql"]
        ]
        assert len(whole) == newcomers


def test_a_newcomer_is_looked_for_before_the_next_regular_look(make_agent, backend, ticks, new_hub):
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    newcomer = want_peer(2)
    agent.turn()
    backend.hear("wg0", heard(newcomer, at=timezone.now()))
    ticks.now += 2
    agent.turn()
    finish_look(agent)
    assert PeerStatus.objects.filter(peer=newcomer).exists()


# --- Repairing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drift", ["missing", "foreign", "widened", "stolen"])
def test_the_next_look_repairs_a_peer_that_somebody_changed(make_agent, backend, ticks, new_hub, drift):
    peer, other = want_peer(2), want_peer(3)
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    foreign = public_key_of(generate_private_key())
    change = {
        "missing": Difference((peer.public_key,), ()),
        "foreign": Difference((), (WantedPeer(foreign, ("10.0.1.77/32",)),)),
        "widened": Difference((), (WantedPeer(peer.public_key, ("10.0.1.2/32", "192.168.0.0/16")),)),
        "stolen": Difference((), (WantedPeer(peer.public_key, ("10.0.1.2/32", "10.0.1.3/32")),)),
    }[drift]
    MemoryBackend.set_peers(backend, "wg0", change)
    assert live(backend) != wanted()
    look(agent, ticks)
    assert live(backend) == wanted() == {peer.public_key: ("10.0.1.2/32",), other.public_key: ("10.0.1.3/32",)}
    kinds = {"missing": ["peer_missing"], "foreign": ["peer_foreign"], "widened": ["allowed_ips_widened"]}
    assert sorted(repairs()) == kinds.get(drift, ["allowed_ips_stolen", "allowed_ips_widened"])


def test_an_interface_deleted_by_hand_is_back_with_every_peer_at_the_next_turn(make_agent, backend, new_hub):
    want_peer(2)
    agent = make_agent()
    agent.turn()
    backend.delete_interface("wg0")
    agent.turn()
    assert live(backend) == wanted()
    assert repairs() == ["interface_gone"]


def test_the_firewall_and_the_link_are_put_right_by_the_next_look(make_agent, backend, ticks, new_hub):
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    table = backend.firewall_table()
    backend.load_ruleset("table inet wireguard_hub\ndelete table inet wireguard_hub\n")
    backend.set_addresses("wg0", ["10.9.9.9/24"], 1300)
    look(agent, ticks)
    assert backend.firewall_table() == table
    assert backend.link_state("wg0").addresses == ("10.0.1.1/24",)
    assert repairs() == ["address", "mtu", "firewall"]


def test_a_peer_registered_while_a_dump_is_under_way_is_not_cut(make_agent, backend, ticks, new_hub):
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    ticks.now += 10
    agent.turn()  # the dump without the newcomer is being taken
    agent._keeper.wait_for_look()
    newcomer = want_peer(2)
    agent.turn()  # applies the newcomer and finishes the look
    finish_look(agent)
    assert live(backend) == {newcomer.public_key: ("10.0.1.2/32",)}
    assert [change.remove for change in backend.changes] == [()]


def test_a_peer_registered_and_applied_just_before_the_dump_was_read_is_not_cut(make_agent, backend, ticks, new_hub):
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    backend.may_dump.clear()
    ticks.now += 10
    agent.turn()  # a look begins, and its program is slow
    newcomer = want_peer(2)
    agent.turn()
    backend.may_dump.set()
    finish_look(agent)
    assert live(backend) == {newcomer.public_key: ("10.0.1.2/32",)}
    assert [change.remove for change in backend.changes] == [()]


def test_a_peer_that_was_on_the_dump_before_the_agent_read_the_database_is_not_cut(make_agent, backend, ticks, new_hub):
    agent = make_agent()
    agent.turn()
    finish_look(agent)
    newcomer = want_peer(2)
    agent.turn()
    look(agent, ticks)
    assert live(backend) == {newcomer.public_key: ("10.0.1.2/32",)}
    assert not AuditEvent.objects.filter(event="drift.repaired").exists()


# --- Faults ---------------------------------------------------------------------------------------------------------


def test_a_failing_backend_is_said_and_the_change_is_applied_once_it_works_again(make_agent, backend, new_hub):
    agent = make_agent()
    agent.turn()
    peer = want_peer(2)
    backend.fail_with = BackendError("`wg set` failed with exit status 1.")
    agent.turn()
    state = AgentState.current()
    assert state.word(generation=2, now=timezone.now()) == "behind"
    assert (state.problem, state.applied_generation) == ("`wg set` failed with exit status 1.", 1)
    backend.fail_with = None
    agent.turn()
    assert peer.public_key in live(backend)
    assert AgentState.current().word(generation=2, now=timezone.now()) == "ok"


@pytest.mark.parametrize(
    ("failure", "word"),
    [
        (PrivilegeMissing("This process lacks the privilege."), "unmanaged"),
        (BackendUnavailable("wg is not installed."), "behind"),
        (InterfaceMissing("There is no interface wg0."), "behind"),
    ],
)
def test_the_word_for_an_agent_that_cannot_work(make_agent, backend, new_hub, failure, word):
    backend.fail_with = failure
    assert make_agent().run_once() == str(failure)
    state = AgentState.current()
    assert (state.word(generation=1, now=timezone.now()), state.interface_up) == (word, False)


def test_it_brings_nothing_up_when_the_network_overlaps_the_machines_own(make_agent, new_hub):
    backend = RecordingBackend(networks=("10.0.0.0/16",))
    agent = Agent(backend, NoWakeup(), threading.Event())
    assert "10.0.0.0/16" in agent.run_once()
    assert not backend.interface_exists("wg0")


class RefusedOnceSeen(RecordingBackend):
    """Whoever looks at its interface finds it gone afterwards, and the machine in a network that overlaps."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 0

    def dump(self, name: str) -> str:
        dumped = super().dump(name)
        self.delete_interface(name)
        self._networks.append("10.0.0.0/16")
        return dumped

    def local_networks(self, *, without: str) -> list[str]:
        self.refusals += bool(self._networks)
        if self.refusals > 100:
            raise Kill
        return super().local_networks(without=without)


def test_once_ends_with_the_reason_when_the_interface_is_refused_before_its_look_is_thought_about(new_hub):
    backend = RefusedOnceSeen()
    assert "10.0.0.0/16" in Agent(backend, NoWakeup(), threading.Event()).run_once()
    assert backend.refusals
    assert "10.0.0.0/16" in AgentState.current().problem


@pytest.mark.parametrize("fault", ["missing", "another", "garbage"])
def test_it_brings_nothing_up_without_the_right_sealing_key_and_makes_no_new_one(make_agent, backend, new_hub, fault):
    key_file = settings.HUB_DATA_DIR / "sealing.key"
    before = key_file.read_text()
    try:
        key_file.unlink()
        if fault != "missing":
            key_file.write_text(generate_private_key() if fault == "another" else "garbage")
        problem = make_agent().run_once()
        assert "sealing key" in problem.lower()
        assert not backend.interface_exists("wg0")
        assert key_file.exists() == (fault != "missing")
    finally:
        key_file.write_text(before)


def test_it_takes_over_no_interface_of_somebody_else(make_agent, backend, new_hub):
    backend.create_interface("wg0")
    backend.set_interface("wg0", private_key=generate_private_key(), listen_port=51820)
    MemoryBackend.set_peers(backend, "wg0", Difference((), (WantedPeer(new_hub.public_key, ("10.7.7.7/32",)),)))
    before = backend.dump("wg0")
    assert "belongs to something else" in make_agent().run_once()
    assert backend.dump("wg0") == before


class Kill(BaseException):
    """Ends the agent where no handler can stop it, as SIGKILL would."""


@pytest.mark.parametrize("step", range(12))
def test_an_agent_killed_before_any_step_leaves_what_the_next_start_puts_right(backend, new_hub, step):
    stayer, leaver = want_peer(2), want_peer(3)
    started = Agent(backend, NoWakeup(), threading.Event())
    started.run_once()
    unwant(leaver)
    want_peer(4)
    backend.delete_interface("wg0") if step % 2 else None
    killed = Agent(KilledAt(backend, step), NoWakeup(), threading.Event())
    with suppress(Kill):
        killed.run_once()
    killed._lease._forget()  # the kernel closes what a process had open
    assert Agent(backend, NoWakeup(), threading.Event()).run_once() == ""
    assert live(backend) == wanted()
    assert stayer.public_key in live(backend)


class KilledAt:
    """A backend whose n-th call never returns."""

    def __init__(self, backend: MemoryBackend, step: int) -> None:
        self._backend, self._left = backend, step

    def __getattr__(self, name: str):
        self._left -= 1
        if self._left < 0:
            raise Kill
        return getattr(self._backend, name)


# --- Observing ------------------------------------------------------------------------------------------------------


def test_what_a_look_saw_stands_in_the_table(make_agent, backend, ticks, new_hub):
    peer, silent = want_peer(2), want_peer(3)
    agent = make_agent()
    agent.turn()
    shaken = timezone.now().replace(microsecond=0) - timedelta(hours=1)
    backend.hear("wg0", heard(peer, at=shaken))
    look(agent, ticks)
    status = PeerStatus.objects.get(peer=peer)
    assert (status.endpoint, status.latest_handshake_at, status.heard_at) == ("198.51.100.7:40000", shaken, shaken)
    assert not PeerStatus.objects.filter(peer=silent).exists()


def test_growing_received_bytes_count_as_heard_between_two_handshakes(make_agent, backend, ticks, new_hub):
    peer = want_peer(2)
    agent = make_agent()
    agent.turn()
    shaken = timezone.now() - timedelta(seconds=170)
    backend.hear("wg0", heard(peer, at=shaken, rx=1000))
    look(agent, ticks)
    backend.hear("wg0", heard(peer, at=shaken, rx=2000))
    before = timezone.now()
    look(agent, ticks)
    assert PeerStatus.objects.get(peer=peer).heard_at >= before


def test_counters_that_start_anew_keep_what_was_heard_and_counted(make_agent, backend, ticks, new_hub):
    peer = want_peer(2)
    agent = make_agent()
    agent.turn()
    shaken = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    backend.hear("wg0", heard(peer, at=shaken, rx=1000))
    look(agent, ticks)
    heard_at = PeerStatus.objects.get(peer=peer).heard_at
    backend.delete_interface("wg0")
    agent.turn()
    look(agent, ticks)
    status = PeerStatus.objects.get(peer=peer)
    assert (status.latest_handshake_at, status.heard_at, status.transfer_rx) == (shaken, heard_at, 1000)


def test_silent_peers_cost_no_write(make_agent, backend, ticks, new_hub, django_assert_max_num_queries):
    for host in range(2, 40):
        backend_peer = want_peer(host)
    agent = make_agent()
    agent.turn()
    backend.hear("wg0", heard(backend_peer, at=timezone.now()))
    look(agent, ticks)
    ticks.now += 10
    agent.turn()
    agent._keeper.wait_for_look()
    # The hub, the live peers, two counts of who fell silent, the report, maybe a new minute.
    with django_assert_max_num_queries(10) as captured:
        agent.turn()
    written = [query["sql"] for query in captured.captured_queries if not query["sql"].startswith("SELECT")]
    assert not [statement for statement in written if "peer_status" in statement]


def test_a_restarted_agent_compares_with_what_was_written_before(make_agent, backend, ticks, new_hub):
    peer = want_peer(2)
    agent = make_agent()
    agent.turn()
    backend.hear("wg0", heard(peer, at=timezone.now(), rx=500))
    look(agent, ticks)
    heard_at = PeerStatus.objects.get(peer=peer).heard_at
    successor = make_agent()
    successor.turn()
    look(successor, ticks)
    assert PeerStatus.objects.get(peer=peer).heard_at == heard_at


# --- Its life -------------------------------------------------------------------------------------------------------


def test_it_stops_when_told_and_leaves_the_interface_up(make_agent, backend, new_hub):
    agent = make_agent()
    agent._stop.set()
    agent.turn()
    agent.run()
    assert backend.link_state("wg0").is_up


def test_a_silent_agent_is_down(new_hub):
    AgentState.objects.create(alive_at=timezone.now() - timedelta(seconds=21), applied_generation=1)
    assert AgentState.current().word(generation=1, now=timezone.now()) == "down"
