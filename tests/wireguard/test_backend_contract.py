"""What every backend does, said once and held against both: the one in memory and the machine itself."""

from collections.abc import Iterator

import pytest

from tests.wireguard.own_namespace import own_namespace
from wireguard import firewall
from wireguard.backends import Backend, BackendError, InterfaceMissing, LinkState, MemoryBackend, WgBackend
from wireguard.configtext import Difference, WantedInterface, WantedPeer, setconf_text
from wireguard.dump import parse_dump
from wireguard.keys import generate_private_key, public_key_of

ZERO_KEY = "A" * 43 + "="
HUB_KEY = generate_private_key()
HUB = WantedInterface("wg0", HUB_KEY, 51820, ("10.0.1.1/24",), 1420)


def new_key() -> str:
    return public_key_of(generate_private_key())


FIRST, SECOND, THIRD = new_key(), new_key(), new_key()


@pytest.fixture(params=[pytest.param("memory"), pytest.param("machine", marks=pytest.mark.journey)])
def backend(request) -> Iterator[Backend]:
    if request.param == "memory":
        yield MemoryBackend()
    else:
        with own_namespace():
            yield WgBackend()


@pytest.fixture
def wg0(backend) -> Backend:
    """A backend whose interface wg0 is there, with the hub's key and port."""
    backend.create_interface("wg0")
    backend.configure("wg0", setconf_text(HUB, []))
    return backend


def put(backend: Backend, *peers: tuple[str, str]) -> None:
    wanted = [WantedPeer(key, tuple(filter(None, allowed_ips.split(",")))) for key, allowed_ips in peers]
    backend.set_peers("wg0", Difference((), tuple(wanted)))


def routes(backend: Backend) -> dict[str, str]:
    """The allowed-ips of each peer, as one text."""
    return {key: ",".join(peer.allowed_ips) for key, peer in parse_dump(backend.dump("wg0")).peers.items()}


def test_a_new_interface_is_there_down_and_bare(backend):
    backend.create_interface("wg0")
    seen, link = parse_dump(backend.dump("wg0")), backend.link_state("wg0")
    assert backend.interface_exists("wg0")
    assert (seen.public_key, seen.fwmark, seen.peers) == (None, None, {})
    assert (link.addresses, link.is_up) == ((), False)


def test_an_interface_is_not_created_twice(wg0):
    with pytest.raises(BackendError, match="there already"):
        wg0.create_interface("wg0")


def test_a_deleted_interface_loses_everything(wg0):
    put(wg0, (FIRST, "10.0.1.2/32"))
    wg0.delete_interface("wg0")
    assert not wg0.interface_exists("wg0")
    wg0.create_interface("wg0")
    assert parse_dump(wg0.dump("wg0")).public_key is None
    assert routes(wg0) == {}


def test_a_name_is_free_again_at_once(backend):
    for _ in range(8):
        backend.create_interface("wg0")
        backend.delete_interface("wg0")
    assert not backend.interface_exists("wg0")


@pytest.mark.parametrize(
    "act",
    [
        lambda backend: backend.dump("wg7"),
        lambda backend: backend.configure("wg7", setconf_text(HUB, [])),
        lambda backend: backend.set_interface("wg7", private_key=HUB_KEY, listen_port=1),
        lambda backend: backend.set_peers("wg7", Difference((FIRST,), ())),
        lambda backend: backend.set_addresses("wg7", ["10.0.1.1/24"], 1420),
        lambda backend: backend.link_up("wg7"),
        lambda backend: backend.link_state("wg7"),
        lambda backend: backend.delete_interface("wg7"),
    ],
    ids=[
        "dump",
        "configure",
        "set_interface",
        "set_peers",
        "set_addresses",
        "link_up",
        "link_state",
        "delete",
    ],
)
def test_without_the_interface_every_act_says_so(backend, act):
    with pytest.raises(InterfaceMissing, match="There is no interface wg7"):
        act(backend)


def test_configure_replaces_key_port_and_all_peers(wg0):
    put(wg0, (FIRST, "10.0.1.2/32"))
    other = WantedInterface("wg0", generate_private_key(), 51999, (), 1420)
    wg0.configure("wg0", setconf_text(other, [WantedPeer(SECOND, ("10.0.1.3/32",)), WantedPeer(THIRD, ())]))
    seen = parse_dump(wg0.dump("wg0"))
    assert (seen.public_key, seen.listen_port) == (public_key_of(other.private_key), 51999)
    assert routes(wg0) == {SECOND: "10.0.1.3/32", THIRD: ""}


def test_configure_without_a_private_key_erases_it(wg0):
    wg0.configure("wg0", "[Interface]\nListenPort = 51820\n")
    assert parse_dump(wg0.dump("wg0")).public_key is None


def test_configure_refuses_rubbish_and_changes_nothing(wg0):
    put(wg0, (FIRST, "10.0.1.2/32"))
    with pytest.raises(BackendError):
        wg0.configure("wg0", "[Interface]\nrubbish\n")
    assert routes(wg0) == {FIRST: "10.0.1.2/32"}


def test_key_and_port_change_without_touching_a_peer(wg0):
    put(wg0, (FIRST, "10.0.1.2/32"))
    private_key = generate_private_key()
    wg0.set_interface("wg0", private_key=private_key, listen_port=51999)
    seen = parse_dump(wg0.dump("wg0"))
    assert (seen.public_key, seen.listen_port) == (public_key_of(private_key), 51999)
    assert routes(wg0) == {FIRST: "10.0.1.2/32"}


def test_a_malformed_private_key_is_refused_and_not_repeated(wg0):
    with pytest.raises(BackendError) as refusal:
        wg0.set_interface("wg0", private_key=f"x{HUB_KEY}", listen_port=51820)
    assert HUB_KEY[:20] not in str(refusal.value)
    assert parse_dump(wg0.dump("wg0")).public_key == public_key_of(HUB_KEY)


def test_peers_are_put_changed_and_removed_and_others_stay(wg0):
    put(wg0, (FIRST, "10.0.1.2/32"), (SECOND, "10.0.1.3/32"), (THIRD, "10.0.1.4/32"))
    wg0.set_peers("wg0", Difference((FIRST,), (WantedPeer(SECOND, ("10.0.1.9/32",)),)))
    assert routes(wg0) == {SECOND: "10.0.1.9/32", THIRD: "10.0.1.4/32"}


def test_removals_come_before_additions(wg0):
    put(wg0, (FIRST, "10.0.1.2/32"))
    wg0.set_peers("wg0", Difference((FIRST,), (WantedPeer(FIRST, ("10.0.1.3/32",)),)))
    assert routes(wg0) == {FIRST: "10.0.1.3/32"}


def test_removing_a_peer_that_is_not_there_is_no_error(wg0):
    wg0.set_peers("wg0", Difference((FIRST,), ()))
    assert routes(wg0) == {}


def test_more_peers_than_fit_one_command_are_all_put_and_all_removed(wg0):
    keys = [new_key() for _ in range(1101)]
    put(wg0, *[(key, f"10.1.{number // 256}.{number % 256}/32") for number, key in enumerate(keys)])
    assert set(routes(wg0)) == set(keys)
    wg0.set_peers("wg0", Difference(tuple(keys[:-1]), ()))
    assert set(routes(wg0)) == {keys[-1]}


def test_an_allowed_ip_is_taken_from_whoever_had_it(wg0):
    put(wg0, (FIRST, "10.0.1.2/32,10.0.1.3/32"))
    put(wg0, (SECOND, "10.0.1.3/32"))
    assert routes(wg0) == {FIRST: "10.0.1.2/32", SECOND: "10.0.1.3/32"}


def test_a_removed_peers_allowed_ip_is_free_and_stays_with_its_next_owner(wg0):
    put(wg0, (FIRST, "10.0.1.2/32"), (SECOND, "10.0.1.3/32"))
    put(wg0, (SECOND, "10.0.1.2/32"))
    wg0.set_peers("wg0", Difference((FIRST,), ()))
    assert routes(wg0) == {SECOND: "10.0.1.2/32"}


def test_two_peers_can_swap_their_allowed_ips_in_one_go(wg0):
    put(wg0, (FIRST, "10.0.1.2/32"), (SECOND, "10.0.1.3/32"))
    put(wg0, (FIRST, "10.0.1.3/32"), (SECOND, "10.0.1.2/32"))
    assert routes(wg0) == {FIRST: "10.0.1.3/32", SECOND: "10.0.1.2/32"}


def test_host_bits_of_an_allowed_ip_are_cleared(wg0):
    put(wg0, (FIRST, "10.0.1.77/24"))
    assert routes(wg0) == {FIRST: "10.0.1.0/24"}


def test_a_peer_with_the_interfaces_own_key_is_accepted_and_not_added(wg0):
    put(wg0, (FIRST, "10.0.1.2/32"), (public_key_of(HUB_KEY), "10.0.1.2/32"))
    assert routes(wg0) == {FIRST: "10.0.1.2/32"}


def test_a_peer_goes_when_the_interface_takes_its_key(wg0):
    private_key = generate_private_key()
    put(wg0, (public_key_of(private_key), "10.0.1.2/32"), (FIRST, "10.0.1.3/32"))
    wg0.set_interface("wg0", private_key=private_key, listen_port=51820)
    assert routes(wg0) == {FIRST: "10.0.1.3/32"}


def test_the_zero_key_is_accepted_so_it_has_to_be_refused_before(wg0):
    put(wg0, (ZERO_KEY, "10.0.1.2/32"))
    assert routes(wg0) == {ZERO_KEY: "10.0.1.2/32"}


@pytest.mark.parametrize("key", ["", "short", FIRST[:-1]], ids=["empty", "short", "unpadded"])
def test_a_malformed_public_key_is_refused(wg0, key):
    with pytest.raises(BackendError):
        put(wg0, (key, "10.0.1.2/32"))


def test_addresses_and_mtu_become_exactly_the_wanted_ones(wg0):
    wg0.set_addresses("wg0", ["10.0.1.1/24", "10.0.1.2/24"], 1420)
    for _ in range(2):
        wg0.set_addresses("wg0", ["10.0.1.2/24", "10.9.0.1/16"], 1380)
        assert wg0.link_state("wg0") == LinkState(("10.0.1.2/24", "10.9.0.1/16"), 1380, is_up=False)


def test_the_link_comes_up_and_stays_up(wg0):
    wg0.set_addresses("wg0", ["10.0.1.1/24"], 1420)
    for _ in range(2):
        wg0.link_up("wg0")
        assert wg0.link_state("wg0") == LinkState(("10.0.1.1/24",), 1420, is_up=True)


def test_local_networks_are_those_of_the_other_interfaces(wg0):
    wg0.create_interface("wg1")
    wg0.set_addresses("wg0", ["10.0.1.1/24"], 1420)
    wg0.set_addresses("wg1", ["172.30.5.9/16"], 1420)
    wg0.link_up("wg0")
    wg0.link_up("wg1")
    assert wg0.local_networks(without="wg0") == ["172.30.0.0/16"]
    assert wg0.local_networks(without="wg1") == ["10.0.1.0/24"]


def table_of(interface):
    return firewall.ruleset_text(firewall.WantedFirewall(interface, ("10.0.1.1/24",)))


def test_the_firewall_table_is_listed_when_it_is_there(backend):
    assert backend.firewall_table() is None
    backend.load_ruleset(table_of("wg0"))
    assert 'iifname "wg0" ip saddr 10.0.1.1 drop' in backend.firewall_table()


def test_loading_the_firewall_again_replaces_it(backend):
    backend.load_ruleset(table_of("wg0"))
    first = backend.firewall_table()
    backend.load_ruleset(table_of("wg5"))
    assert backend.firewall_table() == first.replace("wg0", "wg5")


def test_removing_the_firewall_table_works_whether_it_is_there_or_not(backend):
    backend.load_ruleset(table_of("wg0"))
    for _ in range(2):
        backend.load_ruleset(firewall.REMOVAL_TEXT)
        assert backend.firewall_table() is None


def test_a_broken_firewall_script_changes_nothing(backend):
    backend.load_ruleset(table_of("wg0"))
    before = backend.firewall_table()
    with pytest.raises(BackendError):
        backend.load_ruleset("table inet wireguard_hub { rubbish }\n")
    assert backend.firewall_table() == before


def test_the_generation_of_all_tables_moves_with_every_change_and_with_nothing_else(backend):
    seen = []
    for text in (table_of("wg0"), table_of("wg0"), firewall.REMOVAL_TEXT):
        backend.load_ruleset(text)
        seen.append(backend.ruleset_generation())
        backend.firewall_table()
        assert backend.ruleset_generation() == seen[-1]
    assert len({*seen}) == 3
    assert None not in seen


@pytest.mark.parametrize("versions", [{4}, {6}, {4, 6}, set()])
def test_forwarding_is_as_it_was_set_for_each_ip_version(wg0, versions):
    assert forwarded(wg0) == set()
    wg0.set_forwarding("wg0", versions={4, 6})
    assert forwarded(wg0) == {4, 6}
    wg0.set_forwarding("wg0", versions=versions)
    assert forwarded(wg0) == versions
    wg0.set_forwarding("wg0", versions=())
    assert forwarded(wg0) == set()


def forwarded(backend):
    return {version for version in (4, 6) if backend.is_forwarding("wg0", versions=[version])}
