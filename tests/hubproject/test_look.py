"""How moments and amounts read on a page."""

from datetime import timedelta

import pytest
from django.template import Context, Template

from hubproject.state_shapes import STATES
from hubproject.templatetags.look import (
    by_the_clock,
    calendar_words,
    in_words,
    left_in_words,
    meter,
    rate,
    size,
    status,
)
from proxmox.models import Health
from tests.conftest import NOW
from tokens.models import State

HOSTILE = "<b>\"'&"


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=-5), "0 s ago"),
        (timedelta(seconds=12), "12 s ago"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=2), "2 h ago"),
        (timedelta(hours=13), "yesterday, 23:00"),
        (timedelta(days=5), "5 days ago"),
    ],
)
def test_an_age_in_words(ago, words):
    assert in_words(NOW - ago, NOW) == words


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(0), "over"),
        (timedelta(seconds=40), "40 s left"),
        (timedelta(minutes=59, seconds=42), "59 min left"),
        (timedelta(hours=23), "23 h left"),
        (timedelta(days=6), "6 days left"),
    ],
)
def test_what_is_left_in_words(left, words):
    assert left_in_words(left) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(86_336, "23:58:56"), (3_582, "59:42"), (18, "0:18"), (0, "0:00"), (-7, "0:00")]
)
def test_a_countdown_by_the_clock(seconds, words):
    assert by_the_clock(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(minutes=14), "Today, 11:46"),
        (timedelta(days=1), "Yesterday, 12:00"),
        (timedelta(days=20), "9 Feb, 12:00"),
        (timedelta(days=69), "22 Dec 2025, 12:00"),
    ],
)
def test_a_day_in_the_words_of_a_calendar(ago, words):
    assert calendar_words(NOW - ago, NOW) == words


def test_amounts_and_what_is_not_known():
    assert (size(None), size(0), rate(None), rate(0)) == ("\N{EN DASH}", "0 B", "\N{EN DASH}", "\N{EN DASH}")
    assert rate(4_100_000) == "4.1 MB/s"


def test_every_state_of_a_token_and_every_health_has_a_shape_and_a_word():
    assert {*State.values, *Health.values, "active", "pending", "inactive"} <= set(STATES)


def test_no_two_states_beside_each_other_look_alike_without_colour():
    for family in (("active", "pending", "inactive", "not_enrolled"), Health.values):
        assert len({STATES[state][0] for state in family}) == len(family)


def test_words_from_outside_show_as_text():
    assert "<b>" not in status("active", HOSTILE)
    assert "<b>" not in meter([("ok", 1)], HOSTILE)
    page = Template("{% load look %}{% copy text text %}{% icon text %}").render(Context({"text": HOSTILE}))
    assert "<b>" not in page


def test_a_meter_leaves_nothing_out_and_holds_nothing_that_is_not_there():
    drawn = meter([("ok", 999), ("bad", 1), ("off", 0)], "999 of 1000")
    assert drawn.count("<rect") == 2
    assert 'width="0.60%"' in drawn  # one of a thousand can still be seen
    assert meter([], "nothing").count("<rect") == 1
