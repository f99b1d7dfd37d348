"""The product's settings with a throw-away data directory; a PostgreSQL comes in by DATABASE_URL."""

import atexit
import os
import shutil
import tempfile

_data_dir = tempfile.mkdtemp(prefix="wireguard-hub-tests-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)
os.environ["HUB_DATA_DIR"] = _data_dir
os.environ.setdefault("HUB_PUBLIC_URL", "https://hub.example.com")
for name in ("HUB_SEALING_KEY", "SECRET_KEY", "DEBUG", "HUB_TRUSTED_PROXIES"):
    os.environ.pop(name, None)

from hubproject.settings import *  # noqa: E402, F403

ALLOWED_HOSTS = ["testserver", "hub.example.com"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SECURE_SSL_REDIRECT = False
# Outermost: every answer that any test provokes is held to the OpenAPI document.
MIDDLEWARE = ["tests.contract.AnswersFit", *MIDDLEWARE]  # noqa: F405
MIDDLEWARE[MIDDLEWARE.index("whitenoise.middleware.WhiteNoiseMiddleware")] = "tests.static_files.FoundOnce"
# As in a clone, wherever the tests lie.
PROGRAM = "manage.py"
