"""Caddy as the product configures it: the same answers as nginx gives, before the same hub."""

import dataclasses
import subprocess
from collections.abc import Iterator

import pytest

from tests.deploy.front import HASHED, NAME, Front, listens
from tests.live import ROOT, end, free_port


@pytest.fixture(scope="module")
def caddy(front: Front) -> Iterator[Front]:
    behind = dataclasses.replace(front, tls=free_port(), plain=free_port(), metrics=free_port(), nginx=None)
    (front.home / "Caddyfile").write_text(configuration(behind))
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(front.home / "Caddyfile")]
    process = front.hub.start(["env", f"XDG_DATA_HOME={front.home}", f"XDG_CONFIG_HOME={front.home}", *command])
    front.hub.wait_for(lambda: all(map(listens, (behind.tls, behind.plain, behind.metrics))))
    yield behind
    end(process)


def configuration(front: Front) -> str:
    """The template with other ports and places, and a certificate that is at hand."""
    replacements = {
        "\tadmin off\n": f"\tadmin off\n\tauto_https off\n\thttp_port {front.plain}\n\thttps_port {front.tls}\n",
        "@SERVER_NAME@": NAME,
        "\ttls {": f"\ttls {front.home}/certificate.pem {front.home}/key.pem {{",
        ":9586": f":{front.metrics}",
        "/run/wireguard-hub/web.sock": f"{front.home}/web.sock",
        "/opt/wireguard-hub/current": f"{front.home}/current",
    }
    text = (ROOT / "deploy/caddy/Caddyfile").read_text()
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_caddy_takes_the_file_as_it_is_shipped(tmp_path):
    file = tmp_path / "Caddyfile"
    file.write_text((ROOT / "deploy/caddy/Caddyfile").read_text().replace("@SERVER_NAME@", NAME))
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin"})
    assert done.returncode == 0, done.stderr


def test_the_hub_answers_over_tls_and_demands_it_once(caddy):
    for path in ("/api/healthz", "/account/login", f"/static/{HASHED}", "/api/metrics"):
        assert caddy.ask("GET", path).all("Strict-Transport-Security") == ["max-age=31536000; includeSubDomains"]


def test_a_client_is_who_it_is_whatever_it_says(caddy):
    claims = {"X-Forwarded-For": "203.0.113.77", "X-Real-IP": "203.0.113.77", "Forwarded": "for=203.0.113.77"}
    answer = caddy.ask("POST", "/api/installation/token", {"spokeName": "spoofer-2"}, role="operator", **claims)
    assert answer.status == 201
    told = caddy.hub.manage("shell", "-c", "from hubproject.models import *; print(list(AuditEvent.objects.values()))")
    assert "spoofer-2" in told
    assert "203.0.113.77" not in told


def test_numbers_are_for_this_machine_and_for_keys(caddy):
    for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}):
        refused = caddy.ask("GET", "/api/metrics", **headers)
        assert (refused.status, refused.json()["code"]) == (401, "NOT_AUTHENTICATED")
    assert caddy.ask_plainly(caddy.metrics, "GET", "/api/healthz", Host="localhost").status == 404


@pytest.mark.parametrize("path", ["/api/installation/script/{}", "//api/installation/script/{}"])
def test_a_token_over_plain_http_is_refused_and_people_are_sent_on(caddy, path):
    refused = caddy.ask_plainly(caddy.plain, "GET", path.format("s" * 43))
    assert (refused.status, refused.all("Location")) == (403, [])
    moved = caddy.ask_plainly(caddy.plain, "GET", "/admin/?x=1")
    assert (moved.status, moved.all("Location")) == (301, [f"https://{NAME}/admin/?x=1"])


def test_collected_files_are_kept_for_good_and_others_are_the_hubs(caddy):
    assert caddy.ask("GET", f"/static/{HASHED}").all("Cache-Control") == ["public, max-age=31536000, immutable"]
    assert caddy.ask("GET", "/static/gone.0123456789ab.css").status == 404
    assert caddy.ask("GET", "/static/hub.css").status == 200


def test_without_the_hub_programs_get_the_one_shape_and_people_a_page(front, caddy):
    end(front.web)
    try:
        for_programs, for_people = caddy.ask("GET", "/api/healthz"), caddy.ask("GET", "/admin/")
    finally:
        front.start_web()
    assert (for_programs.status, for_programs.json()["code"]) == (503, "HUB_UNAVAILABLE")
    assert (for_people.status, b"<h1>" in for_people.body) == (503, True)


def test_no_token_is_in_what_caddy_says(caddy):
    token = "t" * 43
    caddy.ask("GET", f"/api/installation/script/{token}?platform=linux")
    last = caddy.ask("GET", f"/api/installation/script/{token}?platform=windows").all("X-Request-Id")[0]
    caddy.ask_plainly(caddy.plain, "GET", f"/api/installation/script/{token}")
    caddy.hub.wait_for(lambda: last in caddy.logs())  # a line is written when its answer has gone
    assert token not in caddy.logs()
