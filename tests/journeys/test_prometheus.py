"""A real Prometheus scrapes a real hub with several workers: targets, rules, alerts and the dashboard's queries."""

import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live import LiveHub, end, free_port, live_hub
from tests.prove.__main__ import redis_server
from wireguard.keys import generate_private_key, public_key_of

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CALLS = 40
REPORTS = """
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from hubproject.models import TimerReport
from hubproject.timer_reports import report
now = timezone.now()
for errand in TimerReport.Errand:
    report(errand, is_good=errand != "permissions check", sentence="x", now=now, expires_at=now + timedelta(days=30))
"""


class Prometheus:
    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: str) -> Any:
        with urllib.request.urlopen(
            f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=30
        ) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def value(self, expression: str) -> float | None:
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def are_up(self) -> bool:
        try:
            return {target["health"] for target in self.ask("targets")["activeTargets"]} == {"up"}
        except OSError:
            return False

    def healths_of_rules(self) -> set[str]:
        return {rule["health"] for group in self.ask("rules")["groups"] for rule in group["rules"]}

    def alerts(self) -> dict[str, str]:
        return {found["labels"]["alertname"]: found["state"] for found in self.ask("alerts")["alerts"]}


@contextmanager
def running(hub: LiveHub, home: Path) -> Iterator[Prometheus]:
    """Prometheus with the configuration and rules of `deploy`, asking every second instead of every 15."""
    exporter, port = free_port(), free_port()
    text = (DEPLOY / "prometheus/prometheus.yml").read_text().replace("15s", "1s")
    text = text.replace("127.0.0.1:9586", hub.url.partition("//")[2]).replace("localhost:9100", f"127.0.0.1:{exporter}")
    text = text.replace("/etc/prometheus/wireguard-hub-alerts.yml", str(DEPLOY / "prometheus/alerts.yml"))
    (home / "prometheus.yml").write_text(text)
    hub.start(["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{exporter}"])
    options = [f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/tsdb"]
    process = hub.start(["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"])
    try:
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        end(process)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LiveHub]:
    with (
        redis_server() as redis_url,
        live_hub(tmp_path / "hub", HUB_WORKERS="3", REDIS_URL=redis_url, TMPDIR=str(tmp_path)) as hub,
    ):
        yield hub


def enrol(hub: LiveHub, name: str, **fields: Any) -> None:
    issued = hub.call("POST", "/api/installation/token", {"spokeName": name}, role="operator")[1]
    key = public_key_of(generate_private_key())
    body = {"token": issued["token"]["token"], "publicKey": key, "os": "linux", **fields}
    assert hub.call("POST", "/api/spoke/register", body)[0] == 201


def test_prometheus_reads_the_hub_and_every_rule_and_panel_has_something_to_read(hub, tmp_path):
    hub.start_web()
    hub.start_agent()
    subprocess.run([sys.executable, "-c", REPORTS], env=hub.environment | SETTINGS, cwd=ROOT, check=True)
    enrol(hub, "laptop")
    enrol(hub, "pve1", os="proxmox", isProxmox=True, proxmoxClusterName="lab")
    for _ in range(CALLS):
        assert hub.call("GET", "/api/spoke/list", role="viewer")[0] == 200
    with running(hub, tmp_path) as prometheus:
        hub.wait_for(prometheus.are_up, 60)
        lists = 'wireguard_api_request_duration_seconds_count{route="/api/spoke/list",status="200"}'
        hub.wait_for(lambda: prometheus.value(lists) == CALLS, 60)  # whichever of three workers answered
        hub.wait_for(lambda: prometheus.value("wireguard_spokes_registered_total") == 2, 60)
        hub.wait_for(lambda: prometheus.value("wireguard_agent_up") == 1, 60)
        hub.wait_for(lambda: prometheus.value(f"count_over_time({lists}[1m])") >= 2, 60)
        hub.wait_for(lambda: prometheus.alerts().get("HubDatabasePermissions") == "firing", 60)
        hub.wait_for(lambda: prometheus.healths_of_rules() == {"ok"}, 60)
        assert "HubBackupMissing" not in prometheus.alerts()
        check_the_dashboard(prometheus)
    assert len(list(tmp_path.glob("wireguard-hub-metrics-*/histogram_*.db"))) == 3
    hub.stop()
    assert not list(tmp_path.glob("wireguard-hub-metrics-*"))


SETTINGS = {"DJANGO_SETTINGS_MODULE": "hubproject.settings", "PYTHONPATH": str(ROOT)}


# --- The dashboard ------------------------------------------------------------------------------------------------

NAME = r"\b(?:wireguard|django|node)_\w+"
# Nobody has shaken hands with this hub: its backend moves no packet.
NOT_SEEN_HERE = {"wireguard_spoke_last_handshake_timestamp_seconds"}


def check_the_dashboard(prometheus: Prometheus) -> None:
    """Every query is answered, of metrics and labels that are there."""
    dashboard = json.loads((DEPLOY / "grafana/wireguard-hub.json").read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == ["Hub Overview", "Spoke Activity", "System Health", "API Performance"]
    for panel in panels:
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            check_query(prometheus, panel["title"], target["expr"], target["legendFormat"])


def check_query(prometheus: Prometheus, title: str, expression: str, legend: str) -> None:
    for variable, value in {"$__rate_interval": "1m", "$node_job": "node", "$job": "wireguard-hub"}.items():
        expression = expression.replace(variable, value)
    prometheus.query(expression)  # refused with an error when it cannot be read
    used = set(re.findall(NAME, expression)) - NOT_SEEN_HERE
    for name in used:
        labels = {label for series in prometheus.ask("series", **{"match[]": name}) for label in series}
        assert labels, f"{title}: nobody exports {name}"
        selectors = re.findall(rf"{name}\{{([^}}]*)\}}", expression)
        asked = {label for inside in selectors for label in re.findall(r"(\w+)(?==|!)", inside)}
        asked |= set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert asked <= labels, f"{title}: {name} has no {asked - labels}"
