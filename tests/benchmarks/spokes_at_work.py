"""Thousands of spokes in one process: handshakes and packets as in the WireGuard paper, over one UDP socket.

Started in a machine of the lab by `tests.benchmarks.servant`. A wireguard-go each would need a core for them alone.
"""

import hashlib
import hmac
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tests.benchmarks.servant import serve
from wireguard.keys import decode_key

_CHAIN = hashlib.blake2s(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s").digest()
_PROTOCOL = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
_FIRST_NONCE = bytes(12)
# What wireguard-go answers without asking for cookies.
AT_ONCE = 48
TAI_OFFSET = 2**62 + 10


def _hash(*parts: bytes) -> bytes:
    return hashlib.blake2s(b"".join(parts)).digest()


def _derive(chain: bytes, given: bytes, count: int) -> list[bytes]:
    """HKDF of the paper."""
    secret = hmac.digest(chain, given, "blake2s")
    keys = [hmac.digest(secret, b"\1", "blake2s")]
    while len(keys) < count:
        keys.append(hmac.digest(secret, keys[-1] + bytes([len(keys) + 1]), "blake2s"))
    return keys


@dataclass
class Spoke:
    """One machine's end of a tunnel."""

    number: int
    private_key: X25519PrivateKey
    public_key: bytes
    hub: X25519PublicKey
    hub_key: bytes
    address: bytes  # of its own in the tunnel
    chain: bytes = b""
    digest: bytes = b""
    ephemeral: X25519PrivateKey | None = None
    cipher: ChaCha20Poly1305 | None = None
    session: int = 0
    sent: int = 0

    def initiation(self) -> bytes:
        """The first message of a handshake."""
        self.ephemeral = X25519PrivateKey.generate()
        public = self.ephemeral.public_key().public_bytes_raw()
        self.digest = _hash(_hash(_hash(_CHAIN, _PROTOCOL), self.hub_key), public)
        (self.chain,) = _derive(_CHAIN, public, 1)
        static = self._sealed(self.ephemeral.exchange(self.hub), self.public_key)
        moment = time.time_ns()
        stamp = struct.pack(">QI", TAI_OFFSET + moment // 10**9, moment % 10**9)
        sealed_stamp = self._sealed(self.private_key.exchange(self.hub), stamp)
        message = struct.pack("<II", 1, self.number) + public + static + sealed_stamp
        mac = hashlib.blake2s(message, key=_hash(b"mac1----", self.hub_key), digest_size=16).digest()
        return message + mac + bytes(16)

    def _sealed(self, shared: bytes, text: bytes) -> bytes:
        self.chain, key = _derive(self.chain, shared, 2)
        sealed = ChaCha20Poly1305(key).encrypt(_FIRST_NONCE, text, self.digest)
        self.digest = _hash(self.digest, sealed)
        return sealed

    def accept(self, response: bytes) -> None:
        """The hub's answer; InvalidTag when it is no right one."""
        assert self.ephemeral is not None
        self.session = struct.unpack("<I", response[4:8])[0]
        theirs, empty = response[12:44], response[44:60]
        public = X25519PublicKey.from_public_bytes(theirs)
        digest, chain = _hash(self.digest, theirs), self.chain
        for given in (theirs, self.ephemeral.exchange(public), self.private_key.exchange(public)):
            (chain,) = _derive(chain, given, 1)
        chain, mixed, key = _derive(chain, bytes(32), 3)
        ChaCha20Poly1305(key).decrypt(_FIRST_NONCE, empty, _hash(digest, mixed))
        self.cipher, self.sent = ChaCha20Poly1305(_derive(chain, b"", 2)[0]), 0

    def packet(self, size: int) -> bytes:
        """So many bytes for the hub's discard port, as an IP packet; a keepalive when there are none."""
        assert self.cipher is not None
        inner = self._ip_packet(size) if size else b""
        sealed = self.cipher.encrypt(struct.pack("<IQ", 0, self.sent), inner + bytes(-len(inner) % 16), b"")
        self.sent += 1
        return struct.pack("<IIQ", 4, self.session, self.sent - 1) + sealed

    def _ip_packet(self, size: int) -> bytes:
        udp = struct.pack(">HHHH", 9, 9, 8 + size, 0) + bytes(size)
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
        return head + self.address + bytes([10, 0, 0, 1]) + udp


class Flock:
    """Spokes that share one socket."""

    def __init__(self, hub: str, hub_key: str) -> None:
        host, _, port = hub.rpartition(":")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.connect((host, int(port)))
        self.socket.setblocking(False)
        self.hub_key = decode_key(hub_key, called="The hub's key")
        self.spokes: dict[int, Spoke] = {}

    def add(self, private_keys: Sequence[str], addresses: Sequence[str]) -> list[Spoke]:
        hub, added = X25519PublicKey.from_public_bytes(self.hub_key), []
        for text, address in zip(private_keys, addresses, strict=True):
            key = X25519PrivateKey.from_private_bytes(decode_key(text, called="A private key"))
            number, inside = len(self.spokes) + 1, socket.inet_aton(address)
            spoke = Spoke(number, key, key.public_key().public_bytes_raw(), hub, self.hub_key, inside)
            self.spokes[number] = spoke
            added.append(spoke)
        return added

    def shake_hands(self, spokes: Sequence[Spoke]) -> None:
        """All of them, and a keepalive each, by which the hub knows that it worked."""
        self.try_hands(spokes, 60)
        assert all(spoke.cipher for spoke in spokes), "some spokes had no answer"
        self.talk(spokes, 0)

    def try_hands(self, spokes: Sequence[Spoke], patience: float) -> None:
        """A few at a time, and again those without an answer, for so many seconds."""
        deadline = time.monotonic() + patience
        missing = list(spokes)
        while missing and time.monotonic() < deadline:
            for start in range(0, len(missing), AT_ONCE):
                few = missing[start : start + AT_ONCE]
                for spoke in few:
                    self.socket.send(spoke.initiation())
                self._receive({spoke.number for spoke in few})
            missing = [spoke for spoke in missing if spoke.cipher is None]

    def _receive(self, waited_for: set[int], seconds: float = 0.2) -> None:
        while waited_for and select.select([self.socket], [], [], seconds)[0]:
            answer = self.socket.recv(2048)
            if len(answer) == 92 and answer[0] == 2:
                number = struct.unpack("<I", answer[8:12])[0]
                if number in waited_for:
                    self.spokes[number].accept(answer)
                    waited_for.discard(number)

    def talk(self, spokes: Sequence[Spoke], size: int) -> None:
        """A packet from each, slowly enough that none is lost."""
        for count, spoke in enumerate(spokes):
            self.socket.send(spoke.packet(size))
            if count % 32 == 31:
                time.sleep(0.002)
        while select.select([self.socket], [], [], 0)[0]:
            self.socket.recv(2048)

    def seconds_until_answered(self, spoke: Spoke, began: float, patience: float = 30.0) -> float:
        """From `began` on the monotonic clock until the hub answers a handshake, tried every two milliseconds."""
        while (waited := time.monotonic() - began) < patience:
            self.socket.send(spoke.initiation())
            if select.select([self.socket], [], [], 0.002)[0]:
                answer = self.socket.recv(2048)
                if len(answer) == 92 and struct.unpack("<I", answer[8:12])[0] == spoke.number:
                    return time.monotonic() - began
        raise AssertionError(f"no answer in {waited:.0f} s")


def main(hub: str, hub_key: str) -> None:
    flock = Flock(hub, hub_key)

    def enlist(private_keys: list[str], addresses: list[str]) -> None:
        flock.shake_hands(flock.add(private_keys, addresses))

    def unanswered(private_keys: list[str], addresses: list[str]) -> int:
        """How many of these the hub does not know."""
        spokes = flock.add(private_keys, addresses)
        flock.try_hands(spokes, 20)
        return sum(spoke.cipher is None for spoke in spokes)

    def talk(size: int) -> None:
        flock.talk(list(flock.spokes.values()), size)

    serve(enlist=enlist, unanswered=unanswered, talk=talk)


if __name__ == "__main__":
    main(*sys.argv[1:])
