"""The firewall's script: it speaks of our own table only, and nothing gets into it by way of a name."""

import re

import pytest

from wireguard.firewall import CLUSTER, MODES, OPEN, REMOVAL_TEXT, WantedFirewall, parse_services, ruleset_text

ADDRESSES = ("10.0.1.1/24", "fd00::1/64")


def text_for(**values):
    return ruleset_text(WantedFirewall(**{"interface": "wg0", "addresses": ADDRESSES, **values}))


def chain(text, name):
    """The rules of a chain."""
    (body,) = re.findall(rf"^\tchain {name} {{\n(.*?)^\t}}$", text, re.MULTILINE | re.DOTALL)
    return [line.strip() for line in body.splitlines()]


def test_in_the_mode_isolated_nothing_is_passed_on():
    text = text_for()
    assert chain(text, "forward") == [
        "type filter hook forward priority filter; policy accept;",
        'iifname "wg0" oifname "wg0" goto between_spokes',
        'iifname "wg0" drop',
        'oifname "wg0" drop',
    ]
    assert chain(text, "between_spokes") == ["drop"]


def test_in_the_mode_open_every_spoke_reaches_every_other_and_no_other_network():
    text = text_for(mode=OPEN)
    assert chain(text, "between_spokes") == ["accept"]
    assert chain(text, "forward") == chain(text_for(), "forward")


def test_in_the_mode_cluster_a_nodes_address_leads_to_the_addresses_of_its_own_cluster():
    groups = {7: ["10.0.1.5/32", "fd00::5/128", "10.0.1.6/32"], 8: ["10.0.1.9/32"]}
    text = text_for(mode=CLUSTER, groups=groups)
    assert chain(text, "between_spokes") == ["ip saddr vmap @cluster_of4", "ip6 saddr vmap @cluster_of6", "drop"]
    assert chain(text, "cluster_7") == ["ip daddr @nodes4_7 accept", "ip6 daddr @nodes6_7 accept"]
    assert elements(text, "set nodes4_7") == {"10.0.1.5", "10.0.1.6"}
    assert elements(text, "set nodes6_7") == {"fd00::5"}
    assert elements(text, "set nodes4_8") == {"10.0.1.9"}
    assert elements(text, "map cluster_of4") == {
        "10.0.1.5 : jump cluster_7",
        "10.0.1.6 : jump cluster_7",
        "10.0.1.9 : jump cluster_8",
    }


def elements(text, head):
    (body,) = re.findall(rf"^\t{head} {{\n(.*?)^\t}}$", text, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"elements = { (.*) }", body)[0].split(", "))


def test_ten_thousand_nodes_cost_as_many_rules_as_two():
    def rules(hosts):
        members = [f"10.0.{host >> 8}.{host & 255}/32" for host in range(2, hosts + 2)]
        return sum(len(chain(text_for(mode=CLUSTER, groups={1: members}), name)) for name in ("forward", "cluster_1"))

    assert rules(10_000) == rules(2)


def test_a_network_among_the_allowed_ips_is_nobodys_own_address():
    text = text_for(mode=CLUSTER, groups={7: ["10.0.1.5/32", "10.0.1.128/25", "fd00::/64", "fd00::/32"]})
    assert elements(text, "set nodes4_7") == {"10.0.1.5"}
    assert "fd00::/" not in "".join(chain(text, "cluster_7"))


@pytest.mark.parametrize("mode", MODES)
def test_only_the_mode_cluster_has_sets(mode):
    text = text_for(mode=mode, groups={7: ["10.0.1.5/32"]})
    assert ("nodes4_7" in text) == (mode == CLUSTER)


def test_sources_are_genuine_on_either_side():
    assert chain(text_for(addresses=("10.0.1.1/24",)), "prerouting") == [
        "type filter hook prerouting priority raw; policy accept;",
        'iifname "wg0" ip saddr 10.0.1.1 drop',
        'iifname "wg0" ip saddr != 10.0.1.0/24 drop',
        'iifname != { "lo", "wg0" } ip saddr 10.0.1.0/24 drop',
        'iifname != { "lo", "wg0" } ip daddr 10.0.1.0/24 drop',
        'iifname "wg0" meta nfproto ipv6 drop',
    ]


def test_spokes_reach_no_service_of_the_hub_unless_it_is_named():
    closed = chain(text_for(), "from_spokes")
    assert closed == [
        "ct state established,related accept",
        "ip daddr != 10.0.1.1 drop",
        "ip6 daddr != fd00::1 drop",
        "icmp type echo-request accept",
        "icmpv6 type echo-request accept",
        "drop",
    ]
    opened = chain(text_for(services=("tcp/22", "tcp/443", "udp/53")), "from_spokes")
    assert opened == [*closed[:-1], "tcp dport { 22, 443 } accept", "udp dport { 53 } accept", "drop"]


@pytest.mark.parametrize(
    ("text", "services"),
    [
        ("", ()),
        ("  ", ()),
        ("tcp/443", ("tcp/443",)),
        ("udp/53  tcp/443 tcp/0443\ntcp/443", ("tcp/443", "udp/53")),
    ],
)
def test_services_are_words_of_protocol_and_port(text, services):
    assert parse_services(text) == services


@pytest.mark.parametrize(
    "text",
    [
        "443",
        "tcp",
        "tcp/",
        "tcp/0",
        "tcp/65536",
        "tcp:443",
        "TCP/443",
        "sctp/1",
        "tcp/443,udp/53",
        "tcp/\u0664",
        "tcp/1}",
    ],
)
def test_a_service_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="is no service"):
        parse_services(f"udp/53 {text}")


def test_the_table_is_declared_before_it_is_deleted_and_made_anew():
    lines = [line for line in text_for().splitlines() if "wireguard_hub" in line]
    assert lines == [
        "table inet wireguard_hub",
        "delete table inet wireguard_hub",
        "table inet wireguard_hub {",
    ]


@pytest.mark.parametrize("text", [*(text_for(mode=mode) for mode in MODES), REMOVAL_TEXT])
def test_nothing_is_flushed_and_no_other_table_is_named(text):
    assert "flush" not in text
    assert text.count("table") == text.count("table inet wireguard_hub")


@pytest.mark.parametrize("mode", ["", "Isolated", "isolated\n", "open; drop"])
def test_an_unknown_mode_is_refused(mode):
    with pytest.raises(ValueError, match="is not known"):
        text_for(mode=mode)


@pytest.mark.parametrize(
    "name", ["", 'wg0"', "wg*", "wg 0", "wg0\n", "-wg0", "wg/0", "..", "all", "default", "\u1e81g0", "w" * 16]
)
def test_a_name_that_is_no_interface_name_is_refused(name):
    with pytest.raises(ValueError, match="An interface name is"):
        text_for(interface=name)


def test_the_kernel_forwards_only_what_the_mode_and_the_addresses_ask_for():
    assert WantedFirewall("wg0", ADDRESSES).forwarded_versions == set()
    assert WantedFirewall("wg0", ADDRESSES, CLUSTER).forwarded_versions == {4, 6}
    assert WantedFirewall("wg0", ADDRESSES[:1], OPEN).forwarded_versions == {4}
