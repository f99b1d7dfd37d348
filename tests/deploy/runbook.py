"""The commands of deploy/README.md, as the deploy test runs them: blocks of shell behind `<!-- run: NAME -->`."""

import re

from tests.journeys.lab import REPOSITORY

RUNBOOK = REPOSITORY / "deploy/README.md"
# Run on whole systems by `make deploy-test`.
PLANNED = {
    *["look", "install", "first hour", "backup", "upgrade", "go back", "look around", "cron", "restore", "release"],
}
# Not run there, and why.
ELSEWHERE = {
    "spoke by hand": "names one spoke's interface; `uninstall` does the same, and is tried on whole systems",
    "mac by hand": "wants a Mac",
    "prometheus": "wants Prometheus' packages from the network; the rules and the scrape are tried with a real one",
    "one request": "follows a request whose number stands in the line; what the lines hold is tried by tests of logs",
    "slow minute": "the same",
}


def blocks() -> dict[str, list[str]]:
    """The commands of each block by its name; a block without one is called by its first line."""
    found: dict[str, list[str]] = {}
    for name, text in re.findall(r"(?:<!-- run: ([a-z ]+) -->\n+)?```sh\n(.*?)```", RUNBOOK.read_text(), re.DOTALL):
        lines = [line.split(" # ")[0].strip() for line in text.splitlines() if line.strip()]
        found[name or lines[0]] = lines
    return found


def commands(name: str) -> list[str]:
    """Those of one block, in order."""
    assert name in PLANNED, name
    return blocks()[name]
