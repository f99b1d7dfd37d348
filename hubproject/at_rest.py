"""Secrets that have to be read again (seeds of second factors), encrypted for the database: AES-256-GCM.

The key comes from SECRET_KEY by HKDF (RFC 5869). Under another SECRET_KEY they cannot be read, so users set up their
second factors anew.
"""

import base64
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_NONCE_BYTES = 12


def encrypt(text: str, *, purpose: str) -> str:
    """Base64 of nonce and ciphertext; only `decrypt` with the same purpose reads it."""
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + _cipher(purpose).encrypt(nonce, text.encode(), None)).decode()


def decrypt(encrypted: str, *, purpose: str) -> str:
    """The text; cryptography's InvalidTag when it was altered or made with another key or purpose."""
    raw = base64.b64decode(encrypted, validate=True)
    return _cipher(purpose).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode()


def _cipher(purpose: str) -> AESGCM:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"wireguard-hub {purpose}".encode())
    return AESGCM(derivation.derive(settings.SECRET_KEY.encode()))
