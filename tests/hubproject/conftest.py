"""People of the tests: users with a role, and clients that signed in as they would in a browser."""

import hashlib
import hmac
import re
import struct
import time
from base64 import b32decode
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, TestCase
from django.utils import timezone

from hubproject.accounts import create_user
from hubproject.models import AuditEvent, Role
from tests.backups import PASSPHRASE, soon_stretched
from tests.conftest import BY_TEST
from wireguard.models import HubConfig
from wireguard.services import initialize_hub

PASSWORD = "correct horse battery"


@pytest.fixture
def person(db: None, now: datetime) -> Callable[..., User]:
    def make(name: str = "ada", role: Role = Role.VIEWER) -> User:
        return create_user(username=name, password=PASSWORD, role=role, by=BY_TEST, now=now)

    return make


@pytest.fixture
def ada(person: Callable[..., User]) -> User:
    """A viewer."""
    return person()


@pytest.fixture
def root(person: Callable[..., User]) -> User:
    """An admin."""
    return person("root", Role.ADMIN)


def sign_in(client: Client, name: str, password: str = PASSWORD, **extra: Any) -> Any:
    """The answer to the form of the sign-in page."""
    return client.post("/account/sign-in", {"login": name, "password": password}, **extra)


def signed_in(user: User) -> Client:
    """A browser in which the user signed in a moment ago."""
    client = Client()
    assert sign_in(client, user.username).status_code == 302
    assert is_signed_in(client), "the password alone was not enough"
    return client


def is_signed_in(client: Client) -> bool:
    return bool(client.get("/account").status_code == 200)


def committed() -> AbstractContextManager[Any]:
    """What is left for after the commit happens, although a test's own transaction never commits."""
    return TestCase.captureOnCommitCallbacks(execute=True)


def events(*kinds: str) -> list[AuditEvent]:
    """The audit log, oldest first, of these kinds if any are named."""
    found = AuditEvent.objects.order_by("id")
    return list(found.filter(event__in=kinds) if kinds else found)


def add_app(client: Client) -> tuple[str, list[str]]:
    """Adds an authenticator app; returns its key and the recovery codes."""
    page = client.get("/account/app/add").content.decode()
    secret = re.search(r'class="secret"[^>]*>([A-Z2-7]+)<', page)
    assert secret, page
    with committed():
        shown = client.post("/account/app/add", {"code": code_of(secret[1])}, follow=True).content.decode()
    return secret[1], re.findall(r"<li>(\d{8})</li>", shown)


def code_of(secret: str, *, steps: int = 0) -> str:
    """What the app shows now, or that many half minutes from now: RFC 6238, six digits."""
    counter = struct.pack(">Q", int(time.time() // 30) + steps)
    digest = hmac.digest(b32decode(secret), counter, hashlib.sha1)
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF) % 10**6:06}"


@pytest.fixture
def directory(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where backups go; not made yet."""
    soon_stretched(monkeypatch)
    settings.HUB_BACKUP_DIR, settings.HUB_BACKUP_PASSPHRASE = tmp_path / "backups", PASSPHRASE
    return tmp_path / "backups"


@pytest.fixture
def real_hub(transactional_db: None) -> HubConfig:
    """A hub whose database commits, by the clock on the wall."""
    return initialize_hub(network_cidr="10.0.1.0/24", endpoint="hub.example.com:51820", by=BY_TEST, now=timezone.now())
