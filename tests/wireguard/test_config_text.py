"""Config text and the difference between what is wanted and what is seen."""

import pytest

from wireguard.configtext import (
    Difference,
    WantedInterface,
    WantedPeer,
    check_interface_name,
    difference,
    setconf_text,
    wg_quick_text,
)
from wireguard.dump import SeenInterface, SeenPeer

INTERFACE = WantedInterface("wg0", "PRIVATE", 51820, ("10.0.1.1/24", "fd00::1/64"), 1420)
PEERS = [WantedPeer("FIRST", ("10.0.1.2/32", "fd00::2/128")), WantedPeer("SECOND", ())]


def seen(**allowed_ips: str) -> SeenInterface:
    """An interface with these peers, each with its allowed-ips."""
    peers = {
        key: SeenPeer(key, None, tuple(filter(None, text.split(","))), 0, 0, 0, None, False)
        for key, text in allowed_ips.items()
    }
    return SeenInterface("PUBLIC", 51820, None, peers)


def wanted(**allowed_ips: str) -> dict[str, WantedPeer]:
    return {key: WantedPeer(key, tuple(filter(None, text.split(",")))) for key, text in allowed_ips.items()}


def test_the_text_for_setconf_holds_key_port_and_peers():
    assert setconf_text(INTERFACE, PEERS) == (
        "[Interface]\nPrivateKey = PRIVATE\nListenPort = 51820\n\n"
        "[Peer]\nPublicKey = FIRST\nAllowedIPs = 10.0.1.2/32, fd00::2/128\n\n"
        "[Peer]\nPublicKey = SECOND\n"
    )


def test_the_file_for_wg_quick_has_address_and_mtu_as_well():
    assert wg_quick_text(INTERFACE, PEERS[:1]) == (
        "[Interface]\nPrivateKey = PRIVATE\nListenPort = 51820\n"
        "Address = 10.0.1.1/24, fd00::1/64\nMTU = 1420\n\n"
        "[Peer]\nPublicKey = FIRST\nAllowedIPs = 10.0.1.2/32, fd00::2/128\n"
    )


def test_a_file_for_wg_quick_without_the_private_key_says_where_it_belongs():
    text = wg_quick_text(WantedInterface("wg0", "", 51820, ("10.0.1.1/24",), 1420), [])
    assert text.splitlines()[1] == "# PrivateKey = (not exported: put it here)"


def test_setconf_is_never_given_a_text_that_would_erase_the_private_key():
    with pytest.raises(ValueError, match="private key"):
        setconf_text(WantedInterface("wg0", "", 51820, (), 1420), [])


@pytest.mark.parametrize("peer", [WantedPeer("FIRST\nEndpoint = x", ()), WantedPeer("FIRST", ("10.0.1.2/32\n[Peer]",))])
def test_a_line_break_in_a_value_is_refused(peer):
    with pytest.raises(ValueError, match="line break"):
        setconf_text(INTERFACE, [peer])


def test_the_private_key_is_not_shown_when_the_interface_is_printed():
    assert "PRIVATE" not in repr(INTERFACE)


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


@pytest.mark.parametrize("name", ["wg0", "w", "hub.vpn_1", "a=b+c-d", "w" * 15])
def test_names_linux_takes_for_interfaces_are_taken(name):
    assert check_interface_name(name) == name
