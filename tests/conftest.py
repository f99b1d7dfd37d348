"""What tests of the database and of the REST calls share: a clock that stands still, a hub, clients, and short ways."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as generator

from hubproject.access import create_api_key
from hubproject.accounts import create_user
from hubproject.audit import Caller
from hubproject.models import Role
from tests.copies import copies_instead_of_flushes
from tokens.services import IssuedToken, claim_token, issue_token
from wireguard.keys import generate_private_key, public_key_of
from wireguard.models import AgentState, HubConfig
from wireguard.services import initialize_hub

# A shell gives what it starts in the background an ignored SIGINT, and children would inherit that: a script of ours
# could then not be interrupted, which is what some tests do.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What a test generates is right or wrong however long it takes: a machine that does other things as well is slow.
generator.register_profile("whatever-the-machine-does", deadline=None, suppress_health_check=[HealthCheck.too_slow])
generator.load_profile("whatever-the-machine-does")

# Tests that take minutes run only when -m names their marker, as a make target of their own does.
HEAVY = ("nspawn", "scripts_full")

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BY_TEST = Caller(actor="test", address="192.0.2.1")
JSON = "application/json"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unasked = [marker for marker in HEAVY if marker not in config.option.markexpr]
    deselected = [item for item in items if any(item.get_closest_marker(marker) for marker in unasked)]
    items[:] = [item for item in items if item not in deselected]
    config.hook.pytest_deselected(items=deselected)


@pytest.fixture(autouse=True)
def generous_limits(settings: Any) -> None:
    """Nothing is counted from one test to the next; a test of a limit sets it."""
    cache.clear()
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = 1_000_000


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time stands still at NOW until the test moves it; waiting still takes its time."""
    with time_machine.travel(NOW, tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def now(clock: time_machine.Traveller) -> datetime:
    return NOW


@pytest.fixture
def hub(db: None, now: datetime) -> HubConfig:
    """A hub that has been set up: 10.0.1.0/24."""
    return initialize_hub(network_cidr="10.0.1.0/24", endpoint="hub.example.com:51820", by=BY_TEST, now=now)


@pytest.fixture
def small_hub(db: None, now: datetime) -> HubConfig:
    """A hub with five addresses for spokes: 10.0.1.2 to 10.0.1.6."""
    return initialize_hub(network_cidr="10.0.1.0/29", endpoint="hub.example.com:51820", by=BY_TEST, now=now)


def client_with_key(role: Role) -> Client:
    secret = create_api_key(name=f"{role.value} of the tests", role=role, by=BY_TEST, now=timezone.now())
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def anonymous() -> Client:
    return Client()


@pytest.fixture
def viewer(db: None, now: datetime) -> Client:
    return client_with_key(Role.VIEWER)


@pytest.fixture
def operator(db: None, now: datetime) -> Client:
    return client_with_key(Role.OPERATOR)


@pytest.fixture
def admin(db: None, now: datetime) -> Client:
    return client_with_key(Role.ADMIN)


def signed_in_as(role: Role) -> Client:
    """A browser in which somebody of this role has signed in."""
    client = Client()
    password = "correct horse battery"
    client.force_login(create_user(username=role.value, password=password, role=role, by=BY_TEST, now=timezone.now()))
    return client


def new_key() -> str:
    """A public key nobody has had before."""
    return public_key_of(generate_private_key())


def issue(name: str = "alpha", **options: Any) -> IssuedToken:
    return issue_token(spoke_name=name, by=BY_TEST, now=timezone.now(), **options)


def claim(issued: IssuedToken) -> str:
    """The script, as a machine would fetch it at this moment."""
    return claim_token(secret=issued.secret, platform="linux", by=BY_TEST, now=timezone.now())


def register(secret: str, public_key: str | None = None, /, **fields: Any) -> Any:
    """The answer to a machine that registers."""
    body = {"token": secret, "publicKey": public_key or new_key(), "os": "linux", **fields}
    return Client().post("/api/spoke/register", body, content_type=JSON)


def enrol(name: str = "alpha", **fields: Any) -> dict[str, Any]:
    """A new spoke, as the answer to its registration."""
    answer = register(issue(name).secret, **fields)
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def agent_has_applied(generation: int = 10**6, **report: Any) -> None:
    """An agent that is far ahead, so that nobody has to wait for it."""
    report = {"applied_generation": generation, "alive_at": timezone.now(), "interface_up": True, **report}
    AgentState.objects.update_or_create(id=1, defaults=report)


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with connection.cursor() as cursor:
        names = [name for name in connection.introspection.table_names(cursor) if not name.startswith("django_")]
        rows = {}
        for name in names:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")  # noqa: S608 - the database's own names
            rows[name] = sorted(cursor.fetchall(), key=repr)
    return rows


def is_anywhere(secret: str) -> bool:
    """Whether a column of some row holds this text."""
    return any(secret in str(value) for rows in everything().values() for row in rows for value in row)


def assert_refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    """That this is a refusal in the one shape; returns its body."""
    body = dict(answer.json())
    assert (answer.status_code, body["code"]) == (status, code), body
    assert list(body)[:3] == ["error", "code", "recoveryHint"]
    assert all(isinstance(body[name], str) and body[name] for name in ("error", "code", "recoveryHint"))
    return body


def refused_fields(answer: Any) -> dict[str, list[str]]:
    """The sentences by field of a refusal for content."""
    return dict(assert_refused(answer, 400, "VALIDATION_ERROR")["fields"])


@pytest.fixture
def count_queries(django_assert_max_num_queries: Any) -> Callable[[Callable[[], Any]], int]:
    """How many queries a call makes."""

    def count(call: Callable[[], Any]) -> int:
        with django_assert_max_num_queries(10_000) as captured:
            call()
        return len(captured)

    return count


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The migrated test database; a test with real transactions gets a copy of it, and none is ever emptied."""
    with ExitStack() as copies:
        with django_db_blocker.unblock():
            copies.enter_context(copies_instead_of_flushes())
        yield
        with django_db_blocker.unblock():
            copies.close()
