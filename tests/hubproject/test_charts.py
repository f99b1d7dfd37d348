"""Charts drawn on the server: what a reader sees in the paths and the words beside them."""

import re
from datetime import timedelta

import pytest

from hubproject.charts import BUCKETS, in_units, sparkline, traffic_chart
from tests.conftest import NOW

DAY = timedelta(days=1)
START = NOW - DAY


def minutes(rate=lambda _minute: 1000.0, *, of=range(1440)):
    return [(START + timedelta(minutes=minute), rate(minute), rate(minute) / 2) for minute in of]


def dots(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def test_a_day_of_minutes_becomes_one_line_of_96_dots_from_left_to_right():
    line = dots(traffic_chart(minutes(), start=START, end=NOW).received)
    assert len(line) == BUCKETS
    assert line == sorted(line)
    assert 0 < line[0][0] < 1
    assert 99 < line[-1][0] < 100


def test_the_higher_the_traffic_the_higher_the_line():
    heights = [y for _, y in dots(traffic_chart(minutes(lambda minute: minute * 100.0), start=START, end=NOW).received)]
    assert heights == sorted(heights, reverse=True)
    assert 0 <= heights[-1] < heights[0] <= 100


def test_a_time_without_samples_is_a_gap_and_not_a_line_at_zero():
    points = minutes(of=range(600)) + minutes(of=range(900, 1440))
    chart = traffic_chart(points, start=START, end=NOW)
    assert chart.received.count("M") == chart.area.count("Z") == 2
    assert not [x for x, _ in dots(chart.received) if 42 < x < 62]


def test_a_lone_sample_is_seen():
    assert len(dots(traffic_chart(minutes(of=[700]), start=START, end=NOW).received)) == 2


def test_without_samples_there_is_a_frame_and_no_line():
    chart = traffic_chart([], start=START, end=NOW)
    assert (chart.received, chart.area, chart.sent) == ("", "", "")
    assert chart.rules[0] == (0.0, "3 kB/s")
    assert chart.ticks[-1] == (100.0, "now")


def test_what_lies_outside_is_left_out():
    outside = [(START - timedelta(minutes=1), 9e9, 9e9), (NOW, 9e9, 9e9)]
    assert traffic_chart(outside, start=START, end=NOW).received == ""


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (11.8e6, ["15 MB/s", "10", "5", "0"]),
        (0.7e6, ["1.5 MB/s", "1", "0.5", "0"]),
        (100, ["3 kB/s", "2", "1", "0"]),
        (2.9e12, ["3 TB/s", "2", "1", "0"]),
    ],
)
def test_the_rules_have_round_numbers_and_name_the_unit_once(rate, words):
    chart = traffic_chart(minutes(lambda _: rate), start=START, end=NOW)
    assert [text for _, text in chart.rules] == words
    assert [y for y, _ in chart.rules] == [0.0, 33.33, 66.67, 100.0]
    assert all(0 <= y <= 100 for _, y in dots(chart.received))


def test_the_hours_below_are_round_ones():
    ticks = traffic_chart([], start=START, end=NOW).ticks
    assert [text for _, text in ticks] == ["16:00", "20:00", "00:00", "04:00", "08:00", "now"]
    assert [text for _, text in traffic_chart([], start=NOW - timedelta(hours=1), end=NOW).ticks][:2] == [
        "11:10",
        "11:20",
    ]


def test_silence_has_its_place_and_its_words():
    chart = traffic_chart([], start=START, end=NOW, silent_since=NOW - DAY / 4)
    assert (chart.silent_x, chart.silent_words) == (75.0, "Silent since 06:00")
    assert traffic_chart([], start=START, end=NOW, silent_since=START - DAY).silent_x == 0.0


def test_a_sentence_says_it_to_who_cannot_see_it():
    assert traffic_chart(minutes(lambda _: 4.1e6), start=START, end=NOW).sentence == (
        "Traffic since 12:00 UTC: at most 4.1 MB/s received and 2.0 MB/s sent."
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9.99e3, "10 kB"), (999_600, "1.0 MB"), (41.8e9, "42 GB")],
)
def test_bytes_in_words(number, words):
    assert in_units(number) == words


def test_a_sparkline_stays_in_its_box():
    line = dots(sparkline([0, 1, None, 5, 10]))
    assert all(0 <= x <= 100 and 1 <= y <= 17 for x, y in line)
    assert sparkline([]) == ""
