"""`make guide`: the pictures of deploy/USER-GUIDE.md, small enough to be kept with it.

`python -m tests.browser.guide overview` renews one of them.
"""

import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import Hubs
from tests.browser.pages import PAGES
from tests.journeys.browser import CHROMIUM, FLAGS, REPOSITORY, Visitor

FOLDER = REPOSITORY / "deploy" / "user-guide"
# Picture, and the page of pages.py that it shows.
PICTURES = {
    "first-run": "wizard-network",
    "add-spoke": "add-spoke-issued",
    "add-several": "add-spokes-issued",
    "overview": "overview",
    "spokes": "spokes",
    "clusters": "clusters",
    "remove": "spoke-remove",
    "user": "user",
    "api-keys": "api-keys",
    "account": "account",
    "audit": "audit",
}
AS_OTHERS_KNOW_IT = {"HUB_PUBLIC_URL": "http://hub.example.com", "HUB_ALLOW_PLAIN_HTTP": "1"}
SIZE = {"width": 1120, "height": 640}
MOST_BYTES = 60 * 1024


def main() -> None:
    pages = {page.name: page for page in PAGES}
    hubs = Hubs(Path(tempfile.mkdtemp(prefix="guide-")), **AS_OTHERS_KNOW_IT)
    with hubs.stack, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with closing(chromium):
            for name in sys.argv[1:] or PICTURES:
                page = pages[PICTURES[name]]
                hub = hubs[page.state]
                context = chromium.new_context(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
                if page.role:
                    session = hub.sessions[page.role]
                    context.add_cookies([{"name": "sessionid", "value": session, "url": hub.web.url}])
                visitor = Visitor(context.new_page(), hub.web.url)
                visitor.open(page.path)
                if page.steps:
                    page.steps(visitor)
                visitor.page.screenshot(path=FOLDER / f"{name}.png")
                shrink(FOLDER / f"{name}.png")
                context.close()


def shrink(picture: Path) -> None:
    """A page has few colours: 128 of them do, without dithering."""
    subprocess.run(["convert", picture, "-strip", "+dither", "-colors", "128", f"png8:{picture}"], check=True)


if __name__ == "__main__":
    main()
