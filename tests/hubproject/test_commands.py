"""On the command line a refusal is one clear line on stderr and exit status 1."""

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings as tested
from django.db import connections

import manage
from hubproject.models import ApiKey
from tests.conftest import enrol, issue
from tests.live import mould
from tokens.models import InstallationToken
from wireguard.models import HubConfig

INIT = ["init_hub", "--network", "10.0.1.0/24", "--endpoint", "hub.example.com:51820"]


class Done(NamedTuple):
    status: int | str | None
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(db, monkeypatch, capsys) -> Run:
    """`manage.py`, in this process and on the test's own database."""
    monkeypatch.setattr("django.setup", lambda: None)
    monkeypatch.setattr(connections, "close_all", lambda: None)

    def run(*arguments: str, typed: str = "") -> Done:
        monkeypatch.setattr("sys.argv", ["manage.py", *arguments])
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        status: int | str | None
        try:
            status = manage.main()
        except SystemExit as end:
            status = end.code
        return Done(status, *capsys.readouterr())

    return run


def manage_for_real(data_dir: Path, *arguments: str, code: Path = tested.BASE_DIR, **variables: str) -> Done:
    ours = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HUB_DATA_DIR": str(data_dir)}
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=code, env=ours | variables, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def assert_one_line(done: Done, words: str) -> None:
    assert (done.status, done.out) == (1, ""), done.err
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert words in done.err
    assert "CommandError" not in done.err


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export_config"], "has not been set up"),
        (["issue_token", "alpha"], "has not been set up"),
        (["remove_spoke", "nobody"], "DELETE /api/installation/token/{id}"),
        (["backup"], "Nothing is backed up unencrypted"),
        (["backup", "--verify", "/nonexistent"], "no file"),
        (["backup", "--verify", "/nonexistent", "--output", "/nonexistent"], "exclude each other"),
        (["backup", "--key", "/nonexistent"], "--key goes with --verify"),
        (["remove_spoke", "\udcff"], "UTF-8"),
        (["create_admin", "\udcff"], "UTF-8"),
        (["check_certificate", "--url", "https://[::1"], "no address"),
        (["restore", "/nonexistent"], "no file"),
        (["init_hub", "--network", "10.0.1.1/24", "--endpoint", "hub.example.com:51820"], "10.0.1.0/24"),
        (["init_hub", "--network", "10.0.1.0/24", "--endpoint", "hub.example.com"], "host:port"),
        ([*INIT, "--dns", "one.one.one.one"], "DNS server"),
        ([*INIT, "--interface", "a name that is too long"], "15"),
        ([*INIT, "--listen-port", "0"], "65535"),
    ],
)
def test_a_refusal_without_a_hub_is_one_line(run, arguments, words):
    assert_one_line(run(*arguments), words)
    assert not HubConfig.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (INIT, "set up before"),
        (["issue_token", "alpha"], "alpha"),
        (["issue_token", "two words"], "letters, digits"),
        (["issue_token", "beta", "--ip", "10.9.9.9"], "outside 10.0.1.0/24"),
        (["issue_token", "beta", "--ip", "10.0.1.2"], "10.0.1.2"),
        (["issue_token", "beta", "--hours", "25"], "24"),
        (["create_api_key", "--role", "admin", "--name", "x", "--expires-days", "99999999999"], "days"),
    ],
)
def test_a_refusal_of_a_hub_is_one_line(hub, run, arguments, words):
    issue("alpha", custom_ip="10.0.1.2")
    assert_one_line(run(*arguments), words)
    assert InstallationToken.objects.count() == 1


@pytest.mark.django_db
def test_a_name_that_is_taken_is_one_line(run):
    arguments = ["create_api_key", "--role", "viewer", "--name", "ci"]
    assert run(*arguments).status == 0
    assert_one_line(run(*arguments), "already has that name")
    assert ApiKey.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["nonsense", "wireguard.backends.NoSuchBackend"])
def test_a_backend_that_is_none_is_one_line(run, settings, name):
    settings.HUB_WIREGUARD_BACKEND = name
    assert_one_line(run("hub_agent", "--once"), f"HUB_WIREGUARD_BACKEND is {name}")


@pytest.mark.django_db
def test_a_weak_password_is_one_line(run):
    assert_one_line(run("create_admin", "ada", typed="short\n"), "too short")


@pytest.mark.django_db
def test_a_sealing_key_that_is_none_is_one_line(run, settings, tmp_path):
    settings.HUB_DATA_DIR, settings.HUB_SEALING_KEY = tmp_path, "rubbish"
    assert_one_line(run(*INIT), "sealing key")
    assert list(tmp_path.iterdir()) == []
    assert not HubConfig.objects.exists()


@pytest.mark.django_db
def test_a_missing_sealing_key_is_one_line_and_makes_no_new_one(run, settings, tmp_path):
    settings.HUB_DATA_DIR = tmp_path
    run(*INIT)
    (tmp_path / "sealing.key").unlink()
    assert_one_line(run("export_config"), "sealing key is missing")
    assert not (tmp_path / "sealing.key").exists()


@pytest.mark.django_db
def test_another_sealing_key_is_one_line(hub, run, settings):
    settings.HUB_SEALING_KEY = "YAnz3TDZ5aXBcm0dFGLMqmpKHRh1Q0bIZ1gsTg2WEGY="
    assert_one_line(run("export_config"), "sealing key")


def test_every_command_that_refuses_does_it_in_the_same_way():
    commands = {path.stem: path.read_text() for path in tested.BASE_DIR.glob("*/management/commands/*.py")}
    refusing = {name: text for name, text in commands.items() if "CommandError" in text}
    assert len(refusing) > 8
    assert [name for name, text in refusing.items() if "Command(RefusingCommand)" not in text] == []


@pytest.mark.django_db
def test_success_is_exit_status_0(hub, run):
    assert run("purge_tokens") == (0, "0 expired, 0 deleted.\n", "")


@pytest.mark.django_db
def test_issue_token_prints_the_install_command_alone_on_stdout(hub, run):
    done = run("issue_token", "alpha", "--ip", "10.0.1.9")
    assert done.status == 0
    assert done.out.startswith("curl ")
    assert len(done.out.splitlines()) == 1
    assert "alpha gets 10.0.1.9" in done.err


@pytest.mark.django_db
@pytest.mark.parametrize("is_so", [True, False])
def test_issue_token_says_when_no_other_machine_can_use_the_command(hub, run, settings, is_so):
    settings.ONLY_THIS_MACHINE_REACHES_US = is_so
    assert ("Only the hub itself reaches https://hub.example.com" in run("issue_token", "alpha").err) is is_so


@pytest.mark.django_db
def test_list_spokes_shows_name_address_platform_and_status(hub, run):
    enrol("alpha")
    done = run("list_spokes")
    assert (done.status, done.out.split()) == (0, ["alpha", "10.0.1.2", "linux", "pending", "never"])


@pytest.mark.django_db
def test_list_spokes_shows_both_addresses(hub, run):
    HubConfig.objects.update(network_cidr6="fd00:1::/64", interface_address6="fd00:1::1/64")
    enrol("alpha")
    assert run("list_spokes").out.split()[1:3] == ["10.0.1.2", "fd00:1::2"]


@pytest.mark.django_db
def test_remove_spoke_takes_the_name_in_any_case(hub, run):
    enrol("alpha")
    assert run("remove_spoke", "ALPHA") == (0, "Removed; the agent has not confirmed it yet.\n", "")
    assert run("list_spokes").out == ""


@pytest.mark.django_db
def test_export_config_prints_a_wg_quick_file_with_the_live_peers(hub, run):
    kept, removed = enrol("kept"), enrol("removed")
    run("remove_spoke", "removed")
    out = run("export_config").out
    assert "PrivateKey = " in out
    assert kept["spoke"]["publicKey"] in out
    assert removed["spoke"]["publicKey"] not in out


@pytest.mark.parametrize(
    ("name", "value"),
    [("HUB_PUBLIC_URL", "http://hub.example.com"), ("HUB_THREADS", "eight"), ("HUB_LOG_LEVEL", "chatty")],
)
def test_a_setting_that_is_none_is_one_line(tmp_path, name, value):
    assert_one_line(manage_for_real(tmp_path, "list_spokes", **{name: value}), name)


def test_a_database_without_tables_is_one_line(tmp_path):
    assert_one_line(manage_for_real(tmp_path, "list_spokes"), "migrate")


@pytest.mark.parametrize(("is_clone", "program"), [(True, "manage.py"), (False, "wireguard-hub")])
def test_what_it_advises_can_be_typed_on_this_machine(tmp_path, is_clone, program):
    code, data = tmp_path / "code", tmp_path / "data"
    for name in ("hubproject", "wireguard", "tokens", "proxmox", "spokes"):
        shutil.copytree(tested.BASE_DIR / name, code / name, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(tested.BASE_DIR / "manage.py", code)
    if is_clone:
        (code / ".git").mkdir()
    assert f"Has `{program} migrate` been run?" in manage_for_real(data, "list_spokes", code=code).err


def test_a_database_that_is_not_there_is_one_line(tmp_path):
    done = manage_for_real(tmp_path, "list_spokes", DATABASE_URL="postgres://hub@//nonexistent/hub")
    assert_one_line(done, "database")


def test_the_agent_loads_neither_pages_nor_rest_nor_another_database(tmp_path):
    """They would be a third of the memory of a process that shows and answers nothing."""
    shutil.copytree(mould("").home, tmp_path, dirs_exist_ok=True)
    program = (
        "import runpy, sys\n"
        "sys.argv = ['manage.py', 'hub_agent', '--once']\n"
        "try:\n"
        "    runpy.run_path('manage.py', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "others = 'hubproject.admin', 'hubproject.api', 'rest_framework.serializers', 'psycopg', 'redis'\n"
        "print([name for name in ('wireguard.agent', *others) if name in sys.modules])\n"
    )
    ours = {"PATH": os.environ["PATH"], "HUB_DATA_DIR": str(tmp_path)}
    ours["HUB_WIREGUARD_BACKEND"] = "wireguard.backends.MemoryBackend"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tested.BASE_DIR, env=ours, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "['wireguard.agent']", done.stderr
