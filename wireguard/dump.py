"""What `wg show INTERFACE dump` said: text in, frozen records out. The format is in wg(8) under `show`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_KEY = r"[A-Za-z0-9+/]{43}="
_INTERFACE_LINE = re.compile(
    rf"(?:{_KEY}|\(none\))\t"  # the private key: matched, never captured
    rf"({_KEY}|\(none\))\t([0-9]{{1,5}})\t(off|0x[0-9a-f]{{1,8}})"
)
_PEER_LINE = re.compile(
    rf"({_KEY})\t({_KEY}|\(none\))\t(\(none\)|[!-~]+:[0-9]{{1,5}})\t(\(none\)|[0-9a-f.:/,]+)\t"
    r"([0-9]{1,19})\t([0-9]{1,20})\t([0-9]{1,20})\t(off|[0-9]{1,5})"
)


class DumpError(ValueError):
    """The text is not a whole dump. The message names the line and never quotes it: line 1 holds a secret."""


class SeenPeer(NamedTuple):
    """A peer as the interface reported it. A tuple, for ten thousand of them are made at a look."""

    public_key: str
    endpoint: str | None  # "203.0.113.7:51820" or "[2001:db8::7]:51820"; None: never heard, none set
    allowed_ips: tuple[str, ...]  # sorted as text; empty: nothing is routed to this peer
    latest_handshake: int  # seconds since the epoch; 0: never
    transfer_rx: int  # bytes received since the peer was added
    transfer_tx: int  # bytes sent since the peer was added
    persistent_keepalive: int | None  # seconds; None: off
    has_preshared_key: bool


@dataclass(frozen=True, slots=True)
class SeenInterface:
    """An interface as it reported itself, without its private key."""

    public_key: str | None  # None: no private key is set
    listen_port: int  # 0: none chosen yet
    fwmark: int | None  # None: off
    peers: dict[str, SeenPeer]  # by public key, in the order of the dump


def parse_dump(text: str) -> SeenInterface:
    """The interface and its peers; DumpError for text that is cut off, longer, doubled or anything else."""
    return DumpReader().read(text)


class DumpReader:
    """Reads dump after dump: a line that stood in the one before is not taken apart again. Two threads may do so."""

    def __init__(self) -> None:
        self._known: dict[str, SeenPeer] = {}

    def read(self, text: str) -> SeenInterface:
        """What `parse_dump` returns, and raises."""
        lines = text.split("\n")
        if lines.pop() != "":
            raise DumpError(f"Line {len(lines) + 1} of the dump is cut off.")
        if not lines:
            raise DumpError("Line 1 of the dump is missing.")
        public_key, listen_port, fwmark = _interface_fields(lines[0])
        return SeenInterface(public_key, listen_port, fwmark, self._peers(lines))

    def _peers(self, lines: list[str]) -> dict[str, SeenPeer]:
        """The peers of every line but the first. There are 10 000 of them at a look, so Python's loops are few."""
        del lines[0]
        secret_lines = []
        found = list(map(self._known.get, lines))
        for index, known in enumerate(found):
            if known is None:
                peer = found[index] = _peer(lines[index], index + 2)
                if peer.has_preshared_key:
                    secret_lines.append(lines[index])
        peers = {peer.public_key: peer for peer in found if peer}
        if len(peers) < len(lines):
            raise DumpError(f"Line {_first_repeated(found) + 2} of the dump repeats a peer.")
        readable = dict(zip(lines, peers.values(), strict=True))
        for line in secret_lines:  # a preshared key is not kept
            del readable[line]
        self._known = readable
        return peers


def _interface_fields(line: str) -> tuple[str | None, int, int | None]:
    match = _INTERFACE_LINE.fullmatch(line)
    if match is None or int(match[2]) > 65535:
        raise DumpError("Line 1 of the dump does not describe an interface.")
    public_key, listen_port, fwmark = match.groups()
    return (
        None if public_key == "(none)" else public_key,
        int(listen_port),
        None if fwmark == "off" else int(fwmark, 16),
    )


def _first_repeated(peers: Sequence[SeenPeer | None]) -> int:
    before = set[str]()
    for index, peer in enumerate(peers):
        if peer is None or peer.public_key in before:
            return index
        before.add(peer.public_key)
    return len(peers)


def _peer(line: str, number: int) -> SeenPeer:
    match = _PEER_LINE.fullmatch(line)
    if match is None:
        raise DumpError(f"Line {number} of the dump does not describe a peer.")
    key, preshared_key, endpoint, allowed_ips, handshake, rx, tx, keepalive = match.groups()
    return SeenPeer(
        key,
        None if endpoint == "(none)" else endpoint,
        _sorted_ips(allowed_ips) if "," in allowed_ips or allowed_ips == "(none)" else (allowed_ips,),
        int(handshake),
        int(rx),
        int(tx),
        None if keepalive == "off" else int(keepalive),
        preshared_key != "(none)",
    )


def _sorted_ips(text: str) -> tuple[str, ...]:
    return () if text == "(none)" else tuple(sorted(text.split(",")))
