"""What the README does not explain fails here, and so does what it explains without there being such a thing."""

import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

from hubproject.errors import HubError

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
TEXTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "deploy").glob("*.md"))]
OUR_APPS = {"hubproject", "wireguard", "tokens", "proxmox", "spokes"}


def codes() -> set[str]:
    def below(kind: type[HubError]) -> set[str]:
        return {kind.code}.union(*map(below, kind.__subclasses__()))

    get_resolver().url_patterns  # noqa: B018 - importing the views imports every error there is
    return below(HubError)


def settings_read() -> set[str]:
    source = (ROOT / "hubproject/settings.py").read_text()
    return set(re.findall(r'(?:env\.\w+|_whole_number|_switch|_secret)\(\s*"([A-Z_]+)"', source))


def paths(patterns: list[URLPattern | URLResolver], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        text = prefix + str(pattern.pattern)
        found |= paths(pattern.url_patterns, text) if isinstance(pattern, URLResolver) else {text}
    return {re.sub(r"<(?:\w+:)?(\w+)>", lambda part: "{" + _wire_name(part[1]) + "}", path) for path in found}


def _wire_name(name: str) -> str:
    return {"token_id": "id", "cluster_id": "id", "spoke_id": "spokeId"}.get(name, name)


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_error_code_is_explained(code):
    assert f"| `{code}` |" in README


def test_no_error_code_is_explained_that_does_not_exist():
    assert set(re.findall(r"^\| `([A-Z_]+)` \| \d{3} ", README, re.MULTILINE)) == codes()


@pytest.mark.parametrize("name", sorted(settings_read()))
def test_every_setting_is_in_the_readme_and_in_the_example(name):
    assert f"`{name}`" in README
    assert re.search(rf"^#{name}(_FILE)?=", ENV_EXAMPLE, re.MULTILINE)


def test_the_example_names_no_setting_that_does_not_exist():
    named = set(re.findall(r"^#([A-Z_]+?)(?:_FILE)?=", ENV_EXAMPLE, re.MULTILINE))
    assert named == settings_read()


@pytest.mark.parametrize("name", sorted(name for name, app in get_commands().items() if app in OUR_APPS))
def test_every_command_is_in_the_readme(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("path", sorted(path for path in paths(get_resolver().url_patterns) if path.startswith("api/")))
def test_every_call_is_in_the_readme(path):
    spoke_alone = path.replace("{spokeId}", "{id}") if path.startswith("api/spoke/") else path
    assert f"/{spoke_alone}" in README


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_block_that_is_opened_is_closed_before_the_next_one_opens(text):
    fences = re.findall(r"^ *```(.*)$", text.read_text(), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert set(fences[1::2]) <= {""}


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_link_inside_a_text_leads_to_one_of_its_headings(text):
    written = text.read_text()
    headings = re.findall(r"^#+ (.+)$", written, re.MULTILINE)
    there = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", written)) <= there


def test_every_target_that_help_lists_exists():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^  make (\S+)", listed, re.MULTILINE)
    assert {"setup", "demo", "run", "test", "check"} <= set(targets)
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, check=True)
