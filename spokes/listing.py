"""The list of spokes as an operator sees it: which rows, in what order, on which page, and the links to all others."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Count
from django.http import QueryDict
from django.utils.http import urlencode

from hubproject.liveness import Status
from spokes.filters import ORDERING_NAMES, SpokeFilter, ordering_of
from spokes.models import OperatingSystem, Spoke, SpokeQuerySet

PAGE_SIZE = 100
BY_NAME = "name"
BY_TYPE = "type"
# Ticked boxes, and the box that stands for all that match: Django's own names for them.
SELECTED, ALL_MATCHING = "_selected_action", "select_across"
# Heading, what it orders by, the classes of its cells.
COLUMNS = [
    ("Status", "status", "status"),
    ("Name", "name", "name"),
    ("Address", "address", "address"),
    ("Platform", "os", "platform"),
    ("Last handshake", "lastHandshake", "age"),
    ("Endpoint", "", "endpoint"),
    ("Received", "", "num rates"),
    ("Sent", "", "num rates"),
]
# Newest first is what a click on these asks for.
_DESCENDING_FIRST = {"lastHandshake", "status"}


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; `url` orders by it or turns the order round, `sort` is `ascending`, `descending` or empty."""

    label: str
    css: str
    url: str = ""
    sort: str = ""


def numbers_in(texts: Iterable[str], *, most: int) -> list[int]:
    """The first `most` numbers of peers among these texts; whatever is none is left out."""
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 16][:most]


def chosen(query: QueryDict, now: datetime) -> SpokeQuerySet:
    """The live spokes that a sent form names: all that match its filters, or those whose boxes are ticked."""
    if query.get(ALL_MATCHING):
        found: SpokeQuerySet = SpokeFilter(query, now=now).qs
        return found
    return Spoke.objects.live().filter(peer_id__in=numbers_in(query.getlist(SELECTED), most=PAGE_SIZE))


class SpokeList:
    """One page of the list, from the address's query. Values that are none are ignored; a page too far is the last."""

    def __init__(self, query: QueryDict, now: datetime) -> None:
        self.now = now
        self.filter = SpokeFilter(query, now=now)
        ordering = query.get("ordering", BY_NAME)
        self.ordering = ordering if ordering in ORDERING_NAMES else BY_NAME
        self.is_by_type = query.get("view") == BY_TYPE
        self._wanted_page = (numbers_in([query.get("page", "")], most=1) or [1])[0]

    # --- Rows -----------------------------------------------------------------------------------------------------

    @cached_property
    def page(self) -> int:
        return max(1, min(self._wanted_page, self.page_count))

    @property
    def page_count(self) -> int:
        return -(-self.filter.total // PAGE_SIZE)

    @property
    def first(self) -> int:
        """The number of the first row of this page, counted from 1."""
        return (self.page - 1) * PAGE_SIZE + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @cached_property
    def rows(self) -> list[Spoke]:
        """The spokes of this page. Found by id first: sorting whole rows of ten thousand would cost ten times more."""
        order = ordering_of(self.ordering)
        found = self.filter.qs.order_by("os", *order) if self.is_by_type else self.filter.qs.order_by(*order)
        ids = list(found.values_list("pk", flat=True)[self.first - 1 : self.first - 1 + PAGE_SIZE])
        rows = {spoke.pk: spoke for spoke in self.rows_of(Spoke.objects.filter(pk__in=ids))}
        return [rows[pk] for pk in ids if pk in rows]

    def rows_of(self, spokes: SpokeQuerySet) -> SpokeQuerySet:
        """Just the columns that a row shows."""
        narrow = spokes.with_seen(self.now).select_related(None).select_related("token")
        return narrow.only("name", "os", "peer_id", "removed_at", "token__address")

    @cached_property
    def type_counts(self) -> dict[str, int]:
        """How many match, by platform."""
        return dict(self.filter.qs.order_by().values_list("os").annotate(Count("pk")))

    # --- Links ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> dict[str, str]:
        """What the address has to say to get this list, its page left out."""
        view = {"view": BY_TYPE} if self.is_by_type else {}
        ordering = {"ordering": self.ordering} if self.ordering != BY_NAME else {}
        return {**self.filter.values, **view, **ordering}

    def link(self, **changes: str | int) -> str:
        """The address of this list with these changes; an empty value takes a parameter away."""
        state = {name: value for name, value in {**self.state, **changes}.items() if value}
        return f"?{urlencode(state)}"

    @property
    def here(self) -> str:
        """The query of this very page."""
        return self.link(page=self.page if self.page > 1 else "")

    @property
    def is_filtered(self) -> bool:
        return bool(self.filter.values)

    @property
    def unfiltered(self) -> str:
        return self.link(**dict.fromkeys(self.filter.values, ""))

    @cached_property
    def all_count(self) -> int:
        """How many live spokes there are, whatever the filters leave."""
        return Spoke.objects.live().count() if self.is_filtered else self.filter.total

    def views(self) -> Iterator[tuple[str, str, int | None, bool]]:
        """The two views of this list: name, link, how many it is of, whether it is the current one."""
        yield "All", self.link(view=""), self.all_count, not self.is_by_type
        yield "By type", self.link(view=BY_TYPE), None, self.is_by_type

    def segments(self) -> Iterator[tuple[Status, int, str, bool]]:
        """Each status: how many, link, whether it is chosen."""
        for status in (Status.ACTIVE, Status.INACTIVE, Status.PENDING):
            is_chosen = self.filter.values.get("status") == status
            yield status, self.filter.counts[status], self.link(status=status.value), is_chosen

    @property
    def any_status(self) -> str:
        return self.link(status="")

    def platforms(self) -> Iterator[tuple[str, str, bool]]:
        for platform in OperatingSystem:
            yield platform.value, str(platform.label), self.filter.values.get("os") == platform

    def columns(self) -> Iterator[Column]:
        for label, name, css in COLUMNS:
            yield self._column(label, name, css) if name else Column(label, css)

    def _column(self, label: str, name: str, css: str) -> Column:
        first, other = (f"-{name}", name) if name in _DESCENDING_FIRST else (name, f"-{name}")
        is_sorted = self.ordering in {first, other}
        sort = ("descending" if self.ordering.startswith("-") else "ascending") if is_sorted else ""
        return Column(label, css, self.link(ordering=other if self.ordering == first else first), sort)

    def pages(self) -> Iterator[tuple[int, str]]:
        """Number and link of the first and last page and those near this one; 0 stands for a gap."""
        near = {1, self.page_count, *range(self.page - 2, self.page + 3)}
        before = 0
        for number in sorted(number for number in near if 1 <= number <= self.page_count):
            if number > before + 1:
                yield 0, ""
            yield number, self.link(page=number if number > 1 else "")
            before = number

    @property
    def previous(self) -> str:
        return self.link(page=self.page - 1 if self.page > 2 else "") if self.page > 1 else ""

    @property
    def next(self) -> str:
        return self.link(page=self.page + 1) if self.page < self.page_count else ""

    @property
    def live(self) -> str:
        """The query that asks for news of this page's rows, by the numbers of their peers: short and never reused."""
        peers = ",".join(str(spoke.peer_id) for spoke in self.rows)
        return f"?{urlencode(self.filter.values)}&peers={peers}"
