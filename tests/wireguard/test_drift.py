"""What is wrong with the peers, each of its kind, and the smallest change that ends it."""

import pytest

from wireguard.configtext import Difference, WantedPeer
from wireguard.drift import Drift, Kind, peer_drift, repair_of
from wireguard.dump import SeenInterface, SeenPeer


def seen(**allowed_ips: str) -> SeenInterface:
    """An interface with these peers, each with its allowed-ips."""
    peers = {
        key: SeenPeer(key, None, tuple(filter(None, text.split(","))), 0, 0, 0, None, False)
        for key, text in allowed_ips.items()
    }
    return SeenInterface("PUBLIC", 51820, None, peers)


def wanted(**allowed_ips: str) -> dict[str, WantedPeer]:
    return {key: WantedPeer(key, tuple(filter(None, text.split(",")))) for key, text in allowed_ips.items()}


def difference(want: dict[str, WantedPeer], see: SeenInterface) -> Difference:
    return repair_of(peer_drift(want, see), want)


@pytest.mark.parametrize(
    ("want", "see", "change"),
    [
        pytest.param({}, {}, ((), {}), id="nothing wanted, nothing seen"),
        pytest.param({"A": "1,2"}, {"A": "1,2"}, ((), {}), id="right"),
        pytest.param({"A": "2,1"}, {"A": "1,2"}, ((), {}), id="right in another order"),
        pytest.param({"A": "1"}, {}, ((), {"A": "1"}), id="missing"),
        pytest.param({}, {"A": "1"}, (("A",), {}), id="foreign"),
        pytest.param({"A": "1"}, {"A": "1,2"}, ((), {"A": "1"}), id="allowed-ips widened"),
        pytest.param({"A": "1,2"}, {"A": "1"}, ((), {"A": "1,2"}), id="allowed-ips narrowed"),
        pytest.param({"A": "1", "B": "2"}, {"A": "", "X": "1", "B": "2"}, (("X",), {"A": "1"}), id="stolen"),
    ],
)
def test_the_difference_names_what_is_wrong_and_nothing_else(want, see, change):
    remove, put = change
    assert difference(wanted(**want), seen(**see)) == Difference(remove, tuple(wanted(**put).values()))


def test_a_difference_is_false_when_there_is_nothing_to_do():
    assert not difference(wanted(A="1"), seen(A="1"))
    assert difference(wanted(A="1"), seen())
    assert difference(wanted(), seen(A="1"))


@pytest.mark.parametrize(
    ("want", "see", "kinds"),
    [
        ({"A": "1"}, {}, [Drift(Kind.PEER_MISSING, "A")]),
        ({}, {"A": "1"}, [Drift(Kind.PEER_FOREIGN, "A")]),
        ({"A": "1"}, {"A": "1,2"}, [Drift(Kind.ALLOWED_IPS_WIDENED, "A")]),
        (
            {"A": "1", "B": "2"},
            {"A": "1,2", "B": ""},
            [
                Drift(Kind.ALLOWED_IPS_WIDENED, "A"),
                Drift(Kind.ALLOWED_IPS_STOLEN, "B"),
            ],
        ),
    ],
)
def test_each_thing_that_is_wrong_has_a_name(want, see, kinds):
    assert peer_drift(wanted(**want), seen(**see)) == kinds


def test_a_keepalive_and_a_preshared_key_are_taken_off_without_touching_the_routes():
    peer = SeenPeer("A", None, ("1",), 0, 0, 0, 25, True)
    change = difference(wanted(A="1"), SeenInterface("PUBLIC", 51820, None, {"A": peer}))
    assert change == Difference((), (), without_keepalive=("A",), without_preshared_key=("A",))
    assert change


def test_every_kind_has_a_sentence():
    assert all(kind.sentence for kind in Kind)
