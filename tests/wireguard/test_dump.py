"""The dump parser against a table of samples: `whole-*` are understood, `broken-*.line-N` name their line."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireguard.dump import DumpError, DumpReader, SeenInterface, SeenPeer, parse_dump

SAMPLES = Path(__file__).parent.parent / "data" / "dumps"
BROKEN = sorted(path.name for path in SAMPLES.glob("broken-*"))


def sample(name: str) -> str:
    return (SAMPLES / name).read_bytes().decode()


def three_peers() -> tuple[SeenInterface, list[SeenPeer]]:
    seen = parse_dump(sample("whole-three-peers.txt"))
    return seen, list(seen.peers.values())


def test_the_interface_line_gives_public_key_and_port():
    seen, _ = three_peers()
    public_key = sample("whole-three-peers.txt").split("\t")[1]
    assert (seen.public_key, seen.listen_port, seen.fwmark) == (public_key, 51820, None)


def test_an_interface_without_key_and_peers_is_a_whole_dump():
    assert parse_dump(sample("whole-fresh-interface.txt")) == SeenInterface(None, 34947, None, {})


def test_a_firewall_mark_is_a_hexadecimal_number():
    assert parse_dump(sample("whole-with-fwmark.txt")).fwmark == 0xCA6C


def test_a_live_peer_has_endpoint_handshake_transfer_and_keepalive():
    _, (live, _, _) = three_peers()
    key = live.public_key
    assert live == SeenPeer(key, "203.0.113.7:51820", ("10.0.1.2/32",), 1700000000, 1184, 27456, 25, False)


def test_allowed_ips_are_sorted_and_a_preshared_key_is_only_noted():
    _, (_, other, _) = three_peers()
    assert other.allowed_ips == ("10.0.1.3/32", "fd00::3/128")
    assert (other.endpoint, other.has_preshared_key) == ("[2001:db8::7]:40001", True)
    assert other.transfer_rx == 2**64 - 1


def test_a_peer_never_heard_has_no_endpoint_and_handshake_zero():
    _, (_, _, silent) = three_peers()
    assert silent == SeenPeer(silent.public_key, None, (), 0, 0, 0, None, False)


def test_peers_are_found_by_their_public_key():
    seen, peers = three_peers()
    assert list(seen.peers) == [peer.public_key for peer in peers]


def test_no_secret_of_the_dump_is_kept():
    text = sample("whole-three-peers.txt")
    private_key, preshared_key = text.split("\t")[0], text.split("\n")[2].split("\t")[1]
    kept = repr(parse_dump(text))
    assert private_key not in kept
    assert preshared_key not in kept


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_dump_names_its_line_and_quotes_nothing(name):
    text = sample(name)
    line_number = name.removesuffix(".txt").rpartition("line-")[2]
    with pytest.raises(DumpError, match=rf"^Line {line_number} of the dump [a-z ]+\.$") as refusal:
        parse_dump(text)
    assert not [word for word in text.split() if len(word) > 9 and word in str(refusal.value)]


def test_there_are_broken_samples():
    assert len(BROKEN) > 20


@given(st.text() | st.integers(0, 600).map(lambda length: sample("whole-three-peers.txt")[:length]))
def test_whatever_the_text_the_answer_is_a_dump_or_a_dump_error(text):
    with suppress(DumpError):
        assert isinstance(parse_dump(text), SeenInterface)


# --- Dump after dump ------------------------------------------------------------------------------------------------


def test_read_one_after_the_other_every_sample_says_what_it_says_alone():
    reader = DumpReader()
    for path in sorted(SAMPLES.glob("*")) * 2:
        assert outcome(reader.read, path.name) == outcome(parse_dump, path.name)


def outcome(read, name: str) -> SeenInterface | str:
    try:
        return read(sample(name))
    except DumpError as problem:
        return str(problem)


def test_a_line_that_changed_is_read_anew_and_one_that_is_gone_is_forgotten():
    reader, text = DumpReader(), sample("whole-three-peers.txt")
    first = list(reader.read(text).peers.values())
    head, one, *others = text.splitlines(keepends=True)
    fields = one.split("\t")
    fields[5] = "777"
    changed = reader.read("".join([head, "\t".join(fields), *others[1:]])).peers
    assert list(changed.values()) == [first[0]._replace(transfer_rx=777), *first[2:]]


def test_a_preshared_key_is_not_remembered():
    reader = DumpReader()
    head, one, *_ = sample("whole-three-peers.txt").splitlines()
    fields = one.split("\t")
    fields[1] = fields[0]  # as good a preshared key as any
    for _ in range(2):
        (peer,) = reader.read(f"{head}\n" + "\t".join(fields) + "\n").peers.values()
        assert peer.has_preshared_key
    assert reader._known == {}


class _ReadMeanwhile(DumpReader):
    """As if another thread read a dump of its own at the very moment in which this one remembers its."""

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "_known" and value:
            super().__setattr__(name, {})


def test_two_threads_may_read_at_once():
    reader, text = _ReadMeanwhile(), sample("whole-three-peers.txt")
    assert any(peer.has_preshared_key for peer in reader.read(text).peers.values())
