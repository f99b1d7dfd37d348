"""The arithmetic of the address pool, on networks of every size."""

import contextlib
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.pool import Pool, UnfitAddressError


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    length = draw(st.integers(8, 30))
    first = draw(st.integers(0, 2**length - 1)) << (32 - length)
    return Pool(IPv4Network((first, length)))


@st.composite
def pools_with_hosts(draw: st.DrawFn) -> tuple[Pool, int]:
    pool = draw(pools())
    return pool, draw(st.integers(pool.first_host, pool.last_host))


@given(pools_with_hosts())
def test_each_host_has_one_address_which_leads_back_to_it(given_pool):
    pool, host = given_pool
    address = pool.address_of(host)
    assert pool.host_of(str(address)) == host
    assert pool.host_of(f"{address}/{pool.network.prefixlen}") == host
    assert pool.host_of(f"{address}/32") == host


@given(pools_with_hosts())
def test_no_host_is_the_networks_the_hubs_or_the_broadcast_address(given_pool):
    pool, host = given_pool
    special = {pool.network.network_address, pool.network[1], pool.network.broadcast_address}
    assert pool.address_of(host) in pool.network
    assert pool.address_of(host) not in special


@given(pools())
def test_it_has_every_host_but_those_three(pool):
    assert pool.size == pool.network.num_addresses - 3
    assert pool.first_host == 2
    assert pool.address_of(pool.last_host) == pool.network.broadcast_address - 1


@given(pools())
def test_the_three_are_refused_by_name(pool):
    special = [
        (pool.network.network_address, "network address"),
        (pool.network[1], "hub's own"),
        (pool.network.broadcast_address, "broadcast"),
    ]
    for address, words in special:
        with pytest.raises(UnfitAddressError, match=words):
            pool.host_of(str(address))


@given(pools(), st.integers(0, 2**32 - 1))
def test_an_address_is_fit_when_it_lies_inside_and_is_none_of_the_three(pool, number):
    address = IPv4Address(number)
    is_fit = address in pool.network and 1 < number - int(pool.network.network_address) <= pool.last_host
    try:
        assert pool.address_of(pool.host_of(str(address))) == address
    except UnfitAddressError:
        assert not is_fit
    else:
        assert is_fit


@given(pools_with_hosts(), st.integers(0, 64))
def test_a_prefix_length_must_be_the_networks_or_a_single_hosts(given_pool, length):
    pool, host = given_pool
    text = f"{pool.address_of(host)}/{length}"
    if length in {32, pool.network.prefixlen}:
        assert pool.host_of(text) == host
    else:
        with pytest.raises(UnfitAddressError, match="prefix length"):
            pool.host_of(text)


@given(pools(), st.text() | st.text("0123456789./: "))
def test_no_text_does_anything_but_lead_to_a_host_or_be_refused(pool, text):
    host = None
    with contextlib.suppress(UnfitAddressError):
        host = pool.host_of(text)
    assert host is None or pool.first_host <= host <= pool.last_host
