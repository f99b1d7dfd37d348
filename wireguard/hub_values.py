"""What an operator may write about a hub, parsed: networks, endpoints, DNS servers, domains. Text in, values out.

Every function raises ValueError with a sentence for the person who wrote the value.
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
SMALLEST_PREFIX_LENGTH = 8
LARGEST_PREFIX_LENGTH = 30
SMALLEST_PREFIX_LENGTH6 = 64
LARGEST_PREFIX_LENGTH6 = 112
# Unique local addresses, RFC 4193, and what is routed on the internet.
_IPV6_FOR_HOSTS = (IPv6Network("fc00::/7"), IPv6Network("2000::/3"))


def parse_network(text: str) -> IPv4Network:
    """The VPN's network: an IPv4 prefix from /8 to /30 that spokes can live in."""
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(_network_problem(text)) from None
    if not isinstance(network, IPv4Network):
        raise ValueError("Must be an IPv4 network such as 10.0.1.0/24.")
    if not SMALLEST_PREFIX_LENGTH <= network.prefixlen <= LARGEST_PREFIX_LENGTH:
        raise ValueError("The prefix length must be between 8 and 30: a /30 has room for one spoke.")
    if network.is_loopback or network.is_multicast or network.is_link_local or network.is_reserved:
        raise ValueError(f"{network} is reserved for something else. Take a private network such as 10.0.1.0/24.")
    if network.network_address in IPv4Network("0.0.0.0/8"):
        raise ValueError("0.0.0.0/8 is no network of its own. Take a private network such as 10.0.1.0/24.")
    return network


def parse_network6(text: str) -> IPv6Network:
    """The VPN's IPv6 prefix: /64 to /112, of addresses that hosts can have."""
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(_network_problem(text, example="an IPv6 prefix such as fd12:3456:789a::/64")) from None
    if not isinstance(network, IPv6Network):
        raise ValueError("Must be an IPv6 prefix such as fd12:3456:789a::/64.")
    _refuse_scope(network.network_address)
    if not SMALLEST_PREFIX_LENGTH6 <= network.prefixlen <= LARGEST_PREFIX_LENGTH6:
        raise ValueError("The prefix length must be between 64 and 112.")
    if not any(network.subnet_of(hosts) for hosts in _IPV6_FOR_HOSTS):
        raise ValueError(f"{network} is reserved for something else. Take a prefix of your own or one of fd00::/8.")
    return network


def _network_problem(text: str, example: str = "an IPv4 network such as 10.0.1.0/24") -> str:
    try:
        return f"{text} is not a network address; the network it lies in is {ip_network(text, strict=False)}."
    except ValueError:
        return f"Must be {example}."


def parse_endpoint(text: str) -> str:
    """`host:port` that spokes connect to; an IPv6 address stands in brackets. Returned in lower case."""
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise ValueError("Must be host:port, such as hub.example.com:51820.")
    if host.startswith("[") and host.endswith("]"):
        return f"[{_ipv6(host[1:-1])}]:{int(port)}"
    if ":" in host:
        raise ValueError("An IPv6 address must stand in brackets: [2001:db8::1]:51820.")
    if not _HOST_NAME.fullmatch(host) or _is_misspelt_address(host):
        raise ValueError(f"{host!r} is neither an address nor a host name.")
    return f"{host.lower()}:{int(port)}"


def _ipv6(text: str) -> IPv6Address:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise ValueError("Must be host:port; what stands in the brackets is not an IPv6 address.") from None
    _refuse_scope(address)
    return address


def _refuse_scope(address: IPv4Address | IPv6Address) -> None:
    """A scope (`fe80::1%eth0`) names an interface of one machine, and may be any text at all."""
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ValueError("An address with a scope is good on one machine only.")


def _is_misspelt_address(host: str) -> bool:
    looks_like_one = host.replace(".", "").isdigit()
    try:
        ip_address(host)
    except ValueError:
        return looks_like_one
    return False


def parse_dns_server(text: str) -> str:
    """The address of a DNS server."""
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not the address of a DNS server.") from None
    _refuse_scope(address)
    return str(address)


def parse_domain(text: str) -> str:
    """A domain for split DNS."""
    if not _HOST_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a domain name.")
    return text.lower()


def parse_each(parse: Callable[[str], str], most: int = 8) -> Callable[[Iterable[str]], list[str]]:
    """A parser for a list of values, at most `most` of them and none twice."""

    def parse_list(texts: Iterable[str]) -> list[str]:
        values = list(dict.fromkeys(parse(text) for text in texts))
        if len(values) > most:
            raise ValueError(f"At most {most} can be given.")
        return values

    return parse_list


def one_of(*words: str) -> Callable[[str], str]:
    """A check for one of these words."""

    def check(word: str) -> str:
        if word not in words:
            raise ValueError(f"Must be one of {', '.join(words)}.")
        return word

    return check


def in_range(lowest: int, highest: int) -> Callable[[int], int]:
    """A check for a number between two bounds, both included."""

    def check(number: int) -> int:
        if not lowest <= number <= highest:
            raise ValueError(f"Must be between {lowest} and {highest}.")
        return number

    return check
