"""No log line holds a whole token or API key, wherever in the record it was."""

import json
import logging
import os
import secrets
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.conf import settings

from hubproject.logs import LineFormatter, mask_secrets
from wireguard.keys import generate_private_key, public_key_of

TOKENS = [secrets.token_urlsafe(32) for _ in range(20)] + ["-" * 43, "_" + "a" * 42, "A" * 42 + "-"]


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "GET /api/installation/script/{}?platform=linux 410",
        "curl -fsS 'https://hub.example.com/api/installation/script/{}?platform=linux' | sh",
        '{{"token": "{}"}}',
        "token={}&x=1",
        "<{}>",
        "first {} second",
        "Authorization: Bearer wgh_{}",
        "('{}',)",
    ],
)
def test_a_secret_is_cut_to_its_first_characters(around):
    for token in TOKENS:
        masked = mask_secrets(around.format(token))
        assert token not in masked
        assert token[6:] not in masked
        assert token[:6] + "…" in masked


def test_every_secret_of_a_line_is_cut():
    assert mask_secrets(f"{'a' * 43} {'b' * 43}") == "aaaaaa… bbbbbb…"


def test_a_public_key_and_an_id_stay_readable():
    for line in (public_key_of(generate_private_key()), "0a3ff0a6-8c7d-4c9b-9f4f-3a7a0c1d2e3f", "10.0.1.5/24"):
        assert mask_secrets(line) == line


def test_a_secret_in_arguments_and_traceback_is_cut():
    token = TOKENS[0]
    caught = (ValueError, ValueError(f"no such token: {token}"), None)
    record = logging.LogRecord("tokens", logging.ERROR, __file__, 1, "failed for %s", (token,), caught)
    line = LineFormatter(is_readable=True).format(record)
    assert token not in line
    assert f"failed for {token[:6]}…" in line
    assert f"ValueError: no such token: {token[:6]}…" in line


# --- The lines of the product --------------------------------------------------------------------------------------


def record(message: str, *arguments: object, caught: BaseException | None = None) -> logging.LogRecord:
    trouble = (type(caught), caught, caught.__traceback__) if caught else None
    return logging.LogRecord("tokens", logging.WARNING, __file__, 1, message, arguments, trouble)


def raised(text: str) -> BaseException:
    try:
        raise ValueError(text)  # noqa: TRY301 - to have a traceback
    except ValueError as error:
        return error


def as_json(one: logging.LogRecord) -> dict[str, Any]:
    line = LineFormatter().format(one)
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def from_structlog(**values: object) -> logging.LogRecord:
    """The record that a line of ours becomes on its way to the formatter."""
    kept: list[logging.LogRecord] = []
    keeper = logging.Handler()
    keeper.emit = kept.append  # type: ignore[assignment, method-assign]
    logger = logging.getLogger("tests.logs")
    logger.addHandler(keeper)
    try:
        structlog.get_logger("tests.logs").warning("something", **values)
    finally:
        logger.removeHandler(keeper)
    return kept[0]


def test_a_line_is_one_object_with_time_level_logger_and_event():
    found = as_json(record("%s was removed", "laptop-7"))
    assert list(found) == ["timestamp", "level", "logger", "event"]
    assert (found["level"], found["logger"], found["event"]) == ("warning", "tokens", "laptop-7 was removed")
    assert datetime.fromisoformat(found["timestamp"]).tzinfo == UTC


def test_a_line_within_a_request_bears_its_id():
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        assert as_json(record("x"))["request_id"] == "abc"
    assert "request_id" not in as_json(record("x"))


# Each of these would, written out in JSON or in colour, put a letter right before the token.
HIDING_PLACES = ["\n{}", "a\r\n{}\n", "\t{}", "\x1b[31m{}", "é{}", "\u2028{}", "\\{}", "\0{}", '"{}"', "{}\n{}"]


@pytest.mark.parametrize("around", HIDING_PLACES)
@pytest.mark.parametrize("is_readable", [False, True], ids=["json", "readable"])
def test_no_line_holds_a_secret_whatever_stands_before_it(around, is_readable):
    for token in TOKENS[:5]:
        text = around.replace("{}", token)
        for one in (
            record(text),
            record("%s", text),
            record("%r", {"token": text}),
            record("failed", caught=raised(text)),
            from_structlog(found=text, inside={"deep": [text, (text,)], text: 1}, thing=Exception(text)),
        ):
            line = LineFormatter(is_readable=is_readable).format(one)
            assert token not in line
            assert token[6:] not in line


@pytest.mark.parametrize("is_readable", [False, True], ids=["json", "readable"])
@pytest.mark.parametrize("control", ["\n", "\r", "\x85", "\u2028", "\x1b[2K", "\x9b", "\v", "\f", "\0", "\ud800"])
def test_nobody_can_forge_a_line(control, is_readable):
    forged = f"x{control}2026-01-01T00:00:00Z error tokens: forged"
    for one in (record(forged), from_structlog(name=forged), from_structlog(**{forged: 1})):
        line = LineFormatter(is_readable=is_readable).format(one)
        assert line.isascii() or control not in line
        assert len(line.splitlines()) == 1
        assert line.encode()


def test_in_the_readable_form_a_traceback_cannot_begin_a_line_either():
    forged = "x\n2026-01-01T00:00:00Z error tokens: forged\r\x1b[2J"
    first, *others = LineFormatter(is_readable=True).format(record("failed", caught=raised(forged))).split("\n")
    assert first.endswith("warning tokens: failed")
    assert others
    assert all(line.startswith("    ") and line.isprintable() for line in others)


START = (
    "import logging.config; from django.conf import settings; logging.config.dictConfig(settings.LOGGING); "
    "log = logging.getLogger('x')"
)


def run(data_dir: Path, code: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    ours = {"PATH": os.environ["PATH"], "HUB_DATA_DIR": str(data_dir), "DJANGO_SETTINGS_MODULE": "hubproject.settings"}
    command = [sys.executable, "-c", f"{START}; {code}"]
    return subprocess.run(command, cwd=settings.BASE_DIR, env=ours | variables, capture_output=True, text=True)


def test_a_command_keeps_standard_output_for_what_it_prints_and_web_and_agent_log_there(tmp_path):
    command = run(tmp_path, "log.warning('said')")
    assert (command.stdout, json.loads(command.stderr)["event"]) == ("", "said")
    agent = run(tmp_path, "from hubproject.logs import log_to_standard_output as o; o(); log.warning('said')")
    assert (json.loads(agent.stdout)["event"], agent.stderr) == ("said", "")


@pytest.mark.parametrize(
    ("variables", "lines"),
    [({}, 1), ({"HUB_LOG_LEVEL": "ERROR"}, 0), ({"HUB_LOG_LEVEL": "debug"}, 2), ({"DEBUG": "1"}, 2)],
    ids=["by default", "ERROR", "DEBUG", "where pages are debugged"],
)
def test_how_much_is_said_is_a_setting(tmp_path, variables, lines):
    found = run(tmp_path, "log.info('one'); log.debug('two')", **variables)
    assert len(found.stderr.splitlines()) == lines
    assert found.stderr.startswith("{") == (lines > 0 and "DEBUG" not in variables)


def test_files_hold_all_lines_and_the_errors_apart(tmp_path):
    done = run(tmp_path, "log.info('one'); log.error('two')", HUB_LOG_DIR=str(tmp_path))
    combined, errors = ((tmp_path / f"{name}.log").read_text().splitlines() for name in ("combined", "error"))
    assert [json.loads(line)["event"] for line in combined] == ["one", "two"]
    assert [json.loads(line)["event"] for line in errors] == ["two"]
    assert len(done.stderr.splitlines()) == 2


def test_after_rotation_the_new_file_is_written(tmp_path):
    move = f"import os; os.rename('{tmp_path}/combined.log', '{tmp_path}/combined.log.1')"
    run(tmp_path, f"log.info('old'); {move}; log.info('new')", HUB_LOG_DIR=str(tmp_path))
    assert "old" in (tmp_path / "combined.log.1").read_text()
    assert json.loads((tmp_path / "combined.log").read_text())["event"] == "new"


def test_a_directory_that_cannot_be_written_is_refused_at_start(tmp_path):
    done = run(tmp_path, "", HUB_LOG_DIR=str(tmp_path / "missing"))
    assert done.returncode == 1
    assert "HUB_LOG_DIR" in done.stderr.splitlines()[-1]
