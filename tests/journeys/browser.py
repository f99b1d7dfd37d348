"""A real browser against a real web process: what a page looks like, and what the browser complains of."""

import contextlib
import hashlib
import hmac
import os
import struct
import subprocess
import sys
import time
import urllib.request
from base64 import b32decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.live import free_port

REPOSITORY = Path(__file__).parents[2]
SCREENSHOTS = REPOSITORY / "screenshots"
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
START_SECONDS = 30.0
LEAST_LEFT_SECONDS = 15.0
# Width, height, colours.
LOOKS = {"light": (1440, 900, "light"), "dark": (1440, 900, "dark"), "phone": (390, 844, "light")}


@dataclass
class Web:
    """The product's web process with a data directory of its own."""

    url: str
    environment: dict[str, str]

    def manage(self, *arguments: str, given: str = "") -> str:
        """What a command prints."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=self.environment, input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextlib.contextmanager
def running_web(home: Path, **settings: str) -> Iterator[Web]:
    """gunicorn on a free port of localhost, the one name for which browsers offer passkeys without https."""
    port = free_port()
    known = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    own = {"HUB_DATA_DIR": str(home), "HUB_BIND": f"127.0.0.1:{port}", "HUB_PUBLIC_URL": f"http://localhost:{port}"}
    web = Web(f"http://localhost:{port}", {**known, "DJANGO_SETTINGS_MODULE": "hubproject.settings", **own, **settings})
    web.manage("migrate", "--verbosity", "0")
    command = [sys.executable, "-m", "gunicorn", "--config", "python:hubproject.gunicorn_conf"]
    with (home / "web.log").open("w") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=web.environment, stdout=log, stderr=log)
    try:
        _wait_until_up(web, process, home / "web.log")
        yield web
    finally:
        process.terminate()
        process.wait(2 * START_SECONDS)


def _wait_until_up(web: Web, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{web.url}/api/healthz", timeout=1):
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@dataclass
class Visitor:
    """One browser window, and everything it complained of: console errors and refusals of the content policy."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self._hear("error", str(error)))

    def _hear(self, kind: str, text: str) -> None:
        # A page that is answered 404 or 429 on purpose is reported as an error of loading.
        if kind in {"error", "warning"} and "Failed to load resource" not in text:
            self.complaints.append(f"{self.page.url}: {text}")

    def open(self, path: str) -> None:
        self.page.goto(self.base + path)

    def path(self) -> str:
        return self.page.url.removeprefix(self.base)

    def fill(self, **fields: str) -> None:
        for label, value in fields.items():
            self.page.get_by_label(label.replace("_", " "), exact=True).fill(value)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()
        self._until_there()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()
        self._until_there()

    def _until_there(self) -> None:
        """A click returns with the first bytes of the page it leads to; what is on it may be asked at its end."""
        self.page.wait_for_load_state()

    def show(self, name: str) -> None:
        """Pictures of the page, light, dark and on a phone; nothing may stick out at the side."""
        SCREENSHOTS.mkdir(exist_ok=True)
        for look, (width, height, colours) in LOOKS.items():
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.emulate_media(color_scheme=colours, reduced_motion="reduce")
            assert self.page.evaluate("[...document.images].every(image => image.naturalWidth)"), f"{name}: no picture"
            self.page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png", full_page=True)
            assert self.page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is too wide: {look}"


@contextlib.contextmanager
def browser(base: str, *, script: bool = True) -> Iterator[Visitor]:
    """A window of its own, without anybody's cookies."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = chromium.new_context(java_script_enabled=script)
        try:
            yield Visitor(context.new_page(), base)
        finally:
            context.close()
            chromium.close()


def give_passkey_device(context: BrowserContext, page: Page) -> None:
    """A security key made of nothing, which always says yes."""
    devices = context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def code_of(secret: str) -> str:
    """What an authenticator app shows: RFC 6238 with six digits every 30 seconds.

    It is waited for one that will last: a busy machine takes its time to send it, and an old one is not taken.
    """
    if (left := 30 - time.time() % 30) < LEAST_LEFT_SECONDS:
        time.sleep(left)
    counter = struct.pack(">Q", int(time.time() // 30))
    digest = hmac.digest(b32decode(secret), counter, hashlib.sha1)
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF) % 10**6:06}"
