"""Every page, light, dark and on a phone: no complaint of the browser, readable by everybody, nothing sticks out.

`make test` looks at a few; `make browser` at all of them, and leaves their pictures in `screenshots/`.
"""

import os
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.pages import PAGES, SLICE, Shown
from tests.journeys.browser import LOOKS, SCREENSHOTS, Visitor

WIDTHS = (320, 390, 768, 1100, 1440)
# Where there is a head at all: as many columns are shown in it as in the last row.
HEADS_STAND_OVER_CELLS = """[...document.querySelectorAll('table.list:has(thead)')].every((table) => {
    const shown = (row) => [...row.cells].filter((cell) => getComputedStyle(cell).display === 'table-cell').length
    const [head, row] = [table.tHead.rows[0], [...table.rows].at(-1)]
    return !table.tHead.checkVisibility() || shown(head) === shown(row)
})"""
IS_WHOLE = "EVERY_PAGE" in os.environ
CASES = [
    pytest.param(page, look, id=f"{page.name}-{look}")
    for page in PAGES
    for look in LOOKS
    if IS_WHOLE or (page.name in SLICE and look == "light")
]


@pytest.mark.parametrize(("page", "look"), CASES)
def test_a_page_is_fit_to_be_seen(visit: Any, page: Shown, look: str) -> None:
    width, height, colours = LOOKS[look]
    visitor = visit(
        page.state,
        page.role,
        viewport={"width": width, "height": height},
        color_scheme=colours,
        reduced_motion="reduce",
    )
    visitor.open(page.path)
    if page.steps:
        page.steps(visitor)
    visitor.page.wait_for_load_state()
    picture(visitor, f"{page.name}-{look}")
    assert_readable(visitor)
    if look != "dark":
        assert_nothing_sticks_out(visitor, height)


def picture(visitor: Visitor, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    is_open = visitor.page.evaluate(
        "document.querySelector('dialog[open]') !== null || location.hash === '#nav-sidebar'"
    )
    visitor.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=not is_open)


def assert_readable(visitor: Visitor) -> None:
    """axe-core finds nothing serious."""
    found = Axe().run(visitor.page).response["violations"]
    grave = [
        (one["id"], [node["html"][:160] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]
    assert grave == []


def assert_nothing_sticks_out(visitor: Visitor, height: int) -> None:
    for width in WIDTHS:
        visitor.page.set_viewport_size({"width": width, "height": height})
        reach = visitor.page.evaluate("document.documentElement.scrollWidth")
        assert reach <= width, f"{reach} px wide in {width}"
        assert visitor.page.evaluate(HEADS_STAND_OVER_CELLS), f"a table's head and cells differ in {width}"
