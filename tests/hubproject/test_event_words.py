"""The audit log in words: every event that the code records has a sentence, and hostile names stay what they are."""

import re
from pathlib import Path

import pytest

from hubproject.event_words import WORDS, words_of
from hubproject.models import AuditEvent
from tests.conftest import NOW
from wireguard.drift import Kind

ROOT = Path(__file__).parents[2]
SOURCES = [
    path for app in ("hubproject", "wireguard", "tokens", "proxmox", "spokes") for path in (ROOT / app).rglob("*.py")
]


def event(name: str, about: str = "alpha", **columns) -> AuditEvent:
    return AuditEvent(event=name, object=about, **{"at": NOW, "actor": "ada", "details": {}, **columns})


def recorded_names() -> set[str]:
    """What stands as the first argument of a call that records, or was named just before it."""
    calls = r"(?:(?:record(?:_event)?|happening)\(\s*|\bevent = )\"([a-z_.]+)\"(?: if .* else \"([a-z_.]+)\")?"
    return {name for path in SOURCES for pair in re.findall(calls, path.read_text()) for name in pair if name}


def test_every_event_that_is_recorded_has_words_and_no_words_are_for_nothing():
    assert recorded_names() == set(WORDS)


@pytest.mark.parametrize("name", WORDS)
def test_without_details_a_sentence_is_still_whole(name):
    words = words_of(event(name))
    assert "{" not in words.fact + words.detail
    assert words.fact


def test_the_prefix_of_a_token_is_left_out_and_its_name_stays():
    issued = words_of(event("token.issued", "laptop-114 (Kd8jD_…)", details={"address": "10.0.1.5", "token": "…"}))
    assert (issued.fact, issued.detail) == ("Install command for laptop-114 issued", "For 10.0.1.5")


@pytest.mark.parametrize("name", ["a (b)", "{0}", "{name.__class__}", "<b>x</b>", "", " ("])
def test_a_hostile_name_is_told_as_it_is(name):
    assert words_of(event("spoke.removed", name)).fact == f"{name} removed"
    assert words_of(event("no.such_event{x}", name)).fact == f"No such event{{x}}: {name}"


def test_a_hostile_detail_is_told_as_it_is():
    told = words_of(event("spoke.registered", details={"address": "{os}", "os": "{name.__class__}"}))
    assert told.detail == "As {os}, {name.__class__}"


def test_who_did_it_is_the_address_and_without_one_the_actor():
    assert words_of(event("spoke.registered", source_address="192.0.2.7")).who == "192.0.2.7"
    assert words_of(event("drift.repaired", actor="agent")).who == "agent"


def test_lists_and_changes_are_told_by_their_parts():
    assert words_of(event("hub.changed", details={"changed": {"mtu": "1400", "dns": "[]"}})).detail == "mtu, dns"
    assert words_of(event("sign_in.succeeded", details={"methods": ["password", "totp"]})).detail == "By password, totp"


@pytest.mark.parametrize("kind", Kind)
def test_a_repair_says_what_was_found(kind):
    assert words_of(event("drift.repaired", details={"kind": kind.value, "count": 2})).detail == kind.sentence


def test_a_kind_that_is_none_of_drift_says_nothing():
    assert words_of(event("drift.repaired", details={"kind": "all"})).detail == ""


def test_marks_tell_good_from_odd():
    assert (words_of(event("spoke.registered")).shape, words_of(event("spoke.registered")).tone) == ("disc", "ok")
    assert (words_of(event("token.refused")).shape, words_of(event("token.refused")).tone) == ("triangle", "warn")
