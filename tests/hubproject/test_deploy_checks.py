"""A wrong deployment is refused at start, and a right one is clean by Django's own list."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import run_checks

REPOSITORY = Path(__file__).parents[2]
RIGHT = {"HUB_PUBLIC_URL": "https://hub.example.com", "HUB_TRUSTED_PROXIES": "1"}


def python(tmp_path: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """A process with exactly these settings."""
    environment = {"PATH": os.environ["PATH"], "HUB_DATA_DIR": str(tmp_path), **RIGHT, **settings}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def test_production_settings_are_clean(tmp_path):
    done = python(tmp_path, "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith("System check identified no issues")


def test_they_are_clean_with_several_workers_and_redis_too(tmp_path):
    several = {"HUB_WORKERS": "4", "REDIS_URL": "redis://127.0.0.1:6379/0"}
    done = python(tmp_path, "manage.py", "check", "--deploy", "--fail-level", "WARNING", **several)
    assert done.returncode == 0, done.stderr


WRONG = {
    "debug pages for everybody": ({"DEBUG": "1"}, "hub.E004"),
    "a short key": ({"SECRET_KEY": secrets.token_urlsafe(30)}, "hub.E005"),
    "a key of few letters": ({"SECRET_KEY": "abab" * 20}, "hub.E005"),
    "Django's sample key": ({"SECRET_KEY": "django-insecure-" + secrets.token_urlsafe(48)}, "hub.E005"),
    "any host": ({"HUB_ALLOWED_HOSTS": "hub2.example.com,*"}, "hub.E001"),
    "workers that count each for itself": ({"HUB_WORKERS": "2"}, "hub.E006"),
    "a service that is none": ({"HUB_SPOKE_SERVICES": "tcp:443"}, "hub.E007"),
    "a plain public address": ({"HUB_PUBLIC_URL": "http://hub.example.com"}, "unencrypted"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_the_web_process_does_not_start_with(mistake, tmp_path):
    settings, said = WRONG[mistake]
    done = python(tmp_path, "-c", "import hubproject.wsgi", **settings)
    assert done.returncode != 0
    assert said in done.stderr


def test_it_starts_when_all_is_right(tmp_path):
    done = python(tmp_path, "-c", "import hubproject.wsgi")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("mistake", [name for name, (_, said) in WRONG.items() if said.startswith("hub.")])
def test_each_mistake_says_what_to_do(mistake, settings):
    wrong, identity = WRONG[mistake]
    for name, value in wrong.items():
        setattr(settings, {"HUB_ALLOWED_HOSTS": "ALLOWED_HOSTS"}.get(name, name), _as_setting(value))
    [found] = [message for message in run_checks() if message.id == identity]
    assert found.hint


def _as_setting(value: str) -> object:
    if value.isdigit():
        return int(value)
    return value.split(",") if "*" in value else value


def test_a_missing_count_of_proxies_is_noticed(tmp_path):
    done = python(tmp_path, "manage.py", "check", "--deploy", HUB_TRUSTED_PROXIES="0")
    assert "hub.W001" in done.stderr
    assert "Set it to the number of proxies" in done.stderr
