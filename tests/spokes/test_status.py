"""One spoke and the live figures of its peer; its status is a matter of when it was last heard."""

from datetime import timedelta
from uuid import uuid4

import pytest

from spokes.models import Spoke
from tests.conftest import NOW, assert_refused, enrol
from wireguard.models import HubConfig, PeerStatus

pytestmark = pytest.mark.django_db

HANDSHAKE = NOW - timedelta(seconds=10)


def seen(spoke: dict, **figures) -> None:
    PeerStatus.objects.create(peer=Spoke.objects.get(id=spoke["spokeId"]).peer, **figures)


def status_of(client, spoke: dict) -> dict:
    answer = client.get(f"/api/spoke/{spoke['spokeId']}/status")
    assert answer.status_code == 200
    return dict(answer.json())


def test_a_spoke_never_heard_of_is_pending(hub, viewer):
    spoke = enrol()
    assert status_of(viewer, spoke) == {
        "spoke": spoke["spoke"],
        "wireguardPeer": {
            "endpoint": None,
            "latestHandshake": None,
            "transferRx": 0,
            "transferTx": 0,
            "persistentKeepalive": 25,
        },
    }


def test_it_shows_what_the_agent_last_saw(hub, viewer):
    spoke = enrol()
    seen(
        spoke,
        endpoint="198.51.100.7:49152",
        latest_handshake_at=HANDSHAKE,
        heard_at=NOW,
        transfer_rx=2**40,
        transfer_tx=148,
    )
    body = status_of(viewer, spoke)
    assert body["wireguardPeer"] == {
        "endpoint": "198.51.100.7:49152",
        "latestHandshake": "2026-03-01T11:59:50Z",
        "transferRx": 2**40,
        "transferTx": 148,
        "persistentKeepalive": 25,
    }
    assert (body["spoke"]["status"], body["spoke"]["lastHandshake"]) == ("active", "2026-03-01T11:59:50Z")


@pytest.mark.parametrize(
    ("milliseconds", "status"), [(0, "active"), (179_999, "active"), (180_000, "inactive"), (180_001, "inactive")]
)
def test_a_spoke_is_active_for_180_s_after_it_was_heard(hub, viewer, milliseconds, status):
    spoke = enrol()
    seen(spoke, heard_at=NOW - timedelta(milliseconds=milliseconds))
    assert status_of(viewer, spoke)["spoke"]["status"] == status


def test_bytes_received_keep_a_spoke_active_between_two_handshakes(hub, viewer):
    spoke = enrol()
    seen(spoke, latest_handshake_at=NOW - timedelta(seconds=200), heard_at=NOW - timedelta(seconds=5))
    assert status_of(viewer, spoke)["spoke"]["status"] == "active"


def test_a_spoke_of_which_only_figures_are_known_is_pending(hub, viewer):
    spoke = enrol()
    seen(spoke, transfer_tx=148)
    assert status_of(viewer, spoke)["spoke"]["status"] == "pending"


def test_time_alone_makes_it_inactive_when_the_agent_is_dead(hub, viewer, clock):
    spoke = enrol()
    seen(spoke, heard_at=NOW)
    clock.shift(timedelta(minutes=3))
    assert status_of(viewer, spoke)["spoke"]["status"] == "inactive"


def test_a_moment_in_the_future_is_no_sign_of_life(hub, viewer, clock):
    """The clock was set back and no agent is there to judge anew."""
    spoke = enrol()
    seen(spoke, heard_at=NOW + timedelta(seconds=59))
    assert status_of(viewer, spoke)["spoke"]["status"] == "active"
    clock.shift(timedelta(days=-2))
    assert status_of(viewer, spoke)["spoke"]["status"] == "inactive"
    assert viewer.get("/api/spoke/list").json()["inactiveCount"] == 1
    assert viewer.get("/api/spoke/list?status=inactive").json()["totalCount"] == 1


def test_it_shows_the_keepalive_of_the_spokes_side(hub, viewer):
    spoke = enrol()
    HubConfig.objects.update(persistent_keepalive=15)
    assert status_of(viewer, spoke)["wireguardPeer"]["persistentKeepalive"] == 15


def test_an_unknown_spoke_is_answered_404(hub, viewer):
    assert_refused(viewer.get(f"/api/spoke/{uuid4()}/status"), 404, "NOT_FOUND")


def test_a_removed_spoke_is_answered_404(hub, viewer, operator):
    spoke = enrol()
    operator.delete(f"/api/spoke/{spoke['spokeId']}")
    assert_refused(viewer.get(f"/api/spoke/{spoke['spokeId']}/status"), 404, "NOT_FOUND")
