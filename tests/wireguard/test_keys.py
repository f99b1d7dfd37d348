"""Keys: which spellings and which points of the curve are taken for a WireGuard public key."""

import base64
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from wireguard.keys import InvalidKeyError, check_public_key, generate_private_key, public_key_of

PRIME = 2**255 - 19
# Every value of https://cr.yp.to/ecdh.html#validate, canonical or not, with the highest bit clear.
LOW_ORDER = [
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    PRIME - 1,
    PRIME,
    PRIME + 1,
]
GOOD = public_key_of("YAnz3TDZ5aXBcm0dFGLMqmpKHRh1Q0bIZ1gsTg2WEGY=")


def spelled(value: int) -> str:
    return base64.b64encode(value.to_bytes(32, "little")).decode()


def test_a_generated_private_key_is_new_each_time_and_clamped():
    keys = {generate_private_key() for _ in range(50)}
    assert len(keys) == 50
    for raw in map(base64.b64decode, keys):
        assert (len(raw), raw[0] & 7, raw[31] & 0xC0) == (32, 0, 0x40)


def test_the_public_key_of_a_generated_key_is_good():
    for _ in range(50):
        public_key = public_key_of(generate_private_key())
        assert check_public_key(public_key) == public_key


def test_the_public_key_is_that_of_the_standard():
    # RFC 7748, section 6.1: Alice's keys.
    private = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    public = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    assert public_key_of(base64.b64encode(private).decode()) == base64.b64encode(public).decode()


@pytest.mark.skipif(shutil.which("wg") is None, reason="wireguard-tools is not installed")
def test_the_public_key_is_the_one_wg_pubkey_prints():
    private_key = generate_private_key()
    printed = subprocess.run(["wg", "pubkey"], input=private_key, capture_output=True, text=True, check=True)
    assert public_key_of(private_key) == printed.stdout.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rubbish",
        GOOD[:-1],
        GOOD + "=",
        GOOD + "\n",
        " " + GOOD,
        GOOD.replace("=", ""),
        GOOD[:10] + "\n" + GOOD[10:],
        "-_" + GOOD[2:],
        "é" + GOOD[1:],
        "٣" + GOOD[1:],
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(33)).decode(),
        "A" * 43 + "=" + "A" * 4,
    ],
)
def test_text_that_is_not_32_bytes_in_base64_is_refused_and_not_repeated(text):
    with pytest.raises(InvalidKeyError, match=r"^A public key is exactly 32 bytes") as refusal:
        check_public_key(text)
    assert not text or text not in str(refusal.value)


def test_only_one_of_the_four_spellings_of_a_key_is_taken():
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    first = alphabet.index(GOOD[42])
    aliases = [f"{GOOD[:42]}{alphabet[first + extra]}=" for extra in (1, 2, 3)]
    for alias in aliases:
        assert base64.b64decode(alias, validate=True) == base64.b64decode(GOOD)
        with pytest.raises(InvalidKeyError):
            check_public_key(alias)


@pytest.mark.parametrize("value", [2**255, 2**255 + 9, 2**256 - 1])
def test_a_key_with_its_highest_bit_set_is_refused(value):
    with pytest.raises(InvalidKeyError, match="highest bit"):
        check_public_key(spelled(value))


@pytest.mark.parametrize("value", [PRIME, PRIME + 1, PRIME + 9, 2**255 - 1])
def test_a_key_that_is_not_reduced_is_refused(value):
    with pytest.raises(InvalidKeyError, match="not reduced"):
        check_public_key(spelled(value))


@pytest.mark.parametrize("value", LOW_ORDER)
def test_every_point_of_low_order_is_refused(value):
    with pytest.raises(ValueError, match=r"[Ss]hared key"):
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(value.to_bytes(32, "little")))
    with pytest.raises(InvalidKeyError):
        check_public_key(spelled(value))


@pytest.mark.parametrize("value", [2, 9, PRIME - 2])
def test_the_neighbours_of_the_refused_points_are_taken(value):
    assert check_public_key(spelled(value)) == spelled(value)


@pytest.mark.parametrize("text", ["", "rubbish", GOOD[:-1], f"x{GOOD}"])
def test_a_malformed_private_key_is_refused_and_not_repeated(text):
    with pytest.raises(InvalidKeyError, match=r"^A private key is exactly 32 bytes") as refusal:
        public_key_of(text)
    assert not text or text not in str(refusal.value)
