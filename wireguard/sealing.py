"""One-way sealing: whoever has the public half can seal, only the holder of the private half can open.

A sealed text is `v1.KEYID.EPHEMERAL.BOX`: KEYID tells which key it was sealed to, EPHEMERAL is the public
half of an X25519 key made for this one text, BOX is a 12-byte nonce and the AES-256-GCM ciphertext; the last
two in base64url without padding. The cipher's key is HKDF-SHA256 of the shared secret, bound to both public
halves.
"""

import base64
import hashlib
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from wireguard.keys import InvalidKeyError, check_public_key, decode_key, generate_private_key, public_key_of

_VERSION = "v1"
_PURPOSE = b"wireguard-hub sealing v1"
_NONCE_BYTES = 12
_SEALED_TEXT = re.compile(r"v1\.([0-9a-f]{8})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{38,})")


class SealingError(Exception):
    """Sealing or opening failed; the message is a plain sentence without anything secret in it."""


def generate_sealing_key() -> str:
    """A new private half, as base64 of 32 bytes. Whoever has it can open everything sealed to it."""
    return generate_private_key()


def sealing_public_half(private_half: str) -> str:
    """The half that seals and cannot open, as base64 of 32 bytes."""
    try:
        return public_key_of(private_half)
    except InvalidKeyError as error:
        raise SealingError("The sealing key is malformed: it must be 32 bytes in canonical base64.") from error


def seal(plaintext: str, *, public_half: str, context: str) -> str:
    """`plaintext` so that only the private half opens it, and only under the same `context`.

    The context names where the text is kept, for example "hub_config/1/private_key".
    """
    recipient = _decoded_public_half(public_half)
    ephemeral = X25519PrivateKey.generate()
    key = _cipher_key(ephemeral, recipient, ephemeral.public_key().public_bytes_raw(), recipient)
    nonce = os.urandom(_NONCE_BYTES)
    box = nonce + AESGCM(key).encrypt(nonce, plaintext.encode(), context.encode())
    return ".".join((_VERSION, _key_id(recipient), _encoded(ephemeral.public_key().public_bytes_raw()), _encoded(box)))


def unseal(sealed: str, *, private_half: str, context: str) -> str:
    """The plaintext; SealingError when the key is another, a part is damaged, or the context differs."""
    recipient = _decoded_public_half(sealing_public_half(private_half))
    match = _SEALED_TEXT.fullmatch(sealed)
    if match is None:
        raise SealingError("The sealed text is damaged: it does not have the form of version 1.")
    if match[1] != _key_id(recipient):
        raise SealingError(f"This was sealed to key {match[1]}, but the sealing key at hand is {_key_id(recipient)}.")
    private_key = X25519PrivateKey.from_private_bytes(decode_key(private_half, called="The sealing key"))
    return _opened(private_key, recipient, _decoded(match[2]), _decoded(match[3]), context)


def _opened(private_key: X25519PrivateKey, recipient: bytes, ephemeral: bytes, box: bytes, context: str) -> str:
    try:
        key = _cipher_key(private_key, ephemeral, ephemeral, recipient)
        plaintext = AESGCM(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise SealingError("The sealed text is damaged or was sealed for another place.") from error
    return plaintext.decode()


def _cipher_key(private_key: X25519PrivateKey, peer: bytes, ephemeral: bytes, recipient: bytes) -> bytes:
    """The AES key of one sealed text; ValueError when `peer` is a point of low order."""
    secret = private_key.exchange(X25519PublicKey.from_public_bytes(peer))
    info = _PURPOSE + ephemeral + recipient
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)


def _decoded_public_half(public_half: str) -> bytes:
    try:
        return decode_key(check_public_key(public_half), called="A public half")
    except InvalidKeyError as error:
        raise SealingError("The public half of the sealing key is malformed: it must be a public key.") from error


def _key_id(public_half: bytes) -> str:
    return hashlib.sha256(public_half).hexdigest()[:8]


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decoded(text: str) -> bytes:
    """The bytes behind base64url without padding; SealingError for any spelling but the canonical one."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raw = b""
    if _encoded(raw) != text:
        raise SealingError("The sealed text is damaged: part of it is not canonical base64url.")
    return raw
