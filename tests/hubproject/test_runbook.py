"""The runbook speaks of the scripts as they are."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RUNBOOK = (REPOSITORY / "deploy/README.md").read_text()
SOURCES = [*sorted((REPOSITORY / "templates/install").rglob("*.*")), REPOSITORY / "tokens/powershell.py"]
SCRIPTS = "\n".join(path.read_text() for path in SOURCES)
STOPS = RUNBOOK.split("### When a run stops", 1)[1].split("###", 1)[0]
ROWS = re.findall(r"^\| ([\d, ]+) \| (.+?) \| ", STOPS, re.MULTILINE)


def test_every_exit_code_of_the_scripts_is_explained() -> None:
    used = set(re.findall(r"\b(?:stop|exit|roll_back|Stop-Run|Code =) (\d+)\b", SCRIPTS)) - {"0"}
    assert used <= {code for codes, _ in ROWS for code in codes.split(", ")}


def test_every_sentence_it_explains_is_one_that_a_script_says() -> None:
    shown = [
        part.strip(" :;.")
        for _, symptoms in ROWS
        for text in re.findall("`(.+?)`", symptoms)
        for part in text.split("…")
    ]
    assert len(shown) > 40
    assert [part for part in shown if part and part not in SCRIPTS] == []


def test_every_setting_of_a_run_is_explained() -> None:
    settings = set(re.findall(r"\bWIREGUARD_HUB_[A-Z]+_SECONDS\b", SCRIPTS))
    assert {name for name in settings if f"`{name}`" not in RUNBOOK} == set()
