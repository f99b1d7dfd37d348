"""Sealing: what is sealed opens with the right key in the right place, and nothing else does."""

import base64
import hashlib

import pytest

from wireguard.keys import generate_private_key
from wireguard.sealing import SealingError, generate_sealing_key, seal, sealing_public_half, unseal

CONTEXT = "hub_config/1/private_key"
KEY = generate_sealing_key()
PUBLIC = sealing_public_half(KEY)
SECRET = generate_private_key()
SEALED = seal(SECRET, public_half=PUBLIC, context=CONTEXT)


def opened(sealed: str, *, key: str = KEY, context: str = CONTEXT) -> str:
    return unseal(sealed, private_half=key, context=context)


@pytest.mark.parametrize("plaintext", [SECRET, "", "käse 🧀", "x" * 100_000], ids=["key", "empty", "unicode", "long"])
def test_what_was_sealed_opens_again(plaintext):
    assert opened(seal(plaintext, public_half=PUBLIC, context=CONTEXT)) == plaintext


def test_a_text_sealed_by_the_first_version_opens_for_ever():
    key = "CB8lOHUzsOWkaAhcwEpXvVM0iFwyr/e8jYMaA4JsV10="
    sealed = (
        "v1.3deb35be.3wNx_-GtVYGhpCYnKe1f6g1-NcgQlpAE1Zc_umCzJjU.19NE-mfnwMH7ie"
        "yDsKm1onT1ca3ra5twgW4TLIATvYRRSddJ-XAJos4WSkPOW-1U"
    )
    assert opened(sealed, key=key) == "kept since version 1"


def test_the_same_text_is_sealed_differently_each_time():
    assert len({seal(SECRET, public_half=PUBLIC, context=CONTEXT) for _ in range(20)}) == 20


def test_the_sealed_text_names_its_form_and_its_key():
    version, key_id, ephemeral, box = SEALED.split(".")
    assert (version, key_id) == ("v1", hashlib.sha256(base64.b64decode(PUBLIC)).hexdigest()[:8])
    assert len(base64.urlsafe_b64decode(ephemeral + "=")) == 32
    assert len(base64.urlsafe_b64decode(box + "==")) == 12 + len(SECRET) + 16


def test_the_public_half_does_not_open():
    with pytest.raises(SealingError, match="was sealed to key"):
        opened(SEALED, key=PUBLIC)


def test_another_key_is_refused_and_both_are_named():
    other = generate_sealing_key()
    ids = [hashlib.sha256(base64.b64decode(half)).hexdigest()[:8] for half in (PUBLIC, sealing_public_half(other))]
    with pytest.raises(SealingError, match=f"sealed to key {ids[0]}, but the sealing key at hand is {ids[1]}"):
        opened(SEALED, key=other)


def test_another_place_is_refused():
    with pytest.raises(SealingError, match="damaged or was sealed for another place"):
        opened(SEALED, context="hub_config/1/public_key")


def test_a_text_sealed_to_another_key_does_not_open_under_this_keys_id():
    foreign = seal(SECRET, public_half=sealing_public_half(generate_sealing_key()), context=CONTEXT)
    relabelled = ".".join(["v1", SEALED.split(".")[1], *foreign.split(".")[2:]])
    with pytest.raises(SealingError, match="damaged or was sealed for another place"):
        opened(relabelled)


def test_no_single_changed_character_goes_unnoticed():
    for position, character in enumerate(SEALED):
        changed = SEALED[:position] + ("A" if character != "A" else "B") + SEALED[position + 1 :]
        with pytest.raises(SealingError):
            opened(changed)


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "rubbish",
        SEALED[:-1],
        SEALED[:-20],
        SEALED + "A",
        SEALED + "\n",
        SEALED.replace("v1", "v2"),
        SECRET,
    ],
    ids=["empty", "rubbish", "short", "shorter", "longer", "line", "version 2", "not sealed"],
)
def test_a_damaged_text_is_refused_and_not_repeated(damaged):
    with pytest.raises(SealingError, match="The sealed text is damaged") as refusal:
        opened(damaged)
    assert SECRET not in str(refusal.value)


def test_another_spelling_of_the_same_bytes_is_refused():
    version, key_id, ephemeral, box = SEALED.split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    alias = ephemeral[:-1] + alphabet[alphabet.index(ephemeral[-1]) + 1]
    assert base64.urlsafe_b64decode(alias + "=") == base64.urlsafe_b64decode(ephemeral + "=")
    with pytest.raises(SealingError, match="damaged"):
        opened(".".join([version, key_id, alias, box]))


def test_an_ephemeral_key_of_low_order_is_refused():
    version, key_id, _, box = SEALED.split(".")
    with pytest.raises(SealingError, match="damaged"):
        opened(".".join([version, key_id, "A" * 43, box]))


@pytest.mark.parametrize("key", ["", "rubbish", KEY[:-1], KEY + "\n"], ids=["empty", "rubbish", "short", "line"])
def test_a_malformed_sealing_key_is_refused_and_not_repeated(key):
    with pytest.raises(SealingError, match="The sealing key is malformed") as refusal:
        opened(SEALED, key=key)
    assert not key or key not in str(refusal.value)


@pytest.mark.parametrize("half", ["", "rubbish", "A" * 43 + "="])
def test_nothing_is_sealed_to_a_malformed_public_half(half):
    with pytest.raises(SealingError, match="The public half of the sealing key is malformed"):
        seal(SECRET, public_half=half, context=CONTEXT)
