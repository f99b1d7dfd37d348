"""The firewall's script: it speaks of our own table only, and nothing gets into it by way of a name."""

import pytest

from wireguard import firewall
from wireguard.firewall import ruleset_text


def test_what_enters_by_the_hubs_interface_does_not_leave_by_it():
    text = ruleset_text("wg0", mode="isolated")
    assert "type filter hook forward priority filter; policy accept;" in text
    assert 'iifname "wg0" oifname "wg0" drop' in text


def test_isolated_is_the_mode_when_none_is_named():
    assert ruleset_text("wg0") == ruleset_text("wg0", mode="isolated")


def test_the_table_is_declared_before_it_is_deleted_and_made_anew():
    lines = [line for line in ruleset_text("wg0").splitlines() if "wireguard_hub" in line]
    assert lines == [
        "table inet wireguard_hub",
        "delete table inet wireguard_hub",
        "table inet wireguard_hub {",
    ]


@pytest.mark.parametrize("text", [ruleset_text("wg0"), firewall.REMOVAL_TEXT])
def test_nothing_is_flushed_and_no_other_table_is_named(text):
    assert "flush" not in text
    assert text.count("table") == text.count("table inet wireguard_hub")


@pytest.mark.parametrize("mode", ["open", "cluster", "", "Isolated", "isolated\n"])
def test_an_unknown_mode_is_refused(mode):
    with pytest.raises(ValueError, match="is not known"):
        ruleset_text("wg0", mode=mode)


@pytest.mark.parametrize("name", ["", 'wg0"', "wg*", "wg 0", "wg0\n", "-wg0", "wg/0", "..", "ẁg0", "w" * 16])
def test_a_name_that_is_no_interface_name_is_refused(name):
    with pytest.raises(ValueError, match="An interface name is"):
        ruleset_text(name)
