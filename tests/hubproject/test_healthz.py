"""`GET /api/healthz` says whether database and agent are there, to anybody, and no more."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client

from tests.conftest import NOW, agent_has_applied
from wireguard.models import HubConfig

ASK_EVERYTHING = """
import json, sys
import django
django.setup()
from django.test import Client
bearer = Client(headers={"Authorization": "Bearer wgh_" + "a" * 43})
answers = [
    Client().get("/api/healthz"),
    Client().get("/api/installation/script/" + "t" * 43 + "?platform=linux"),
    bearer.get("/api/spoke/list"),
    Client(headers={"Cookie": "sessionid=abcdefghijklmnop"}).get("/api/hub/config"),
    Client(headers={"X-Setup-Code": "x"}).post("/api/hub/initialize", {}, content_type="application/json"),
]
print(json.dumps([[a.status_code, a.json(), a.headers.get("Retry-After")] for a in answers]))
"""


def healthz() -> dict[str, str]:
    answer = Client().get("/api/healthz")
    assert answer.status_code == 200
    return dict(answer.json())


def words(status: str, agent: str) -> dict[str, str]:
    return {"status": status, "database": "ok", "agent": agent}


@pytest.mark.django_db
def test_the_agent_is_down_when_it_never_ran():
    assert healthz() == words("degraded", "down")


@pytest.mark.django_db
def test_all_is_well_when_the_agent_has_applied_what_is_wanted(hub):
    agent_has_applied(hub.generation)
    assert healthz() == words("ok", "ok")


@pytest.mark.django_db
def test_the_agent_is_behind_when_it_has_not_applied_the_latest(hub):
    agent_has_applied(hub.generation)
    HubConfig.objects.update(generation=hub.generation + 1)
    assert healthz() == words("degraded", "behind")


@pytest.mark.django_db
def test_the_agent_is_behind_when_something_hinders_it(hub):
    agent_has_applied(problem="wg: command not found at /usr/bin/wg")
    assert healthz() == words("degraded", "behind")


@pytest.mark.django_db
def test_the_agent_is_unmanaged_without_the_privilege(hub):
    agent_has_applied(is_managing=False)
    assert healthz() == words("degraded", "unmanaged")


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "word"), [(0, "ok"), (19.999, "ok"), (20, "down"), (3600, "down")])
def test_the_agent_is_down_after_20_s_of_silence(hub, clock, seconds, word):
    agent_has_applied()
    clock.move_to(NOW + timedelta(seconds=seconds))
    assert healthz()["agent"] == word


@pytest.mark.parametrize("url", ["sqlite:////nonexistent/database.sqlite", "postgres://hub@//nonexistent/hub"])
def test_an_unreachable_database_is_answered_503_by_every_call(tmp_path, url):
    env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", ASK_EVERYTHING]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=True)
    health, *others = json.loads(done.stdout)
    assert health == [503, {"status": "down", "database": "down", "agent": "unknown"}, "5"]
    assert [(status, body["code"], after) for status, body, after in others] == [(503, "DATABASE_UNAVAILABLE", "5")] * 4
