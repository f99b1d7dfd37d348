"""Settings that could only go wrong are refused at start, in one line that says what to do."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as tested

from hubproject.checks import settings_are_sane

SECRET_KEY = secrets.token_urlsafe(48)
SHOW = "import hubproject.settings as s, sys; print(*(getattr(s, name) for name in sys.argv[1:]))"


def run(data_dir: Path, command: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
    ours = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HUB_DATA_DIR": str(data_dir)}
    env = ours | {"SECRET_KEY": SECRET_KEY} | variables
    command = [sys.executable, *command]
    return subprocess.run(command, cwd=tested.BASE_DIR, env=env, capture_output=True, text=True, check=False)


def show(data_dir: Path, *names: str, **variables: str) -> str:
    done = run(data_dir, ["-c", SHOW, *names], **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hub.example.com", "HUB_ALLOW_PLAIN_HTTP"),
        ("http://203.0.113.1:8000", "HUB_ALLOW_PLAIN_HTTP"),
        ("http://localhost.example.com", "HUB_ALLOW_PLAIN_HTTP"),
        ("http://0.0.0.0:8000", "HUB_ALLOW_PLAIN_HTTP"),
        ("https://hub.example.com/vpn", "must look like"),
        ("https://hub.example.com?x=1", "must look like"),
        ("https://hub.example.com#x", "must look like"),
        ("https://hub.example.com:port", "must look like"),
        ("https://hub.example.com:0", "must look like"),
        ("https://hub.example.com:65536", "must look like"),
        ("https://user:secret@hub.example.com", "must look like"),
        ("https://hub.example.com'", "must look like"),
        ("ftp://hub.example.com", "must look like"),
        ("hub.example.com", "must look like"),
        ("https://", "must look like"),
    ],
)
def test_a_public_url_that_no_machine_should_be_sent_to_is_refused(tmp_path, url, words):
    done = run(tmp_path, ["-c", SHOW, "HUB_PUBLIC_URL"], HUB_PUBLIC_URL=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://hub.example.com", "https://hub.example.com"),
        ("https://hub.example.com/", "https://hub.example.com"),
        ("https://hub.example.com:8443", "https://hub.example.com:8443"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_https_and_loopback_are_taken(tmp_path, url, taken):
    assert show(tmp_path, "HUB_PUBLIC_URL", HUB_PUBLIC_URL=url) == taken


def test_on_a_unix_socket_the_public_url_has_to_be_said(tmp_path):
    bind = "unix:/run/wireguard-hub/web.sock"
    done = run(tmp_path, ["-c", SHOW, "HUB_PUBLIC_URL"], HUB_BIND=bind)
    assert (done.returncode, done.stdout) == (1, "")
    assert "set HUB_PUBLIC_URL" in done.stderr.strip().splitlines()[-1]
    url = "https://hub.example.com"
    assert show(tmp_path, "HUB_BIND", "HUB_PUBLIC_URL", HUB_BIND=bind, HUB_PUBLIC_URL=url) == f"{bind} {url}"


def test_a_data_directory_that_others_made_is_taken_as_it_is(tmp_path):
    tmp_path.chmod(0o2770)
    (tmp_path / "static").write_text("in the way")  # what cannot be made is done without
    assert show(tmp_path, "HUB_DATA_DIR") == str(tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == 0o2770


def test_plain_http_is_taken_when_it_is_allowed(tmp_path):
    url = "http://203.0.113.1:8000"
    assert show(tmp_path, "HUB_PUBLIC_URL", HUB_PUBLIC_URL=url, HUB_ALLOW_PLAIN_HTTP="1") == url


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("ALLOWED_HOSTS", ["hub.example.com", "*"], "hub.E001"),
        ("HUB_THREADS", 0, "hub.E002"),
        ("HUB_WORKERS", -1, "hub.E002"),
        ("TOKEN_EXPIRATION_HOURS", 0, "hub.E002"),
        ("TOKEN_REGISTRATION_MINUTES", 0, "hub.E002"),
        ("TOKEN_RETENTION_DAYS", 1_000_000, "hub.E002"),
        ("TOKEN_EXPIRATION_HOURS", 10**12, "hub.E002"),
    ],
)
def test_settings_that_are_not_sane_are_found(settings, name, value, number):
    assert settings_are_sane(None) == []
    setattr(settings, name, value)
    found = settings_are_sane(None)
    assert [problem.id for problem in found] == [number]
    assert name.removeprefix("ALLOWED_") in found[0].msg


def test_a_negative_number_of_proxies_is_found(settings):
    settings.HUB_TRUSTED_PROXIES = -1
    assert ["HUB_TRUSTED_PROXIES" in problem.msg for problem in settings_are_sane(None)] == [True]


def test_web_does_not_serve_with_settings_that_are_not_sane(tmp_path):
    done = run(tmp_path, ["-c", "import hubproject.wsgi"], HUB_ALLOWED_HOSTS="*")
    assert done.returncode == 1
    assert "hub.E001" in done.stderr


def test_the_secret_key_is_made_at_the_first_start_and_stays(tmp_path):
    made = show(tmp_path / "data", "SECRET_KEY", SECRET_KEY="")
    assert len(made) == 64
    assert show(tmp_path / "data", "SECRET_KEY", SECRET_KEY="") == made
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("secret_key", ["", SECRET_KEY], ids=["made", "given"])
def test_the_data_directory_is_made_for_its_owner_alone(tmp_path, secret_key):
    show(tmp_path / "data", "SECRET_KEY", SECRET_KEY=secret_key)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path):
    (tmp_path / "key").write_text("s" * 60)
    assert show(tmp_path, "SECRET_KEY", SECRET_KEY_FILE=str(tmp_path / "key")) == "s" * 60


def test_the_line_end_of_a_secrets_file_is_no_part_of_the_secret(tmp_path):
    names = ["SECRET_KEY", "HUB_SEALING_KEY", "HUB_BACKUP_PASSPHRASE"]
    (tmp_path / "key").write_text("s" * 60 + "\n")
    files = {f"{name}_FILE": str(tmp_path / "key") for name in names}
    assert show(tmp_path, *names, **files) == " ".join(["s" * 60] * 3)


@pytest.mark.parametrize("passphrase", ["$HOME sweet", " with spaces around "])
def test_a_secret_is_taken_as_it_stands(tmp_path, passphrase):
    shown = show(tmp_path, "DEBUG", "HUB_BACKUP_PASSPHRASE", "DEBUG", HUB_BACKUP_PASSPHRASE=passphrase)
    assert shown == f"False {passphrase} False"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HUB_REQUIRE_MFA", "ture", "HUB_REQUIRE_MFA must be 1 or 0"),
        ("DEBUG", "2", "DEBUG must be 1 or 0"),
        ("HUB_METRICS_PER_SPOKE", "none", "HUB_METRICS_PER_SPOKE must be 1 or 0"),
        ("HUB_ALLOW_PLAIN_HTTP", "si", "HUB_ALLOW_PLAIN_HTTP must be 1 or 0"),
        ("DATABASE_URL", "secret@nowhere", "DATABASE_URL must begin with postgres://"),
        ("DATABASE_URL", "mysql://hub:secret@127.0.0.1/hub", "DATABASE_URL must begin with postgres://"),
        ("REDIS_URL", "secret@127.0.0.1:6379", "REDIS_URL must begin with redis://"),
        ("HUB_SEALING_KEY_FILE", "/nonexistent/secret", "HUB_SEALING_KEY_FILE is /nonexistent/secret"),
        ("HUB_THREADS_FILE", "/nonexistent/secret", "HUB_THREADS_FILE is /nonexistent/secret"),
        ("HUB_DATA_DIR", "/proc/secret", "HUB_DATA_DIR is /proc/secret"),
    ],
)
def test_a_value_that_nobody_can_have_meant_is_one_line(tmp_path, name, value, words):
    done = run(tmp_path, ["manage.py", "list_spokes"], **{name: value})
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert words in done.stderr
    assert name in {"HUB_SEALING_KEY_FILE", "HUB_THREADS_FILE", "HUB_DATA_DIR"} or "secret" not in done.stderr


@pytest.mark.parametrize("word", ["1", "true", "YES", "on", " on "])
def test_a_switch_is_on(tmp_path, word):
    assert show(tmp_path, "HUB_REQUIRE_MFA", HUB_REQUIRE_MFA=word) == "True"


@pytest.mark.parametrize("word", ["0", "false", "No", "off"])
def test_a_switch_is_off(tmp_path, word):
    assert show(tmp_path, "HUB_METRICS_PER_SPOKE", HUB_METRICS_PER_SPOKE=word) == "False"


def test_an_empty_switch_is_as_it_would_be_left_out(tmp_path):
    names = ["HUB_REQUIRE_MFA", "HUB_METRICS_PER_SPOKE"]
    assert show(tmp_path, *names, **dict.fromkeys(names, "")) == "False True"


def test_the_environment_wins_over_the_file_in_the_data_directory(tmp_path):
    (tmp_path / ".env").write_text("HUB_THREADS=3\nHUB_WORKERS=2\n")
    assert show(tmp_path, "HUB_THREADS", "HUB_WORKERS", HUB_THREADS="5") == "5 2"


def test_sqlite_takes_its_write_lock_at_once_and_loses_nothing(tmp_path):
    options = show(tmp_path, "DATABASES")
    assert "'transaction_mode': 'IMMEDIATE'" in options
    assert "journal_mode=WAL" in options
    assert "synchronous=FULL" in options


def test_a_secret_comes_from_the_credential_that_systemd_hands_over(tmp_path):
    (tmp_path / "database_url").write_text("sqlite:////elsewhere/hub.sqlite\n")
    (tmp_path / "hub_sealing_key").write_text("the key\n")
    assert (
        show(tmp_path, "HUB_SEALING_KEY", "DATABASE_URL", CREDENTIALS_DIRECTORY=str(tmp_path))
        == "the key sqlite:////elsewhere/hub.sqlite"
    )


def test_the_environment_wins_over_a_credential(tmp_path):
    (tmp_path / "hub_sealing_key").write_text("the credential\n")
    found = show(tmp_path, "HUB_SEALING_KEY", CREDENTIALS_DIRECTORY=str(tmp_path), HUB_SEALING_KEY="the variable")
    assert found == "the variable"
