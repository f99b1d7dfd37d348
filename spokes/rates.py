"""The rates of one spoke that a page has seen since it was opened. Nothing keeps them but the page itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hubproject.charts import Chart, Point, traffic_chart

MOST_LOOKS = 90
# How much time the chart spans at least and at most.
SHORTEST, LONGEST = timedelta(minutes=5), timedelta(hours=1)
# The agent looks every ten seconds; two looks further apart than this have a gap between them.
LOOK_SECONDS, MOST_SECONDS = 10, 20
# Second, bytes received a second, bytes sent a second: what the page sends back with each request.
_LOOK = re.compile(r"([0-9]{1,11})-([0-9]{1,13})-([0-9]{1,13})", re.ASCII)


@dataclass(frozen=True, slots=True)
class RateHistory:
    """The looks of the agent that the page has seen, oldest first: (second, received, sent)."""

    looks: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def read(cls, text: str, now: datetime) -> "RateHistory":
        """From what `str` made of one. What is too old, and what no page was ever given, is left out."""
        found = [_LOOK.fullmatch(part) for part in text.split("_")[-MOST_LOOKS:]]
        looks = {int(look[1]): (int(look[1]), int(look[2]), int(look[3])) for look in found if look}
        since, until = (now - LONGEST).timestamp(), now.timestamp()
        return cls(tuple(looks[second] for second in sorted(looks) if since < second <= until))

    def __str__(self) -> str:
        return "_".join("-".join(map(str, look)) for look in self.looks)

    def with_look(self, at: datetime | None, received: int | None, sent: int | None) -> "RateHistory":
        """With the agent's latest look, if it is one that the page has not seen."""
        if at is None:
            return self
        second = int(at.timestamp())
        if self.looks and self.looks[-1][0] >= second:
            return self
        return RateHistory((*self.looks, (second, received or 0, sent or 0))[-MOST_LOOKS:])

    def chart(self, now: datetime, *, silent_since: datetime | None = None) -> Chart:
        points = list(self._points())
        start = min([now - SHORTEST, *(moment for moment, _, _ in points)])
        return traffic_chart(points, start=start, end=now + timedelta(seconds=1), silent_since=silent_since)

    def _points(self) -> Iterator[Point]:
        """Each second's rates: those of a look are the means since the look before it."""
        before = 0
        for second, received, sent in self.looks:
            since = before if second - before <= MOST_SECONDS else second - LOOK_SECONDS
            for moment in range(since + 1, second + 1):
                yield datetime.fromtimestamp(moment, UTC), float(received), float(sent)
            before = second
