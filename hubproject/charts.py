"""Charts as SVG paths. What is drawn is computed here, how it looks is for templates and the stylesheet; no script.

Coordinates are per cent of a box whose y runs downwards; a template stretches the box and puts the words beside it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, groupby

BUCKETS = 96
RULES = 3  # lines above the zero line
# Moment, bytes received a second, bytes sent a second.
Point = tuple[datetime, float, float]
Values = Sequence[float | None]
Dots = list[tuple[float, float]]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_TICK_STEPS = [timedelta(minutes=minutes) for minutes in (1, 5, 10, 15, 30, 60, 120, 240, 480, 1440)]
_MOST_TICKS = 6
# Nearer to an edge than this the words of a tick would run into what stands there.
_MARGIN = 8.0


@dataclass(frozen=True, slots=True)
class Chart:
    """Traffic over time. `rules` are (y, words), `ticks` (x, words); `silent_x` is where a silence began."""

    received: str
    area: str
    sent: str
    rules: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    silent_x: float | None
    silent_words: str
    sentence: str


def traffic_chart(
    points: Iterable[Point], *, start: datetime, end: datetime, silent_since: datetime | None = None
) -> Chart:
    """The chart of the points from `start` to `end`, others are left out; a time without points is a gap."""
    received, sent = _thinned(points, start, end)
    top = RULES * _step_for(max(_most(received), _most(sent)))
    runs = list(_runs(received, lambda rate: 100 - 100 * rate / top))
    return Chart(
        received=_line(runs),
        area=" ".join(f"{_line([dots])}V100H{dots[0][0]:.4g}Z" for dots in runs),
        sent=_line(_runs(sent, lambda rate: 100 - 100 * rate / top)),
        rules=tuple(_rules(top)),
        ticks=tuple(_ticks(start, end)),
        silent_x=None if silent_since is None else max(0.0, _x_of(silent_since, start, end)),
        silent_words=f"Silent since {_clock(silent_since)}" if silent_since else "",
        sentence=f"Traffic since {_clock(start)} UTC: at most {in_units(_most(received))}/s received "
        f"and {in_units(_most(sent))}/s sent.",
    )


def sparkline(values: Values) -> str:
    """The path of a small line through these values, in a box of 100 by 18."""
    most = _most(values) or 1.0
    return _line(_runs(values, lambda value: 17 - 16 * value / most))


def in_units(number: float) -> str:
    """`4.1 MB` for a number of bytes; decimal units."""
    size = 0
    while number >= 999.5 and size < len(_UNITS) - 1:
        number, size = number / 1000, size + 1
    return f"{number:.1f} {_UNITS[size]}" if size and number < 9.95 else f"{number:.0f} {_UNITS[size]}"


# --- Lines --------------------------------------------------------------------------------------------------------


def _thinned(points: Iterable[Point], start: datetime, end: datetime) -> tuple[Values, Values]:
    """The means of received and sent, bucket by bucket; None where a bucket has no point."""
    buckets: list[list[Point]] = [[] for _ in range(BUCKETS)]
    for point in points:
        if start <= point[0] < end:
            buckets[int((point[0] - start) / (end - start) * BUCKETS)].append(point)
    received = [_mean([point[1] for point in bucket]) for bucket in buckets]
    sent = [_mean([point[2] for point in bucket]) for bucket in buckets]
    return received, sent


def _mean(numbers: list[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def _most(values: Values) -> float:
    return max((value for value in values if value is not None), default=0.0)


def _runs(values: Values, y_of: Callable[[float], float]) -> Iterator[Dots]:
    """The dots of each run of values without a gap; a lone value becomes a dash as wide as its bucket."""
    width = 100 / max(1, len(values))
    dots = ((number * width, None if value is None else y_of(value)) for number, value in enumerate(values))
    for is_there, run in groupby(dots, key=lambda dot: dot[1] is not None):
        if is_there:
            found = [(x + width / 2, y) for x, y in run if y is not None]
            lone = len(found) == 1
            yield [(found[0][0] + shift, found[0][1]) for shift in (-width / 2, width / 2)] if lone else found


def _line(runs: Iterable[Dots]) -> str:
    return " ".join("M" + "L".join(f"{x:.4g} {y:.4g}" for x, y in dots) for dots in runs)


# --- Words --------------------------------------------------------------------------------------------------------


def _step_for(most: float) -> float:
    """The smallest round number of bytes of which RULES reach `most`."""
    for exponent in count(3):
        for digit in (1, 2, 5):
            if RULES * digit * 10**exponent >= most:
                return float(digit * 10**exponent)
    raise AssertionError  # count() does not end


def _rules(top: float) -> Iterator[tuple[float, str]]:
    """Height and words, from the top down; only the top one names the unit."""
    unit = in_units(top).split()[1]
    size = 1000 ** _UNITS.index(unit)
    yield 0.0, f"{top / size:g} {unit}/s"
    for rule in range(RULES - 1, -1, -1):
        yield round(100 - 100 * rule / RULES, 2), f"{top * rule / RULES / size:g}"


def _ticks(start: datetime, end: datetime) -> Iterator[tuple[float, str]]:
    """Round moments, and `now` at the end."""
    step = next((step for step in _TICK_STEPS if (end - start) / step <= _MOST_TICKS), _TICK_STEPS[-1])
    seconds = step.total_seconds()
    moment = datetime.fromtimestamp(-(-start.timestamp() // seconds) * seconds, UTC)
    while moment < end:
        x = _x_of(moment, start, end)
        if _MARGIN / 2 <= x <= 100 - _MARGIN:
            yield x, _clock(moment)
        moment += step
    yield 100.0, "now"


def _x_of(moment: datetime, start: datetime, end: datetime) -> float:
    return round((moment - start) / (end - start) * 100, 2)


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%H:%M}"
