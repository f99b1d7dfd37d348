"""Every answer the OpenAPI document declares can really be had, and is as declared: nothing in it is made up.

The middleware of `tests.contract` holds each answer to the document; here the calls are made that provoke them all.
"""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from hubproject.access import make_setup_code
from hubproject.models import Role
from tests.conftest import BY_TEST, JSON, NOW, agent_has_applied, client_with_key, enrol, issue, new_key, register
from tests.contract import SEEN, declared_answer, operations
from tokens.services import IssuedToken

pytestmark = pytest.mark.django_db

SOME_ID = "0a3ff0a6-8c7d-4c9b-9f4f-3a7a0c1d2e3f"
UNKNOWN_TOKEN = "t" * 43
# What cannot be provoked by a call alone; other tests bring it about.
ELSEWHERE = {"BAD_REQUEST", "INTERNAL_ERROR", "DATABASE_UNAVAILABLE", "SEALING_KEY_UNUSABLE"}
ELSEWHERE_ANSWERS = {
    ("getHealth", 503, ""),  # the database has to be away
    ("getInstallScript", 404, "NOT_FOUND"),  # a secret with a slash in it is another address
}


def declared() -> set[tuple[str, int, str]]:
    """(operation id, status, error code) of everything the document declares."""
    found = set()
    for name, operation in operations().items():
        for status in operation["responses"]:
            content = (declared_answer(operation, status) or {}).get("content", {})
            codes = content.get(JSON, {}).get("examples", {}) if int(status) >= 400 else {}
            found |= {(name, int(status), code) for code in codes or [""]}
    return {answer for answer in found if answer[2] not in ELSEWHERE} - ELSEWHERE_ANSWERS


def call(client: Client, operation: tuple[str, str], some_id: str = SOME_ID, **options: Any) -> Any:
    method, path = operation
    if method == "post":
        options = {"content_type": JSON, **options}
    return getattr(client, method)(re.sub(r"\{\w+\}", some_id, path), **options)


def addresses() -> dict[str, tuple[str, str]]:
    """Method and path of every operation by its id."""
    from hubproject.openapi import document

    paths = document()["paths"]
    return {told["operationId"]: (method, path) for path, methods in paths.items() for method, told in methods.items()}


def test_every_declared_answer_can_be_had(db, clock, settings, monkeypatch):
    monkeypatch.setattr("spokes.services.REMOVE_WAIT_SECONDS", 0)
    monkeypatch.setattr("spokes.services.REGISTER_WAIT_SECONDS", 0)
    SEEN.answers.clear()
    admin = client_with_key(Role.ADMIN)
    without_a_hub(admin)
    of_the_hub(admin)
    of_tokens(admin)
    whatever_the_call(admin)
    of_scripts()
    of_spokes(admin, clock)
    of_clusters(admin)
    of_a_small_network(admin)
    past_the_limits(admin, settings)
    assert sorted(declared() - SEEN.answers) == []


def without_a_hub(admin: Client) -> None:
    for name in ("getHubConfig", "getHubStatus", "reissueToken", "revokeToken", "confirmNode", "unconfirmNode"):
        call(admin, addresses()[name])
    admin.put("/api/hub/config", {"mtu": 1400}, content_type=JSON)
    admin.post("/api/installation/token", {"spokeName": "alpha"}, content_type=JSON)
    register(UNKNOWN_TOKEN)


def whatever_the_call(admin: Client) -> None:
    """What the frame answers, for every call that declares it."""
    nobody, forged = Client(), Client(enforce_csrf_checks=True)
    forged.force_login(User.objects.create_user("without a role"))
    wrong_key = Client(headers={"Authorization": "Bearer wgh_wrong"})
    cluster = enrol("a-node", os="proxmox", proxmoxClusterName="other")["spoke"]["proxmoxClusterId"]
    for name, address in addresses().items():
        if name == "initializeHub":
            call(client_with_key(Role.VIEWER), address, data={}, content_type=JSON)
        for client in (nobody, forged, wrong_key):
            call(client, address, REMOTE_ADDR="198.51.100.7")
        if "{" in address[1]:
            call(admin, address)
        call(admin, (address[0], f"{address[1]}?colour=red"))
        if "requestBody" in operations()[name]:
            for body, media_type in (("{}x", JSON), ("{}", "text/plain"), ('"' + "x" * 70_000 + '"', JSON)):
                call(admin, address, cluster, data=body, content_type=media_type)
            call(admin, address, cluster, data={"colour": "red"}, content_type=JSON)


def of_the_hub(admin: Client) -> None:
    code = make_setup_code(by=BY_TEST, now=NOW)
    body = {"networkCIDR": "10.0.1.0/24", "endpoint": "hub.example.com:51820"}
    for _ in range(2):
        Client(headers={"X-Setup-Code": code}).post("/api/hub/initialize", body, content_type=JSON)
    agent_has_applied()
    admin.get("/api/hub/config")
    admin.get("/api/hub/status")
    admin.put("/api/hub/config", {"mtu": 1400}, content_type=JSON)
    for address in ("/api/healthz", "/api/metrics", "/api/schema", "/api/docs"):
        admin.get(address)
    Client().get("/api/docs", headers={"Accept": "text/html"})


def of_tokens(admin: Client) -> None:
    def issue_by_rest(**body: Any) -> Any:
        answer = admin.post("/api/installation/token", body, content_type=JSON)
        return dict(answer.json())

    def reissue(token_id: str) -> None:
        admin.post(f"/api/installation/token/{token_id}/reissue", content_type=JSON)

    first = issue_by_rest(spokeName="first", customIP="10.0.1.9")["token"]["id"]
    issue_by_rest(spokeName="first")
    issue_by_rest(spokeName="second", customIP="10.0.1.9")
    admin.put("/api/hub/config", {"networkCIDR": "10.9.0.0/24"}, content_type=JSON)
    admin.get("/api/installation/tokens")
    admin.get(f"/api/installation/token/{first}")
    admin.delete(f"/api/installation/token/{first}")
    admin.put("/api/hub/config", {"networkCIDR": "10.9.0.0/24"}, content_type=JSON)
    admin.put("/api/hub/config", {"networkCIDR": "10.0.1.0/24"}, content_type=JSON)
    in_its_place = issue_by_rest(spokeName="first")["token"]["id"]
    reissue(first)  # its name is taken
    admin.delete(f"/api/installation/token/{in_its_place}")
    in_its_place = issue_by_rest(spokeName="other", customIP="10.0.1.9")["token"]["id"]
    reissue(first)  # its address is taken
    admin.delete(f"/api/installation/token/{in_its_place}")
    reissue(first)
    used = issue("used")
    register(used.secret)
    reissue(str(used.row.id))
    admin.delete(f"/api/installation/token/{used.row.id}")


def fetch(issued: IssuedToken | str, query: str = "platform=linux", **headers: str) -> Any:
    secret = issued if isinstance(issued, str) else issued.secret
    return Client().get(f"/api/installation/script/{secret}?{query}", headers=headers)


def of_scripts() -> None:
    token = issue("fetched")
    fetch(token, Accept="text/html")
    fetch(token, "platform=amiga")
    fetch(token, f"platform=linux&sha256={'0' * 64}")
    fetch(token, "platform=linux&colour=red")
    fetch(token, Range="bytes=0-1")
    fetch("short")
    fetch(UNKNOWN_TOKEN)
    fetch(token)
    fetch(token)
    for platform in ("linux", "amiga"):
        Client().get("/api/installation/uninstall", {"platform": platform})


def of_spokes(admin: Client, clock: Any) -> None:
    key, token = new_key(), issue("alpha")
    register(token.secret, "rubbish")
    for public_key in (key, key, new_key()):
        register(token.secret, public_key)
    register(issue("beta").secret, key)
    register("short")
    register(UNKNOWN_TOKEN)
    revoked, late = issue("revoked"), issue("late", expires_in_hours=1)
    admin.delete(f"/api/installation/token/{revoked.row.id}")
    clock.shift(timedelta(hours=2))
    for unfit in (revoked, late):
        register(unfit.secret)
        fetch(unfit)
    agent_has_applied()
    admin.get("/api/spoke/list")
    admin.get(f"/api/spoke/{token.row.spoke_id}/status")
    admin.delete(f"/api/spoke/{token.row.spoke_id}")
    spoke = enrol("gamma")["spokeId"]
    agent_has_applied(0)
    admin.delete(f"/api/spoke/{spoke}")
    agent_has_applied()


def of_clusters(admin: Client) -> None:
    node = enrol("node", os="proxmox", proxmoxClusterName="pve", proxmoxNodeName="pve1")
    cluster = f"/api/proxmox/clusters/{node['spoke']['proxmoxClusterId']}"
    admin.get("/api/proxmox/clusters")
    admin.get(cluster)
    admin.put(cluster, {"datacenter": "Berlin"}, content_type=JSON)
    admin.post(f"{cluster}/nodes/{node['spokeId']}/confirm", content_type=JSON)
    admin.delete(f"{cluster}/nodes/{node['spokeId']}/confirm")
    for address in (cluster, f"/api/spoke/{node['spokeId']}", cluster):
        admin.delete(address)


def of_a_small_network(admin: Client) -> None:
    for token in admin.get("/api/installation/tokens").json()["tokens"]:
        admin.delete(f"/api/installation/token/{token['id']}")
    for spoke in admin.get("/api/spoke/list").json()["spokes"]:
        admin.delete(f"/api/spoke/{spoke['id']}")
    admin.put("/api/hub/config", {"networkCIDR": "10.9.0.0/30"}, content_type=JSON)
    for name in ("one", "two"):
        admin.post("/api/installation/token", {"spokeName": name}, content_type=JSON)


def past_the_limits(admin: Client, settings: Any) -> None:
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = 0
    call(admin, addresses()["issueToken"], data={"spokeName": "three"})
    call(admin, addresses()["reissueToken"])
    for _ in range(31):
        register(UNKNOWN_TOKEN)
    fetch(UNKNOWN_TOKEN)
