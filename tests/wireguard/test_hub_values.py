"""What an operator may write about a hub: what each value becomes, and what is refused."""

import pytest

from wireguard.hub_values import (
    in_range,
    parse_dns_server,
    parse_domain,
    parse_each,
    parse_endpoint,
    parse_network,
    parse_network6,
)


@pytest.mark.parametrize(
    "text", ["10.0.1.0/24", "10.0.0.0/8", "192.168.7.4/30", "172.16.0.0/16", "100.64.0.0/10", "203.0.113.0/24"]
)
def test_a_network_is_taken_as_it_is_written(text):
    assert str(parse_network(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10.0.1.1/24", "10.0.1.0/24"),
        ("10.0.1.255/24", "10.0.1.0/24"),
        ("192.168.7.5/30", "192.168.7.4/30"),
        ("10.0.1.0/31", "between 8 and 30"),
        ("10.0.1.0/32", "between 8 and 30"),
        ("10.0.1.1", "between 8 and 30"),
        ("10.0.0.0/7", "between 8 and 30"),
        ("0.0.0.0/0", "between 8 and 30"),
        ("127.0.0.0/8", "reserved"),
        ("127.3.0.0/16", "reserved"),
        ("169.254.0.0/16", "reserved"),
        ("224.0.0.0/24", "reserved"),
        ("240.0.0.0/8", "reserved"),
        ("255.255.255.0/24", "reserved"),
        ("0.0.0.0/8", "no network of its own"),
        ("0.1.2.0/24", "no network of its own"),
        ("fd00::/64", "IPv4"),
        ("::ffff:10.0.1.0/120", "IPv4"),
        ("", "IPv4"),
        ("x", "IPv4"),
        ("10.0.1.0/", "IPv4"),
        ("10.0.1.0/33", "IPv4"),
        ("10.0.1.0/-1", "IPv4"),
        ("10.0.1.0/24/24", "IPv4"),
        ("10.0.1.0/24\n", "IPv4"),
        (" 10.0.1.0/24", "IPv4"),
        ("010.0.1.0/24", "IPv4"),
        ("10.0.1/24", "IPv4"),
        ("10.0.1.0/\u0662\u0664", "IPv4"),
        ("\u0661\u0660.0.1.0/24", "IPv4"),
        ("$(reboot)/24", "IPv4"),
    ],
)
def test_a_network_that_spokes_cannot_live_in_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        parse_network(text)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("fd12:3456:789a::/64", "fd12:3456:789a::/64"),
        ("FD00:0:0::/64", "fd00::/64"),
        ("fd00:0:0:1:2:3:4:0/112", "fd00::1:2:3:4:0/112"),
        ("fc00::/64", "fc00::/64"),
        ("2a01:4f8:1:2::/80", "2a01:4f8:1:2::/80"),
    ],
)
def test_an_ipv6_prefix_is_taken_in_its_canonical_spelling(text, network):
    assert str(parse_network6(text)) == network


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fd00::1/64", "fd00::/64"),
        ("fd00::/63", "between 64 and 112"),
        ("fd00::/113", "between 64 and 112"),
        ("fd00::", "between 64 and 112"),
        ("::/64", "reserved"),
        ("::/112", "reserved"),
        ("fe80::/64", "reserved"),
        ("fec0::/64", "reserved"),
        ("ff02::/64", "reserved"),
        ("64:ff9b::/96", "reserved"),
        ("::ffff:10.0.0.0/112", "reserved"),
        ("fd00::%eth0/64", "one machine only"),
        ("fd00::%$(reboot)/64", "one machine only"),
        ("10.0.1.0/24", "IPv6"),
        ("", "IPv6"),
        ("fd00::/64\n", "IPv6"),
        (" fd00::/64", "IPv6"),
        ("fd00::/\u0666\u0664", "IPv6"),
        ("fd00::/64%x", "IPv6"),
        ("[fd00::]/64", "IPv6"),
        ("fd00:::/64", "IPv6"),
    ],
)
def test_an_ipv6_prefix_that_spokes_cannot_live_in_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        parse_network6(text)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("hub.example.com:51820", "hub.example.com:51820"),
        ("HUB.Example.COM:51820", "hub.example.com:51820"),
        ("hub:1", "hub:1"),
        ("203.0.113.1:65535", "203.0.113.1:65535"),
        ("hub.example.com:00443", "hub.example.com:443"),
        ("[2001:DB8:0::1]:51820", "[2001:db8::1]:51820"),
        ("[::ffff:203.0.113.1]:51820", "[::ffff:203.0.113.1]:51820"),
        ("xn--bcher-kva.example:51820", "xn--bcher-kva.example:51820"),
        (f"{'a' * 63}.example:51820", f"{'a' * 63}.example:51820"),
        ("1.hub.example:51820", "1.hub.example:51820"),
    ],
)
def test_an_endpoint_is_host_and_port(text, endpoint):
    assert parse_endpoint(text) in {endpoint, endpoint.replace("::ffff:203.0.113.1", "::ffff:cb00:7101")}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hub.example.com",
        "hub.example.com:",
        ":51820",
        "hub.example.com:0",
        "hub.example.com:65536",
        "hub.example.com:-1",
        "hub.example.com:+1",
        "hub.example.com:1e3",
        "hub.example.com:\u0665\u0661",
        "hub.example.com:51820\n",
        "hub.example.com\n:51820",
        " hub.example.com:51820",
        "hub.example.com :51820",
        "hub..example.com:51820",
        ".example.com:51820",
        "-hub.example.com:51820",
        "hub-.example.com:51820",
        "hub_1.example.com:51820",
        f"{'a' * 64}.example:51820",
        f"{'a.' * 127}aa:51820",
        "b\u00fccher.example:51820",
        "203.0.113.256:51820",
        "203.0.113:51820",
        "203.000.113.1:51820",
        "3405803777:51820",
        "2001:db8::1:51820",
        "2001:db8::1",
        "[2001:db8::1]",
        "[2001:db8::1:51820",
        "[fe80::1%eth0]:51820",
        "[203.0.113.1]:51820",
        "[]:51820",
        "https://hub.example.com:51820",
        "user@hub.example.com:51820",
        "hub.example.com:51820/x",
        "$(reboot):51820",
        "'hub':51820",
    ],
)
def test_an_endpoint_that_no_spoke_can_reach_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        parse_endpoint(text)


@pytest.mark.parametrize(
    ("text", "server"), [("1.1.1.1", "1.1.1.1"), ("2001:DB8::53", "2001:db8::53"), ("10.0.1.1", "10.0.1.1")]
)
def test_a_dns_server_is_an_address(text, server):
    assert parse_dns_server(text) == server


@pytest.mark.parametrize(
    "text",
    ["", "dns.example.com", "1.1.1", "1.1.1.1:53", "1.1.1.1/32", "1.1.1.1\n", " 1.1.1.1", "1.1.1.\u0661", "$(reboot)"],
)
def test_a_dns_server_that_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="DNS server"):
        parse_dns_server(text)


@pytest.mark.parametrize("text", ["fe80::1%eth0", "fe80::1%$(reboot)", "fe80::1%a\nb", "fe80::1%'"])
def test_a_dns_server_good_on_one_machine_only_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        parse_dns_server(text)


@pytest.mark.parametrize(("text", "domain"), [("corp.example.com", "corp.example.com"), ("Corp", "corp")])
def test_a_domain_is_taken_in_lower_case(text, domain):
    assert parse_domain(text) == domain


@pytest.mark.parametrize(
    "text", ["", "a b", "a..b", ".a", "a.", "-a", "a\n", "~corp", "*.corp", "x" * 64, "b\u00fccher.example", "a;b", "'"]
)
def test_a_domain_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="not a domain name"):
        parse_domain(text)


def test_a_list_keeps_its_order_and_nothing_twice():
    assert parse_each(parse_domain)(["B", "a", "b"]) == ["b", "a"]


def test_a_list_has_its_limit():
    parse = parse_each(parse_domain, most=2)
    assert parse(["a", "b", "a"]) == ["a", "b"]
    with pytest.raises(ValueError, match="At most 2"):
        parse(["a", "b", "c"])


@pytest.mark.parametrize(("number", "is_good"), [(0, False), (1, True), (10, True), (11, False), (-1, False)])
def test_a_number_has_both_bounds_included(number, is_good):
    check = in_range(1, 10)
    if is_good:
        assert check(number) == number
    else:
        with pytest.raises(ValueError, match="between 1 and 10"):
            check(number)
