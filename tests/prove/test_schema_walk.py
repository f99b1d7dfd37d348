"""A small slice of the walk over the OpenAPI document, in every test run."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections

from hubproject import limits
from hubproject.access import create_api_key
from hubproject.models import Role
from hubproject.openapi import document
from tests.conftest import BY_TEST, agent_has_applied, enrol, issue
from tests.prove.schema_walk import Walked, walk
from wireguard.models import HubConfig

pytestmark = pytest.mark.django_db
CALLS = 460


def walk_here(document: dict[str, Any], **options: Any) -> Walked:
    """Walks the product in this process, which leaves the test's transaction and its connection alone meanwhile."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        return walk(document, base_url="http://testserver", app=get_wsgi_application(), **options)
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


def admin_key(hub: HubConfig) -> str:
    return create_api_key(name="admin", role=Role.ADMIN, by=BY_TEST, now=hub.created_at)


def test_generated_calls_are_answered_as_declared(hub, settings, monkeypatch):
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = 10**6
    monkeypatch.setattr(limits, "GUESSES_PER_MINUTE", 10**6)
    agent_has_applied()
    keys = {role.value: create_api_key(name=role.value, role=role, by=BY_TEST, now=hub.created_at) for role in Role}
    node = enrol("node", os="proxmox", proxmoxClusterName="pve", proxmoxNodeName="pve1")
    tokens = [issue(f"open-{number}") for number in range(3)]
    known = {
        "/api/installation/token/": [{"id": str(token.row.id)} for token in tokens],
        "/api/installation/script/": [{"token": token.secret} for token in tokens],
        "/api/spoke/": [{"id": enrol(name)["spokeId"]} for name in ("a", "b", "c")],
        "/api/proxmox/": [{"id": node["spoke"]["proxmoxClusterId"], "spokeId": node["spokeId"]}],
    }
    walked = walk_here(document(), calls=CALLS, keys=keys, known=known)
    assert walked.line()
    assert {200, 201, 400, 401, 403, 404} <= set(walked.statuses), walked.statuses


def wrong(path: str, change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """The document of one address, with something in it that is not so."""
    lying = copy.deepcopy(document())
    lying["paths"] = {path: lying["paths"][path]}
    change(lying)
    return lying


def only_parameter(whole: dict[str, Any], path: str, name: str) -> dict[str, Any]:
    """Leaves a call this parameter alone, so that whatever is generated wrong is wrong in it."""
    call = whole["paths"][path]["get"]
    call["parameters"] = [found for found in call["parameters"] if found["name"] == name]
    return dict(call["parameters"][0])


@pytest.mark.parametrize(
    ("path", "change", "breach"),
    [
        (
            "/api/hub/config",
            lambda lying: lying["components"]["schemas"]["HubConfig"]["properties"]["mtu"].update(type="string"),
            "GET /api/hub/config JsonSchemaError",
        ),
        (
            "/api/spoke/{id}/status",
            lambda lying: lying["paths"]["/api/spoke/{id}/status"]["get"]["responses"].pop("404"),
            "GET /api/spoke/{id}/status UndefinedStatusCode",
        ),
        (
            "/api/spoke/list",
            lambda lying: only_parameter(lying, "/api/spoke/list", "search")["schema"].update(type="integer"),
            "GET /api/spoke/list AcceptedNegativeData",
        ),
    ],
)
def test_the_walk_sees_what_is_not_so(hub, path, change, breach):
    walked = walk_here(wrong(path, change), calls=120, keys={"admin": admin_key(hub)})
    assert breach in {" ".join(key) for key in walked.breaches}
