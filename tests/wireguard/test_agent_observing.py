"""What looks leave in the tables: totals, rates, traffic by the minute, and what clocks and removals cannot spoil."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hubproject.liveness import ACTIVE_WITHIN
from tests.wireguard.keeper import unwant, want_peer
from wireguard.dump import SeenInterface, SeenPeer
from wireguard.models import Peer, PeerStatus, TrafficSample
from wireguard.observations import Observations

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def observations(new_hub) -> Observations:
    return Observations(lambda: None)


def seen(*peers: SeenPeer) -> SeenInterface:
    return SeenInterface("PUBLIC", 51820, None, {peer.public_key: peer for peer in peers})


def peer_seen(peer, *, at=AT, rx=0, tx=0, handshake=None) -> SeenPeer:
    stamp = int(at.timestamp()) if handshake is None else handshake
    return SeenPeer(peer.public_key, "198.51.100.7:40000", (peer.allowed_ips,), stamp, rx, tx, None, False)


def write(observations, peer, *, at=AT, seconds=10.0, **counters) -> PeerStatus:
    observations.write(seen(peer_seen(peer, at=at, **counters)), {peer.public_key: peer.id}, at, seconds)
    return PeerStatus.objects.get(peer=peer)


def test_totals_go_on_when_the_interfaces_counters_begin_anew(observations):
    peer = want_peer(2)
    for rx, total in [(1000, 1000), (1500, 1500), (0, 1500), (200, 1700)]:
        assert write(observations, peer, rx=rx).transfer_rx == total


def test_totals_go_on_for_the_next_agent(observations):
    peer = want_peer(2)
    write(observations, peer, rx=1000, tx=10)
    status = write(Observations(lambda: None), peer, rx=1200, tx=0)
    assert (status.transfer_rx, status.transfer_tx) == (1200, 10)


def test_rates_are_bytes_a_second_between_two_looks_and_a_tunnels_own_talk_is_silence(observations):
    peer = want_peer(2)
    assert write(observations, peer, rx=1000, seconds=None).rate_rx is None
    assert write(observations, peer, rx=51_000, tx=5000, seconds=10).rate_rx == 5000
    status = write(observations, peer, rx=51_032, tx=5000, seconds=10)
    assert (status.rate_rx, status.rate_tx) == (0, 0)


def test_a_peer_of_which_there_is_no_news_at_all_has_no_rate_any_more(observations):
    peer = want_peer(2)
    assert write(observations, peer, rx=1000).rate_rx == 100
    same = seen(peer_seen(peer, rx=90_000))  # of a line that has not changed the reader of dumps gives the same object
    for rate in (8900, 0, 0):
        observations.write(same, {peer.public_key: peer.id}, AT, 10.0)
        assert PeerStatus.objects.get(peer=peer).rate_rx == rate


def test_what_was_read_anew_and_says_the_same_is_no_news_either(observations):
    peer = want_peer(2)
    for rx, rate in [(1000, 100), (90_000, 8900), (90_000, 0)]:
        assert write(observations, peer, rx=rx).rate_rx == rate
    assert observations.write(seen(peer_seen(peer, rx=90_000)), {peer.public_key: peer.id}, AT, 10.0) == 0


def test_a_peer_that_only_talks_to_keep_alive_is_written_once_in_three_looks(observations):
    peer = want_peer(2)
    ids = {peer.public_key: peer.id}
    write(observations, peer, rx=500)
    counts = [observations.write(seen(peer_seen(peer, rx=500 + 32 * (n // 3))), ids, AT, 10.0) for n in range(9)]
    assert sum(counts) == 2


def test_the_traffic_of_a_minute_is_that_of_all_peers_and_all_looks_in_it(observations):
    one, other = want_peer(2), want_peer(3)
    ids = {one.public_key: one.id, other.public_key: other.id}
    for rx, at in [(100, AT), (300, AT + timedelta(seconds=10)), (350, AT + timedelta(seconds=40))]:
        observations.write(seen(peer_seen(one, rx=rx, tx=1), peer_seen(other, rx=rx)), ids, at, 10.0)
    samples = list(TrafficSample.objects.order_by("at").values_list("at", "received", "sent"))
    assert samples == [(AT.replace(second=0), 600, 1), (AT.replace(minute=1, second=0), 100, 0)]


def test_a_silent_minute_has_a_sample_and_an_agents_absence_has_none(observations):
    for minute in (0, 1, 5):
        for second in (10, 40):
            observations.write(seen(), {}, AT.replace(minute=minute, second=second), 10.0)
    assert [at.minute for at in TrafficSample.objects.order_by("at").values_list("at", flat=True)] == [0, 1, 5]


def test_samples_older_than_a_week_go_a_hundred_at_a_time(observations):
    old = AT.replace(second=0) - timedelta(days=8)
    TrafficSample.objects.bulk_create(
        TrafficSample(at=old + timedelta(minutes=n), received=1, sent=1) for n in range(150)
    )
    observations.write(seen(), {}, AT, 10.0)
    assert TrafficSample.objects.count() == 51
    observations.write(seen(), {}, AT + timedelta(minutes=1), 10.0)
    assert TrafficSample.objects.count() == 2


def test_peers_that_are_gone_are_forgotten(observations):
    """Over the years there are many."""
    peer = want_peer(2)
    write(observations, peer, rx=90_000)
    unwant(peer)
    observations.write(seen(), {}, AT, 10.0)
    assert peer.public_key not in repr(vars(observations))


def test_a_spoke_removed_since_the_look_is_not_brought_back(observations):
    peer, stayer = want_peer(2), want_peer(3)
    ids = {peer.public_key: peer.id, stayer.public_key: stayer.id}
    unwant(peer)
    observations.write(seen(peer_seen(peer, rx=5), peer_seen(stayer, rx=5)), ids, AT, 10.0)
    assert list(PeerStatus.objects.values_list("peer_id", flat=True)) == [stayer.id]


def test_a_spoke_removed_since_the_look_is_not_touched_and_a_newcomer_beside_it_is_written(observations):
    leaver, stayer, newcomer = want_peer(2), want_peer(3), want_peer(4)
    for peer in (leaver, stayer):
        write(observations, peer, rx=100)
    ids = {peer.public_key: peer.id for peer in (leaver, stayer, newcomer)}
    unwant(leaver)
    observations.write(seen(*(peer_seen(peer, rx=900) for peer in (leaver, stayer, newcomer))), ids, AT, 10.0)
    assert dict(PeerStatus.objects.values_list("peer_id", "seen_rx")) == {
        leaver.id: 100,
        stayer.id: 900,
        newcomer.id: 900,
    }


def test_changed_rows_are_written_500_a_transaction_each_behind_the_fence(new_hub):
    fences = []
    observations = Observations(lambda: fences.append(1))
    keys = [f"{n:043d}=" for n in range(1200)]
    Peer.objects.bulk_create(
        Peer(public_key=key, live_key=key, allowed_ips="10.0.1.2/32", generation=1) for key in keys
    )
    many = dict(Peer.objects.values_list("public_key", "id"))
    rows = seen(*(SeenPeer(key, None, (), 0, 7, 0, None, False) for key in many))
    with CaptureQueriesContext(connection) as queries:
        observations.write(rows, many, AT, 10.0)
    assert len(fences) == 3
    assert PeerStatus.objects.count() == 1200
    inserts = [query["sql"] for query in queries.captured_queries if "INSERT INTO peer_status" in query["sql"]]
    assert len(inserts) == 3


# --- Clocks ---------------------------------------------------------------------------------------------------------


def test_a_clock_set_back_makes_no_silent_spoke_active(observations):
    peer = want_peer(2)
    write(observations, peer, rx=1000)
    earlier = AT - timedelta(hours=2)
    status = write(observations, peer, at=earlier, rx=1000, handshake=int(AT.timestamp()))
    assert status.heard_at == earlier - ACTIVE_WITHIN
    assert status.latest_handshake_at <= earlier


def test_a_clock_set_back_leaves_a_spoke_that_talks_active(observations):
    peer = want_peer(2)
    write(observations, peer, rx=1000)
    earlier = AT - timedelta(hours=2)
    write(observations, peer, at=earlier, rx=1000, handshake=int(AT.timestamp()))
    later = earlier + timedelta(seconds=10)
    assert write(observations, peer, at=later, rx=1032, handshake=int(AT.timestamp())).heard_at == later


def test_a_handshake_a_second_ahead_counts_as_now(observations):
    peer = want_peer(2)
    status = write(observations, peer, handshake=int(AT.timestamp()) + 1)
    assert status.latest_handshake_at == status.heard_at == AT


def test_bytes_that_came_while_no_agent_looked_are_no_sign_of_life_now(observations):
    peer = want_peer(2)
    hour_ago = AT - timedelta(hours=1)
    write(observations, peer, at=hour_ago, rx=1000)
    status = write(observations, peer, rx=9000, seconds=3600.0, handshake=int(hour_ago.timestamp()))
    assert status.heard_at == hour_ago


@pytest.mark.parametrize("counter", [2**63, 2**64 - 1])
@pytest.mark.parametrize("handshake", [0, 10**12, 10**19 - 1])
def test_numbers_no_machine_has_break_nothing(observations, counter, handshake):
    peer = want_peer(2)
    status = write(observations, peer, rx=counter, tx=counter, handshake=handshake)
    assert (status.transfer_rx, status.latest_handshake_at) == (0, None)
    assert write(observations, peer, rx=5, handshake=handshake).transfer_rx == 5


def test_now_is_told_by_the_wall(observations):
    peer = want_peer(2)
    assert write(observations, peer, at=timezone.now()).heard_at <= timezone.now()
