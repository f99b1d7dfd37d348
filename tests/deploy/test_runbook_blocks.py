"""No command stands in the runbook that nobody runs."""

import re
import subprocess
from pathlib import Path

from tests.deploy.runbook import ELSEWHERE, PLANNED, RUNBOOK, blocks

SOURCES = [path.read_text() for path in Path(__file__).parent.glob("*.py") if path.name != "runbook.py"]


def test_every_block_is_in_a_test_plan_and_every_plan_has_its_block():
    assert set(blocks()) == PLANNED | set(ELSEWHERE)


def test_every_planned_block_is_run_by_the_deploy_test():
    run = set(re.findall(r'\bfollow\("([a-z ]+)"', "\n".join(SOURCES)))
    assert run == PLANNED


def test_no_block_is_of_another_kind():
    assert set(re.findall(r"^```(\w*)$", RUNBOOK.read_text(), re.MULTILINE)) <= {"sh", "ini", "powershell", ""}


def test_every_command_of_the_hub_that_the_runbook_names_exists():
    named = set(re.findall(r"wireguard-hub ([a-z_]+)\b", RUNBOOK.read_text())) - {"COMMAND"}
    there = {path.stem for path in RUNBOOK.parents[1].glob("*/management/commands/*.py")}
    assert len(named) > 8
    assert named - there == set()


def test_backups_are_written_where_the_wrapper_lets_them_be():
    wrapper = (RUNBOOK.parent / "wireguard-hub.sh").read_text()
    places = {place for line in re.findall(r"writes=(.+)", wrapper) for place in re.findall(r"/var/[a-z/-]+", line)}
    written = set(re.findall(r"backup --output (\S+?)`", RUNBOOK.read_text())) - {"FILE"}
    assert written
    assert {path for path in written if path.rpartition("/")[0] not in places} == set()
    assert {place for place in places if f"`{place}`" not in RUNBOOK.read_text().partition("## Back up")[2]} == set()


def test_what_the_wrapper_treats_apart_are_commands_that_exist():
    wrapper = (RUNBOOK.parent / "wireguard-hub.sh").read_text()
    there = {path.stem for path in RUNBOOK.parents[1].glob("*/management/commands/*.py")}
    named = {word for line in re.findall(r"^    ([a-z_ |]+)\)$", wrapper, re.MULTILINE) for word in line.split(" | ")}
    assert "hub_agent" in named
    assert named - there == set()


def test_the_wrapper_is_for_root_alone():
    as_nobody = ["setpriv", "--reuid=65534", "--clear-groups", "sh", "-s"]
    wrapper = (RUNBOOK.parent / "wireguard-hub.sh").read_text()
    done = subprocess.run(as_nobody, input=wrapper, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "This needs root" in done.stderr
