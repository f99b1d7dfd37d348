"""How statuses, moments and amounts look on a page: `{% load look %}`."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, ChangeList
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from hubproject.charts import Chart, in_units, sparkline
from hubproject.models import ApiKey
from hubproject.state_shapes import STATES

register = template.Library()

NOTHING = "\N{EN DASH}"
# In tables these stand back, so that the exceptions stand out.
CALM = {"active", "healthy", "redeemed"}


@register.simple_tag
def shape(name: str, tone: str = "") -> SafeString:
    """One of the 12 px shapes: disc half ring dashed struck triangle diamond square."""
    return format_html(
        '<svg class="shape {}" aria-hidden="true"><use href="#s-{}"/></svg>', tone, name
    )  # the words beside it say the same


@register.simple_tag
def icon(name: str) -> SafeString:
    return format_html('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>', name)


@register.simple_tag
def status(state: str, word: str = "") -> SafeString:
    """Shape and word."""
    drawn, tone, usual = STATES[str(state)]
    calm = "calm" if str(state) in CALM else ""
    return format_html('<span class="state {}">{}{}</span>', calm, shape(drawn, tone), word or usual)


@register.simple_tag
def pill(state: str, word: str = "") -> SafeString:
    """Shape and word on a soft ground: beside titles only."""
    drawn, tone, usual = STATES[str(state)]
    return format_html('<span class="pill {}">{}{}</span>', tone, shape(drawn, tone), word or usual)


@register.simple_tag
def key_state(key: ApiKey) -> SafeString:
    """Of an API key: good, or why not any more."""
    if key.revoked_at:
        return status("revoked")
    is_over = key.expires_at is not None and key.expires_at <= timezone.now()
    return status("expired") if is_over else status("active", "Valid")


# --- Moments ------------------------------------------------------------------------------------------------------


@register.simple_tag
def age(moment: datetime | None, never: str = "Never", late: bool = False) -> SafeString:
    """How long ago, which the browser keeps counting."""
    if moment is None:
        return format_html('<span class="never">{}</span>', never)
    return _time(moment, in_words(moment, timezone.now()), css="late" if late else "", counts="age")


@register.simple_tag
def until(moment: datetime) -> SafeString:
    """How long there still is, roughly."""
    return _time(moment, left_in_words(moment - timezone.now()), counts="until")


@register.simple_tag
def countdown(moment: datetime) -> SafeString:
    """How long there still is, to the second."""
    return _time(moment, by_the_clock(moment - timezone.now()), css="mono", counts="countdown")


@register.simple_tag
def stopwatch(moment: datetime) -> SafeString:
    """How long it has taken so far, to the second."""
    return _time(moment, by_the_clock(timezone.now() - moment), counts="stopwatch")


@register.simple_tag
def clock(moment: datetime) -> SafeString:
    return _time(moment, f"{moment:%H:%M:%S}")


@register.simple_tag
def day(moment: datetime) -> SafeString:
    """The moment in the words of a calendar: `Today, 15:46`."""
    return _time(moment, calendar_words(moment, timezone.now()))


def _time(moment: datetime, words: str, *, css: str = "", counts: str = "") -> SafeString:
    """Words that keep counting say so in `data-counts`; the exact moment is in the title."""
    return format_html(
        '<time datetime="{}" title="{} UTC"{}{}>{}</time>',
        f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        f"{moment:%Y-%m-%d %H:%M:%S}",
        format_html(' class="{}"', css) if css else "",
        format_html(' data-counts="{}"', counts) if counts else "",
        words,
    )


def in_words(moment: datetime, now: datetime) -> str:
    """`12 s ago`, `3 min ago`, `2 h ago`, `yesterday, 18:12`, `5 days ago`; ages.js says the same."""
    seconds = max(0, int((now - moment).total_seconds()))
    days = (now.date() - moment.date()).days
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if days == 0 or seconds < 6 * 3600:
        return f"{seconds // 3600} h ago"
    return f"yesterday, {moment:%H:%M}" if days == 1 else f"{days} days ago"


def left_in_words(left: timedelta) -> str:
    seconds = int(left.total_seconds())
    if seconds <= 0:
        return "over"
    if seconds < 60:
        return f"{seconds} s left"
    if seconds < 2 * 3600:
        return f"{seconds // 60} min left"
    return f"{seconds // 3600} h left" if seconds < 48 * 3600 else f"{seconds // 86400} days left"


def by_the_clock(span: timedelta) -> str:
    """`23:58:56`, `59:42`, `0:18`."""
    seconds = max(0, int(span.total_seconds()))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def calendar_words(moment: datetime, now: datetime) -> str:
    days = (now.date() - moment.date()).days
    if days in {0, 1}:
        return f"{'Yesterday' if days else 'Today'}, {moment:%H:%M}"
    year = "" if moment.year == now.year else f" {moment.year}"
    return f"{moment.day} {moment:%b}{year}, {moment:%H:%M}"


# --- Amounts ------------------------------------------------------------------------------------------------------


@register.filter
def size(number: float | None) -> str:
    """Bytes: `4.1 MB`; a dash for what is not known."""
    return NOTHING if number is None else in_units(number)


@register.filter
def rate(number: float | None) -> str:
    """Bytes a second; a dash for nothing."""
    return f"{in_units(number)}/s" if number and number >= 1 else NOTHING


@register.filter
def part(text: str, number: int) -> str:
    """What stands before (0) or after (1) the bar in `Isolated|Machines reach the hub only`."""
    return str(text).partition("|")[2 * number]


# --- Things to copy -----------------------------------------------------------------------------------------------


@register.simple_tag
def copy(text: str, name: str) -> SafeString:
    """A button that copies `text`; `name` says what that is. Shown where there is script."""
    return format_html(
        '<button type="button" class="copy needs-script" data-copy="{}" aria-label="Copy {}">{}</button>',
        text,
        name,
        icon("copy"),
    )


@register.simple_tag
def copy_command(of: str) -> SafeString:
    """The large button of a command box, which copies the text of the element with this id."""
    return format_html(
        '<button type="button" class="button copy-command needs-script" data-copy-of="{}">{}<span>Copy</span></button>',
        of,
        icon("copy"),
    )


# --- Pictures -----------------------------------------------------------------------------------------------------


@register.simple_tag
def meter(parts: Iterable[tuple[str, float]], label: str) -> SafeString:
    """A bar of stacked parts, each a tone and a number."""
    parts = [(tone, number) for tone, number in parts if number > 0]
    total = sum(number for _, number in parts) or 1
    width, starts = 100.0, [0.0]
    for _, number in parts:
        starts.append(starts[-1] + number / total * width)
    bars = format_html_join(
        "",
        '<rect class="{}" x="{}%" width="{}%" height="5" rx="1"/>',
        (
            (tone, f"{start:.2f}", f"{max(0.6, end - start - 0.4):.2f}")
            for (tone, _), start, end in zip(parts, starts, starts[1:], strict=False)
        ),
    )
    empty = "" if parts else format_html('<rect class="{}" width="100%" height="5" rx="1"/>', "rest")
    return format_html('<svg class="meter" role="img" aria-label="{}">{}{}</svg>', label, bars, empty)


@register.simple_tag
def address_map(cells: Sequence[float], label: str) -> SafeString:
    """The pool as 256 cells in 8 rows, each from 0 (free) to 1 (all in use)."""
    columns = math.ceil(len(cells) / 8) or 1
    used = format_html_join(
        "",
        '<rect class="used" x="{}" y="{}" width="3.2" height="1.5" fill-opacity="{}"/>',
        (
            (number % columns * 4, f"{number // columns * 2.25:g}", f"{0.35 + 0.65 * fill:.2g}")
            for number, fill in enumerate(cells)
            if fill > 0
        ),
    )
    return format_html(
        '<svg class="map" role="img" aria-label="{}" viewBox="0 0 {} 18" preserveAspectRatio="xMinYMid">'
        '<path class="free" d="{}"/>{}</svg>',
        label,
        columns * 4,
        "".join(
            f"M{n % columns * 4} {n // columns * 2.25:g}h3.2v1.5h-3.2z" for n, fill in enumerate(cells) if not fill
        ),
        used,
    )


@register.simple_tag
def spark(values: Sequence[float], label: str) -> SafeString:
    """A small line without axes."""
    line = sparkline(values)
    return format_html(
        '<svg class="spark" role="img" aria-label="{}" viewBox="0 0 100 18" preserveAspectRatio="none">'
        '<path class="area" d="{}V18H0z"/><path class="received" d="{}"/></svg>',
        *(label, line or "M0 18", line),
    )


@register.inclusion_tag("admin/parts/chart.html")
def chart(drawn: Chart) -> dict[str, Any]:
    return {"chart": drawn}


# --- Django's lists -----------------------------------------------------------------------------------------------


@register.inclusion_tag("admin/parts/list_head.html")
def list_head(cl: ChangeList) -> dict[str, Any]:
    """The head of a list: one column for each of `list_display`; those that can be ordered are links.

    `column_classes` of the ModelAdmin names those that go where there is little room, as their cells do.
    """
    columns, classes = [], getattr(cl.model_admin, "column_classes", {})
    for number, (field, header) in enumerate(zip(cl.list_display, result_headers(cl), strict=True), 1):
        is_sorted = header.get("sorted", False)
        column = {"name": capfirst(str(header["text"])), "css": classes.get(field, ""), "sort": "", "url": ""}
        if header["sortable"]:
            column["url"] = cl.get_query_string(
                {ORDER_VAR: str(-number if is_sorted and header["ascending"] else number)}
            )
        if is_sorted:
            column["sort"] = "ascending" if header["ascending"] else "descending"
        columns.append(column)
    return {"columns": columns}


@register.inclusion_tag("admin/parts/list_pages.html")
def list_pages(cl: ChangeList) -> dict[str, Any]:
    """Which rows these are, and the way to the others."""
    start = (cl.page_num - 1) * cl.list_per_page
    found: dict[str, Any] = {"first": start + 1, "last": start + len(cl.result_list), "total": cl.result_count}
    if not cl.multi_page:
        return found

    def url(page: int) -> str:
        return cl.get_query_string({PAGE_VAR: str(page)})

    numbers = cl.paginator.get_elided_page_range(cl.page_num, on_each_side=2, on_ends=1)
    return found | {
        "pages": [
            {"number": number, "is_current": number == cl.page_num, "url": url(number)}
            if isinstance(number, int) and number != cl.page_num
            else {"number": number, "is_current": number == cl.page_num}
            for number in numbers
        ],
        "previous": url(cl.page_num - 1) if cl.page_num > 1 else "",
        "next": url(cl.page_num + 1) if cl.page_num < cl.paginator.num_pages else "",
    }
