"""The floor's own settings: the hub's, with its middleware, engine and disk, and with one view of its own."""

from pathlib import Path

from hubproject.settings import *  # noqa: F403 - all of them
from hubproject.settings import DATABASES

ROOT_URLCONF = "tests.benchmarks.bare_site"
if "sqlite3" in str(DATABASES["default"]["ENGINE"]):
    DATABASES["default"]["NAME"] = str(Path(str(DATABASES["default"]["NAME"])).with_name("bare.sqlite"))
