"""The setup code opens the door to the first set-up, and no other."""

import re

import pytest
from django.core.management import call_command
from django.test import Client

from hubproject.access import make_setup_code
from hubproject.models import AuditEvent, Setup
from tests.conftest import BY_TEST, JSON, NOW, assert_refused, everything, is_anywhere
from wireguard.models import HubConfig

pytestmark = pytest.mark.django_db

BODY = {"networkCIDR": "10.0.1.0/24", "endpoint": "hub.example.com:51820"}


@pytest.fixture
def code(db) -> str:
    return make_setup_code(by=BY_TEST, now=NOW)


def initialize(code: str, client: Client | None = None, body=BODY):
    headers = {"X-Setup-Code": code}
    return (client or Client()).post("/api/hub/initialize", body, content_type=JSON, headers=headers)


def test_it_opens_initialize_while_there_is_no_hub(code):
    assert initialize(code).status_code == 201
    assert AuditEvent.objects.get(event="hub.initialized").actor == "setup-code"


def test_it_may_be_typed_in_capitals_and_with_spaces_around(code):
    assert initialize(f" {code.upper()} ").status_code == 201


def test_it_opens_nothing_once_there_is_a_hub(code):
    initialize(code)
    before = everything()
    assert_refused(initialize(code), 409, "HUB_ALREADY_INITIALIZED")
    assert everything() == before


@pytest.mark.parametrize("wrong", ["x", "0000-0000-0000-0000-0000-0000-0000-0000", "\xff", "é" * 50])
def test_a_wrong_code_is_answered_401(code, wrong):
    assert_refused(initialize(wrong), 401, "NOT_AUTHENTICATED")
    assert not HubConfig.objects.exists()


def test_its_own_hash_does_not_open(code):
    assert_refused(initialize(Setup.objects.get().code_hash), 401, "NOT_AUTHENTICATED")


def test_no_code_is_answered_401(code):
    assert_refused(initialize(""), 401, "NOT_AUTHENTICATED")


def test_without_any_code_made_none_opens(db):
    assert_refused(initialize("0000-0000-0000-0000-0000-0000-0000-0000"), 401, "NOT_AUTHENTICATED")
    assert_refused(initialize(""), 401, "NOT_AUTHENTICATED")


def test_a_wrong_body_leaves_the_code_good(code):
    assert_refused(initialize(code, body={}), 400, "VALIDATION_ERROR")
    assert initialize(code).status_code == 201


def test_a_new_code_shuts_out_the_one_before(code):
    newer = make_setup_code(by=BY_TEST, now=NOW)
    assert_refused(initialize(code), 401, "NOT_AUTHENTICATED")
    assert initialize(newer).status_code == 201


def test_a_lesser_role_needs_the_code(code, operator):
    assert_refused(initialize("", operator), 403, "PERMISSION_DENIED")
    assert initialize(code, operator).status_code == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/hub/config"),
        ("get", "/api/hub/status"),
        ("get", "/api/spoke/list"),
        ("post", "/api/installation/token"),
    ],
)
def test_it_opens_no_other_call(code, method, path):
    answer = getattr(Client(), method)(path, content_type=JSON, headers={"X-Setup-Code": code})
    assert_refused(answer, 401, "NOT_AUTHENTICATED")


def test_only_its_hash_is_kept(code):
    assert not is_anywhere(code)
    assert not is_anywhere(code.replace("-", ""))


def test_the_command_prints_the_code_and_nothing_else(db, capsys):
    call_command("setup_code")
    out = capsys.readouterr().out
    assert re.fullmatch(r"([0-9a-f]{4}-){7}[0-9a-f]{4}\n", out)
    assert initialize(out.strip()).status_code == 201
