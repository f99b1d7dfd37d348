"""What the hour of `make soak` is judged by."""

import pytest

from tests.chaos.soak import Sample, verdict


def samples(**ends: float) -> list[Sample]:
    """An hour of looks, each figure on its way from a usual value to the one given."""
    usual = {"web": 180.0, "agent": 60.0, "descriptors": 40, "zombies": 0, "log": 4.0}
    last = usual | ends
    steps = [number / 359 for number in range(360)]
    return [Sample(**{name: usual[name] + (last[name] - usual[name]) * step for name in usual}) for step in steps]


def test_an_hour_in_which_nothing_grows_is_well():
    assert verdict(samples(web=183, agent=61))[1] == []


@pytest.mark.parametrize(
    ("ends", "word"),
    [
        ({"web": 220}, "memory of web"),
        ({"agent": 75}, "memory of the agent"),
        ({"descriptors": 90}, "descriptors"),
        ({"log": 900}, "write-ahead log"),
        ({"zombies": 3}, "zombies"),
    ],
)
def test_what_grows_is_named(ends, word):
    assert [word in sentence for sentence in verdict(samples(**ends))[1]] == [True]
