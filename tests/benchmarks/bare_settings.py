"""The floor's own Django project: one view, nothing around it, on the engine and the disk of the hub."""

from pathlib import Path

from hubproject import settings as hub

DEBUG = False
SECRET_KEY = "bare"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["rest_framework"]
ROOT_URLCONF = "tests.benchmarks.bare_site"
MIDDLEWARE: list[str] = []
REST_FRAMEWORK: dict[str, list[str] | None] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
}
USE_TZ = True

_database = dict(hub.DATABASES["default"])
if "sqlite3" in _database["ENGINE"]:
    _database["NAME"] = str(Path(_database["NAME"]).with_name("bare.sqlite"))
DATABASES = {"default": _database}
