"""Config text: what wg and wg-quick are given, and what may never stand in it."""

import pytest

from wireguard.configtext import (
    WantedInterface,
    WantedPeer,
    check_interface_name,
    setconf_text,
    wg_quick_text,
)

INTERFACE = WantedInterface("wg0", "PRIVATE", 51820, ("10.0.1.1/24", "fd00::1/64"), 1420)
PEERS = [WantedPeer("FIRST", ("10.0.1.2/32", "fd00::2/128")), WantedPeer("SECOND", ())]


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


@pytest.mark.parametrize("name", ["wg0", "w", "hub.vpn_1", "a=b+c-d", "w" * 15])
def test_names_linux_takes_for_interfaces_are_taken(name):
    assert check_interface_name(name) == name
