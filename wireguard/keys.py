"""WireGuard keys: Curve25519 halves as canonical base64, the way wg(8) spells them."""

import base64
import re
import secrets

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

# 32 bytes are 42 characters, one that carries four bits (its last two are zero), and the padding. `b64decode`
# would accept any value in those two bits, so one key would have four spellings.
_CANONICAL_BASE64 = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")

_FIELD_PRIME = 2**255 - 19

# The points of low order in canonical form; the rest of the published list is these plus a multiple of the
# prime, which the two checks before this one refuse. Source: https://cr.yp.to/ecdh.html#validate
_LOW_ORDER_POINTS = frozenset(
    {
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _FIELD_PRIME - 1,
    }
)


class InvalidKeyError(ValueError):
    """The text is not a usable key; the message is a plain sentence and never quotes the text."""


def generate_private_key() -> str:
    """A new private key, clamped like `wg genkey` so that `wg show` prints the very text we keep."""
    raw = bytearray(secrets.token_bytes(32))
    raw[0] &= 248
    raw[31] = raw[31] & 127 | 64
    return base64.b64encode(raw).decode("ascii")


def public_key_of(private_key: str) -> str:
    """The public key that belongs to `private_key`, as `wg pubkey` would print it."""
    raw = decode_key(private_key, called="A private key")
    public_key = X25519PrivateKey.from_private_bytes(raw).public_key()
    return base64.b64encode(public_key.public_bytes_raw()).decode("ascii")


def check_public_key(text: str) -> str:
    """`text` itself when it is a public key a spoke may have; raises InvalidKeyError otherwise.

    That it is not the hub's own key is for the caller to check.
    """
    raw = decode_key(text, called="A public key")
    value = int.from_bytes(raw, "little")
    if raw[31] & 0x80:
        raise InvalidKeyError("This public key has its highest bit set, which no WireGuard key has.")
    if value >= _FIELD_PRIME:
        raise InvalidKeyError("This public key is not reduced: its value must be below 2^255 - 19.")
    if value in _LOW_ORDER_POINTS:
        raise InvalidKeyError("This public key is a point of low order, which protects nothing.")
    return text


def decode_key(text: str, *, called: str) -> bytes:
    """The 32 bytes that `text` is the one spelling of; else InvalidKeyError, beginning with `called`."""
    if not _CANONICAL_BASE64.fullmatch(text):
        raise InvalidKeyError(f"{called} is exactly 32 bytes in canonical base64, 44 characters.")
    return base64.b64decode(text)
