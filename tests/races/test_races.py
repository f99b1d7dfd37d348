"""Races between real processes, each with its own connection, on the very engine that serves: one winner, always."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connection

pytestmark = pytest.mark.django_db

LOST = "TokenAlreadyUsed"
Environment = dict[str, str]


def call(environment: Environment, *arguments: str) -> str:
    """What our own program printed; its errors are shown when it fails."""
    outer = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "HUB_DATA_DIR"}}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env={**outer, "DJANGO_SETTINGS_MODULE": "hubproject.settings", **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def on_server(statement: str) -> None:
    """Runs a statement that needs no database in particular, on the PostgreSQL that DATABASE_URL names."""
    server = settings.DATABASES["default"]
    with psycopg.connect(
        host=server["HOST"], port=server["PORT"] or None, user=server["USER"], password=server["PASSWORD"] or None,
        dbname="postgres", autocommit=True,
    ) as connection:  # fmt: skip
        connection.execute(statement)


def is_postgresql() -> bool:
    return connection.vendor == "postgresql"


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """An empty, migrated database, to be copied."""
    environment = {"HUB_DATA_DIR": str(tmp_path_factory.mktemp("races") / "data")}
    name = f"race_{uuid4().hex}"
    if is_postgresql():
        on_server(f"CREATE DATABASE {name}")
        environment["DATABASE_URL"] = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    call(environment, "manage.py", "migrate", "-v0")
    yield environment
    if is_postgresql():
        on_server(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def fresh(migrated: Environment, tmp_path: Path) -> Iterator[Environment]:
    """A copy of it for one race."""
    data_dir = tmp_path / "data"
    shutil.copytree(migrated["HUB_DATA_DIR"], data_dir)
    environment = {**migrated, "HUB_DATA_DIR": str(data_dir)}
    if not is_postgresql():
        yield environment
        return
    before, _, template = migrated["DATABASE_URL"].rpartition("/")
    name = f"race_{uuid4().hex}"
    on_server(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield {**environment, "DATABASE_URL": f"{before}/{name}"}
    on_server(f"DROP DATABASE {name} WITH (FORCE)")  # the server may not have seen the crowd go


Race = Callable[[str], tuple[list[list[Any]], dict[str, Any]]]


@pytest.fixture
def race(fresh: Environment) -> Race:
    """Runs a scenario; for each round what each process met, and the facts afterwards."""

    def race(scenario: str) -> tuple[list[list[Any]], dict[str, Any]]:
        told = json.loads(call(fresh, "-m", "tests.races.crowd", scenario))
        return told["rounds"], told["facts"]

    return race


def test_16_processes_that_claim_100_tokens_get_exactly_100_scripts(race):
    rounds, facts = race("FourTokensForMany")
    assert len(rounds) == 25
    for met in rounds:
        for token in range(4):
            assert Counter(met[token::4]) == {"script": 1, LOST: 3}
    assert facts == {"claimed": 100, "recorded": 100, "refused": 300}


def test_of_8_keys_for_one_token_one_becomes_a_spoke(race):
    rounds, facts = race("OneTokenManyKeys")
    for met in rounds:
        assert sorted(Counter(met).values()) == [1, 7]
        assert Counter(met)[LOST] == 7
    assert facts == {"spokes": 10, "peers": 10, "generation": 11}


def test_8_repeats_of_one_registration_are_one_spoke(race):
    rounds, facts = race("OneTokenOneKey")
    assert [len(set(met)) for met in rounds] == [1] * 10
    assert LOST not in {met[0] for met in rounds}
    assert facts == {"spokes": 10, "peers": 10, "generation": 11}


def test_of_8_tokens_for_one_key_one_becomes_a_spoke(race):
    rounds, facts = race("ManyTokensOneKey")
    assert [Counter(met)["PublicKeyInUse"] for met in rounds] == [7] * 5
    assert facts == {"spokes": 5, "peers": 5, "generation": 6}


def test_50_issues_at_once_lease_50_addresses(race):
    (met,), facts = race("ManyIssues")
    assert sorted(met) == sorted(f"10.8.0.{host}" for host in range(2, 52))
    assert facts == {"leases": 50}


def test_one_name_and_one_address_go_to_one_of_16(race):
    rounds, _ = race("OneNameAndAddress")
    for number, met in enumerate(rounds):
        lost = "AddressAlreadyAllocated" if number % 2 else "SpokeNameInUse"
        won = f"10.8.1.{number}" if number % 2 else f"name{number}"
        assert Counter(met) == {won: 1, lost: 15}


def test_20_initializations_at_once_make_one_hub(race):
    (met,), facts = race("ManyInitializations")
    assert Counter(met) == {facts["key"]: 1, "HubAlreadyInitialized": 19}
    assert facts["opened"] == facts["key"]
    assert facts["hubs"] == 1


def test_no_token_is_claimed_once_it_is_revoked(race):
    rounds, facts = race("ClaimAgainstRevoke")
    for met, events in zip(rounds, facts["events"], strict=True):
        claims, revocations = Counter(met[0::2]), Counter(met[1::2])
        assert set(claims) <= {"script", LOST, "TokenRevoked"}
        assert revocations == {"revoked": 4}
        assert events == ["token.claimed"] * claims["script"] + ["token.revoked"]


def test_a_token_is_redeemed_or_revoked_and_never_both(race):
    rounds, facts = race("RegisterAgainstRevoke")
    for met, events in zip(rounds, facts["events"], strict=True):
        registrations, revocations = Counter(met[0::2]), Counter(met[1::2])
        if registrations["spoke"]:
            assert registrations == {"spoke": 1, LOST: 3}
            assert revocations == {"TokenCannotBeRevoked": 4}
            assert events == ["spoke.registered"]
        else:
            assert registrations == {"TokenRevoked": 4}
            assert revocations == {"revoked": 4}
            assert events == ["token.revoked"]
