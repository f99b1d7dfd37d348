"""The rules for Prometheus: each fires when it should and not otherwise, and says what to do."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
CASES = [
    case for path in sorted((PROMETHEUS / "tests").glob("*.yml")) for case in yaml.safe_load(path.read_text())["tests"]
]
RUNBOOK = (ROOT / "deploy/README.md").read_text().partition("### What each alert means")[2].partition("\n### ")[0]
EACH = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])


def promtool(*arguments: Any) -> None:
    done = subprocess.run(["promtool", *map(str, arguments)], cwd=PROMETHEUS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def fired(case: dict[str, Any]) -> list[set[str]]:
    """Which alerts fire, at each of the case's moments."""
    samples = [moment["exp_samples"] for moment in case["promql_expr_test"]]
    return [{re.search('"(.*)"', sample["labels"])[1] for sample in found} for found in samples]


def test_every_alert_fires_and_holds_its_tongue_as_its_tests_say():
    promtool("test", "rules", *sorted((PROMETHEUS / "tests").glob("*.yml")))


def test_prometheus_takes_the_configuration(tmp_path):
    text = (PROMETHEUS / "prometheus.yml").read_text()
    named = "/etc/prometheus/wireguard-hub-alerts.yml"
    assert named in text
    (tmp_path / "prometheus.yml").write_text(text.replace(named, str(PROMETHEUS / "alerts.yml")))
    promtool("check", "config", "--lint=all", "--lint-fatal", tmp_path / "prometheus.yml")


@EACH
def test_an_alert_is_tested_when_it_fires_and_when_something_else_does(rule):
    moments = [found for case in CASES for found in fired(case)]
    assert any(rule["alert"] in found for found in moments)
    assert any(found and rule["alert"] not in found for found in moments)


@EACH
def test_an_alert_says_how_bad_it_is_what_it_means_and_what_to_do(rule):
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert {"summary", "description", "runbook"} == set(rule["annotations"])
    assert rule["annotations"]["runbook"] == "deploy/README.md#what-each-alert-means"
    assert re.search(rf"^\| `{rule['alert']}` \| {rule['labels']['severity']} \| .+ \| .*`.+`", RUNBOOK, re.MULTILINE)


@pytest.mark.parametrize(
    ("metric", "command"),
    [
        ("wireguard_database_permissions_ok", "check_permissions"),
        ("wireguard_audit_ok", "verify_audit"),
        ("wireguard_certificate_expiry_seconds", "check_certificate"),
    ],
)
def test_an_alert_on_what_a_command_found_names_that_command_first(metric, command):
    alerts = [rule for rule in RULES if metric in rule["expr"] and "absent" not in rule["expr"]]
    assert alerts
    for rule in alerts:
        row = re.search(rf"^\| `{rule['alert']}` .+$", RUNBOOK, re.MULTILINE)[0]
        assert set(re.findall(r"wireguard-hub ([a-z_]+)", rule["annotations"]["description"])) == {command}
        assert set(re.findall(r"wireguard-hub ([a-z_]+)", row)) <= {command}


def test_no_alert_lets_a_hold_go_when_it_tells_to_look():
    assert set(re.findall(r"release_hold.{7}", f"{RULES}{RUNBOOK}")) == {"release_hold --list"}


def test_the_runbook_explains_no_alert_that_does_not_exist():
    assert set(re.findall(r"^\| `(\w+)` \|", RUNBOOK, re.MULTILINE)) == {rule["alert"] for rule in RULES}


def test_what_holds_alerts_back_names_alerts_that_exist():
    told = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())["inhibit_rules"]
    texts = [text for one in told for kind in ("source_matchers", "target_matchers") for text in one[kind]]
    named = {word for text in texts for word in re.findall(r"\w+(?=[\"|])", text)}
    assert named - {"Hub"} <= {rule["alert"] for rule in RULES}
