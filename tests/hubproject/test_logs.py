"""No log line holds a whole token or API key, wherever in the record it was."""

import logging
import secrets

import pytest

from hubproject.logs import MaskingFormatter, mask_secrets
from wireguard.keys import generate_private_key, public_key_of

TOKENS = [secrets.token_urlsafe(32) for _ in range(20)] + ["-" * 43, "_" + "a" * 42, "A" * 42 + "-"]


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "GET /api/installation/script/{}?platform=linux 410",
        "curl -fsS 'https://hub.example.com/api/installation/script/{}?platform=linux' | sh",
        '{{"token": "{}"}}',
        "token={}&x=1",
        "<{}>",
        "first {} second",
        "Authorization: Bearer wgh_{}",
        "('{}',)",
    ],
)
def test_a_secret_is_cut_to_its_first_characters(around):
    for token in TOKENS:
        masked = mask_secrets(around.format(token))
        assert token not in masked
        assert token[6:] not in masked
        assert token[:6] + "…" in masked


def test_every_secret_of_a_line_is_cut():
    assert mask_secrets(f"{'a' * 43} {'b' * 43}") == "aaaaaa… bbbbbb…"


def test_a_public_key_and_an_id_stay_readable():
    for line in (public_key_of(generate_private_key()), "0a3ff0a6-8c7d-4c9b-9f4f-3a7a0c1d2e3f", "10.0.1.5/24"):
        assert mask_secrets(line) == line


def test_a_secret_in_arguments_and_traceback_is_cut():
    token = TOKENS[0]
    caught = (ValueError, ValueError(f"no such token: {token}"), None)
    record = logging.LogRecord("tokens", logging.ERROR, __file__, 1, "failed for %s", (token,), caught)
    line = MaskingFormatter("{message}", style="{").format(record)
    assert token not in line
    assert f"failed for {token[:6]}…" in line
    assert f"ValueError: no such token: {token[:6]}…" in line
