"""`GET /api/metrics` says how the hub is in Prometheus' words, to the hub's own machine and to whoever has a key."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from hubproject.metrics import metrics_text
from hubproject.models import Role, TimerReport
from hubproject.timer_reports import report
from proxmox.models import Cluster
from spokes.services import remove_spoke
from tests.conftest import BY_TEST, NOW, agent_has_applied, assert_refused, client_with_key, enrol, issue, register
from tests.fleet import seed_fleet
from tokens.errors import SpokeNameInUse
from tokens.services import reissue_token
from wireguard.models import HubConfig, Peer, PeerStatus

OUTSIDE = "198.51.100.7"
# Every name of the contract.
NAMES = [
    "wireguard_tokens_generated_total",
    "wireguard_tokens_claimed_total",
    "wireguard_spokes_registered_total",
    "wireguard_api_request_duration_seconds_bucket",
    "wireguard_spokes_total",
    "wireguard_spokes_active",
    "wireguard_spokes_inactive",
    "wireguard_spokes_pending",
    "wireguard_spoke_last_handshake_timestamp_seconds",
    "wireguard_spoke_received_bytes_total",
    "wireguard_spoke_transmitted_bytes_total",
    "wireguard_handshake_failures_total",
    "wireguard_handshake_interval_seconds_bucket",
    "wireguard_interface_up",
    "wireguard_interface_up_since_seconds",
    "wireguard_sync_age_seconds",
    "wireguard_unapplied_changes",
    "wireguard_drift_repairs_total",
    "wireguard_pool_addresses",
    "wireguard_received_bytes_total",
    "wireguard_transmitted_bytes_total",
    "wireguard_proxmox_nodes",
    "wireguard_backup_age_seconds",
    "wireguard_certificate_expiry_seconds",
    "wireguard_audit_ok",
    "wireguard_database_permissions_ok",
]


def values(text: str | None = None) -> dict[str, float]:
    """Every line by its name and labels, such as `x{a="b"}`."""
    found = {}
    for family in text_string_to_metric_families(metrics_text(timezone.now()) if text is None else text):
        for line in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in line.labels.items())
            found[f"{line.name}{{{labels}}}" if labels else line.name] = line.value
    return found


def asked(path: str = "/api/metrics", client: Client | None = None, **environ: Any) -> Any:
    return (client or Client()).get(path, **environ)


# --- Who may ask --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("proxies", "remote", "headers", "status"),
    [
        (0, "127.0.0.1", {}, 200),
        (0, "127.8.9.1", {}, 200),
        (0, "::1", {}, 200),
        (0, "::ffff:127.0.0.1", {}, 200),
        (0, OUTSIDE, {}, 401),
        (0, "", {}, 401),
        (0, "localhost", {}, 401),
        (0, OUTSIDE, {"X-Forwarded-For": "127.0.0.1"}, 401),
        (0, "127.0.0.1", {"X-Forwarded-For": OUTSIDE}, 401),
        (0, "127.0.0.1", {"Forwarded": f"for={OUTSIDE}"}, 401),
        (1, "", {"X-Forwarded-For": "127.0.0.1"}, 200),
        (1, "", {"X-Forwarded-For": f"127.0.0.1, {OUTSIDE}"}, 401),
        (1, "127.0.0.1", {}, 401),
        (1, "127.0.0.1", {"X-Forwarded-For": OUTSIDE}, 401),
    ],
)
def test_nobody_is_needed_from_the_loopback_address_alone(settings, proxies, remote, headers, status):
    settings.HUB_TRUSTED_PROXIES = proxies
    assert asked(REMOTE_ADDR=remote, headers=headers).status_code == status


@pytest.mark.django_db
def test_from_elsewhere_a_key_or_a_session_is_needed():
    assert asked(client=client_with_key(Role.VIEWER), REMOTE_ADDR=OUTSIDE).status_code == 200
    session = Client()
    session.force_login(User.objects.create_superuser("alice"))
    assert asked(client=session, REMOTE_ADDR=OUTSIDE).status_code == 200
    wrong = Client(headers={"Authorization": "Bearer wgh_wrong"})
    assert_refused(asked(client=wrong), 401, "NOT_AUTHENTICATED")


@pytest.mark.django_db
def test_it_is_read_only_and_takes_no_parameters():
    for method in ("head", "post", "put", "delete"):
        assert getattr(Client(), method)("/api/metrics").status_code == 405
    assert_refused(asked("/api/metrics?colour=red"), 400, "VALIDATION_ERROR")


# --- What it says -------------------------------------------------------------------------------------------------


@pytest.fixture
def busy(hub):
    """A hub in which everything the contract names has a value."""
    enrol("alpha"), enrol("pve1", os="proxmox", isProxmox=True, proxmoxClusterName="lab")
    PeerStatus.objects.create(
        peer=Peer.objects.earliest("id"), heard_at=NOW, latest_handshake_at=NOW, transfer_rx=7, transfer_tx=8
    )
    agent_has_applied(1, synced_at=NOW - timedelta(seconds=4), interface_up_since=NOW, drift_repairs={"mtu": 3})
    for errand in TimerReport.Errand:
        report(errand, is_good=True, sentence="Well.", now=NOW, expires_at=NOW + timedelta(days=9))
    return hub


def test_every_name_of_the_contract_is_there_and_promtool_finds_nothing_wrong(busy):
    asked("/api/healthz")
    answer = asked()
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {name.partition("{")[0] for name in values(answer.content.decode())}
    assert set(NAMES) - found == set()
    assert {name for name in found if name.startswith("django_")} >= {
        "django_http_requests_total_by_method_total",
        "django_db_query_duration_seconds_bucket",
    }
    done = subprocess.run(["promtool", "check", "metrics"], input=answer.content, capture_output=True)
    # The contract's own name, which a linter takes for a counter's.
    assert done.stderr.decode().splitlines() == [
        'wireguard_spokes_total non-counter metrics should not have "_total" suffix'
    ]


def test_the_figures_are_those_of_the_database(busy):
    found = values()
    assert found['wireguard_spoke_received_bytes_total{spoke="alpha"}'] == 7
    assert found['wireguard_spoke_last_handshake_timestamp_seconds{spoke="alpha"}'] == NOW.timestamp()
    assert 'wireguard_spoke_last_handshake_timestamp_seconds{spoke="pve1"}' not in found
    expected: dict[str, float] = {
        "spokes_total": 2,
        "spokes_active": 1,
        "spokes_inactive": 0,
        "spokes_pending": 1,
        "agent_up": 1,
    }
    expected |= {"interface_up": 1, "interface_up_since_seconds": NOW.timestamp(), "sync_age_seconds": 4}
    expected |= {"unapplied_changes": HubConfig.objects.get().generation - 1, 'drift_repairs_total{kind="mtu"}': 3}
    expected |= {'pool_addresses{state="used"}': 2, 'pool_addresses{state="free"}': 251}
    expected |= {'proxmox_nodes{cluster="lab",state="pending"}': 1, 'proxmox_nodes{cluster="lab",state="active"}': 0}
    expected |= {"backup_age_seconds": 0, "certificate_expiry_seconds": 9 * 86400, "audit_ok": 1}
    assert {name: found[f"wireguard_{name}"] for name in expected} == expected


def test_what_was_done_is_counted_whoever_did_it_and_never_forgotten(hub, clock):
    first = issue("alpha")
    reissue_token(token_id=first.row.id, by=BY_TEST, now=NOW)
    spoke = enrol("beta")["spoke"]["id"]
    register("t" * 43)
    remove_spoke(spoke_id=spoke, by=BY_TEST, now=NOW)
    found = values()
    assert found["wireguard_tokens_generated_total"] == 3
    assert found["wireguard_spokes_registered_total"] == 1
    assert found["wireguard_spokes_total"] == 0


def test_an_act_that_is_undone_is_not_counted(hub):
    issue("alpha")
    with pytest.raises(SpokeNameInUse):
        issue("alpha")
    assert values()["wireguard_tokens_generated_total"] == 1


def test_before_there_is_a_hub_it_answers_all_the_same(db):
    found = values()
    assert found["wireguard_spokes_total"] == found["wireguard_interface_up"] == found["wireguard_agent_up"] == 0
    assert not {name for name in found if name.startswith(("wireguard_pool", "wireguard_sync", "wireguard_backup"))}


def test_a_check_that_nobody_makes_any_more_says_nothing(busy, clock):
    report(TimerReport.Errand.AUDIT_CHECK, is_good=False, sentence="Event 7 has been altered.", now=NOW)
    report(TimerReport.Errand.BACKUP, is_good=False, sentence="No space left.", now=NOW + timedelta(hours=1))
    clock.move_to(NOW + timedelta(hours=71))
    assert values()["wireguard_audit_ok"] == 0
    clock.move_to(NOW + timedelta(hours=73))
    found = values()
    assert "wireguard_audit_ok" not in found
    assert "wireguard_database_permissions_ok" not in found
    assert found["wireguard_backup_age_seconds"] == 73 * 3600
    assert found["wireguard_certificate_expiry_seconds"] == (9 * 24 - 73) * 3600


def test_clusters_of_one_name_are_told_apart(hub):
    for number in range(2):
        enrol(
            f"n{number}",
            os="proxmox",
            isProxmox=True,
            proxmoxClusterName='a"b\\c',
            proxmoxClusterFingerprint=f"{number}" * 64,
        )
    younger = Cluster.objects.order_by("created_at", "id").last()
    labels = {re.search(r'cluster="(.*)",state', name)[1] for name in values() if "proxmox_nodes" in name}
    assert labels == {'a"b\\c', f'a"b\\c ({younger.pk})'}


def test_series_of_each_spoke_can_be_switched_off(busy, settings):
    settings.HUB_METRICS_PER_SPOKE = False
    assert not [name for name in values() if name.startswith("wireguard_spoke_")]


def test_ten_times_the_fleet_takes_as_many_queries(db, clock, count_queries):
    seed_fleet(30, NOW)
    few = count_queries(values)
    seed_fleet(270, NOW, clusters=False)
    assert count_queries(values) == few <= 9


# --- Requests -----------------------------------------------------------------------------------------------------


def observed(before: str, after: str) -> dict[str, float]:
    """How often each kind of REST call was counted in between."""
    old, new = values(before), values(after)
    counts = {
        name: count - old.get(name, 0) for name, count in new.items() if "api_request_duration_seconds_count" in name
    }
    return {name.partition("{")[2]: count for name, count in counts.items() if count}


def test_calls_are_counted_by_pattern_and_nobody_makes_up_a_label(hub):
    before = asked().content.decode()
    secret = "s" * 43
    Client().get(f"/api/installation/script/{secret}?platform=linux")
    Client().get("/api/no/such/path")
    Client().generic("BREW", "/api/healthz")
    Client().get("/account/sign-in")
    after = asked().content.decode()
    assert secret not in after
    assert "such/path" not in after
    assert "BREW" not in after
    assert observed(before, after) == {
        'method="GET",route="/api/installation/script/<str:token>",status="404"}': 1,
        'method="GET",route="unmatched",status="404"}': 1,
        'method="other",route="/api/healthz",status="405"}': 1,
        'method="GET",route="/api/metrics",status="200"}': 1,
    }


ASK = """
import django
django.setup()
from django.test import Client
answer = Client().get("/api/metrics")
print(answer.status_code, answer.json()["code"], answer["Retry-After"])
"""


def test_without_the_database_it_is_503_like_every_call(settings):
    env = {**os.environ, "DATABASE_URL": "sqlite:////nonexistent/hub", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run([sys.executable, "-c", ASK], cwd=settings.BASE_DIR, env=env, capture_output=True, text=True)
    assert done.stdout == "503 DATABASE_UNAVAILABLE 5\n", done.stderr
