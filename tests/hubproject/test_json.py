"""JSON that could be read in two ways, or that no field takes, is refused and changes nothing."""

import gzip
import json

import pytest
from django.test import Client
from rest_framework.utils.serializer_helpers import BindingDict

from spokes.serializers import RegisterSpoke
from tests.conftest import JSON, assert_refused, enrol, everything, issue, new_key, refused_fields
from tokens.models import InstallationToken
from wireguard.models import HubConfig

pytestmark = pytest.mark.django_db

REGISTER = "/api/spoke/register"
LIMIT = 64 * 1024


def post(body: bytes, content_type: str = JSON, **headers: str):
    return Client().post(REGISTER, body, content_type=content_type, headers=headers)


def body_of_size(size: int) -> bytes:
    return b'{"padding": "' + b"x" * (size - 15) + b'"}'


def good_body() -> dict[str, object]:
    return {"token": issue().secret, "publicKey": new_key(), "os": "linux"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"os": "linux", "os": "linux"}', id="the same key twice"),
        pytest.param(b'{"metadata": {"a": 1, "a": 2}}', id="the same key twice further in"),
        pytest.param(b'{"metadata": {"a": NaN}}', id="NaN"),
        pytest.param(b'{"metadata": {"a": Infinity}}', id="Infinity"),
        pytest.param(b'{"metadata": {"a": -Infinity}}', id="-Infinity"),
        pytest.param(b'{"metadata": {"a": 1e999}}', id="1e999"),
        pytest.param(b'{"metadata": {"a": -1e999}}', id="-1e999"),
        pytest.param(b'{"metadata": {"a": ' + b"9" * 5000 + b"}}", id="5 000 digits"),
        pytest.param(b'{"os": "li\\u0000nux"}', id="NUL"),
        pytest.param(b'{"metadata": {"a\\u0000": 1}}', id="NUL in a key"),
        pytest.param(b'{"metadata": {"a": ["\\ud800"]}}', id="lone surrogate"),
        pytest.param(b'{"os": "\\udfff"}', id="lone low surrogate"),
        pytest.param(b'{"os": "\xff\xfe"}', id="not UTF-8"),
        pytest.param('{"os": "linux"}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'\xef\xbb\xbf{"os": "linux"}', id="byte order mark"),
        pytest.param(b'{"os": "li\nnux"}', id="bare newline in a text"),
        pytest.param(b'{"":' * 10_000 + b"1" + b"}" * 10_000, id="10 000 objects deep"),
        pytest.param(b"[" * 10_000 + b"]" * 10_000, id="10 000 lists deep"),
        pytest.param(b'{"metadata": ' + b"[" * 40 + b"]" * 40 + b"}", id="40 levels deep"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"linux"', id="a text"),
        pytest.param(b"null", id="null"),
        pytest.param(b"7", id="a number"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"{} {}", id="two objects"),
        pytest.param(b"{'os': 'linux'}", id="single quotes"),
        pytest.param(b'{"os": "linux",}', id="trailing comma"),
        pytest.param(b"os=linux", id="a form"),
    ],
)
def test_it_refuses_json_that_is_not_plainly_one_object(hub, body):
    before = everything()
    assert_refused(post(body), 400, "VALIDATION_ERROR")
    assert everything() == before


def test_an_empty_body_lacks_every_required_field(hub):
    assert set(refused_fields(post(b""))) == {"token", "publicKey", "os"}


def test_it_refuses_a_body_of_more_than_64_kib(hub):
    before = everything()
    for size in (LIMIT + 1, 10 * 1024 * 1024):
        assert_refused(post(body_of_size(size)), 413, "REQUEST_TOO_LARGE")
    assert everything() == before


@pytest.mark.parametrize("length", [str(LIMIT + 1), "9" * 18, "9" * 30])
def test_a_length_that_is_too_much_is_refused_before_the_body_has_come(hub, length):
    answer = Client().generic("POST", REGISTER, b"{", content_type=JSON, CONTENT_LENGTH=length)
    assert_refused(answer, 413, "REQUEST_TOO_LARGE")


def test_it_reads_a_body_of_64_kib(hub):
    assert len(body_of_size(LIMIT)) == LIMIT
    assert "padding" in refused_fields(post(body_of_size(LIMIT)))


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "application/json5",
        "*/*",
        "",
    ],
)
def test_it_refuses_another_content_type(hub, content_type):
    body = json.dumps(good_body()).encode()
    assert_refused(post(body, content_type), 415, "UNSUPPORTED_MEDIA_TYPE")


def test_it_takes_a_content_type_with_a_charset_and_in_capitals(hub):
    body = json.dumps(good_body()).encode()
    assert post(body, "Application/JSON; charset=utf-8").status_code == 201


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "nonsense"])
def test_it_refuses_a_compressed_body(hub, encoding):
    body = gzip.compress(json.dumps(good_body()).encode())
    answer = post(body, **{"Content-Encoding": encoding})
    assert_refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


NOT_TEXT = [5, 1.5, True, [], ["x"], {}, {"x": "y"}]
NOT_A_NUMBER = ["5", 1.5, 5.0, True, [5], {}]
NOT_A_LIST = ["1.1.1.1", 5, True, {}, {"0": "1.1.1.1"}, [5], [None], [["1.1.1.1"]], [{}], [""]]
NOT_A_BOOLEAN = ["true", "yes", 1, 0, [], {}]
NOT_AN_OBJECT = ["{}", 5, True, [], [["a", 1]]]
WRONG_TYPES = {
    "/api/hub/initialize": {
        "networkCIDR": NOT_TEXT,
        "endpoint": NOT_TEXT,
        "listenPort": NOT_A_NUMBER,
        "dns": NOT_A_LIST,
        "dnsDomains": NOT_A_LIST,
        "mtu": NOT_A_NUMBER,
        "persistentKeepalive": NOT_A_NUMBER,
    },
    "/api/installation/token": {
        "spokeName": NOT_TEXT,
        "customIP": NOT_TEXT,
        "expiresInHours": NOT_A_NUMBER,
        "platform": NOT_TEXT,
    },
    "/api/spoke/register": {
        "token": NOT_TEXT,
        "publicKey": NOT_TEXT,
        "os": NOT_TEXT,
        "isProxmox": NOT_A_BOOLEAN,
        "proxmoxNodeName": NOT_TEXT,
        "proxmoxClusterName": NOT_TEXT,
        "proxmoxClusterFingerprint": NOT_TEXT,
        "proxmoxVersion": NOT_TEXT,
        "metadata": NOT_AN_OBJECT,
    },
}
FIELDS = [(path, field) for path, fields in WRONG_TYPES.items() for field in fields]
REQUIRED = {
    "/api/hub/initialize": {"networkCIDR": "10.0.1.0/24", "endpoint": "hub.example.com:51820"},
    "/api/installation/token": {"spokeName": "alpha"},
    "/api/spoke/register": {"token": "t" * 43, "publicKey": "k" * 44, "os": "linux"},
}


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_it_refuses_a_value_of_another_type(admin, path, field):
    for wrong in WRONG_TYPES[path][field]:
        answer = admin.post(path, REQUIRED[path] | {field: wrong}, content_type=JSON)
        assert set(refused_fields(answer)) == {field}, wrong
    assert not HubConfig.objects.exists()
    assert not InstallationToken.objects.exists()


@pytest.mark.parametrize(("path", "field"), [(path, field) for path, body in REQUIRED.items() for field in body])
def test_it_refuses_a_required_field_that_is_missing_null_or_empty(admin, path, field):
    body = REQUIRED[path]
    without = {name: value for name, value in body.items() if name != field}
    for wrong in (without, body | {field: None}, body | {field: ""}):
        assert set(refused_fields(admin.post(path, wrong, content_type=JSON))) == {field}


@pytest.mark.parametrize("path", REQUIRED)
def test_it_refuses_a_field_it_does_not_know_and_names_it(admin, path):
    body = REQUIRED[path] | {"spokename": "x", "token_hash": "y"}
    assert set(refused_fields(admin.post(path, body, content_type=JSON))) == {"spokename", "token_hash"}


def calls_without_fields() -> list[str]:
    node = enrol("node", os="proxmox", proxmoxClusterName="lab")["spoke"]
    return [
        f"/api/installation/token/{issue('open').row.id}/reissue",
        f"/api/proxmox/clusters/{node['proxmoxClusterId']}/nodes/{node['id']}/confirm",
        "/api/hub/release-hold",
    ]


def test_what_is_sent_to_a_call_that_needs_nothing_is_refused_rather_than_ignored(hub, admin):
    for path in calls_without_fields():
        assert set(refused_fields(admin.post(path, {"expiresInHours": 1}, content_type=JSON))) == {"expiresInHours"}
        assert admin.post(path, "{", content_type=JSON).status_code == 400
        assert admin.post(path, "a=b", content_type="application/x-www-form-urlencoded").status_code == 415


@pytest.mark.parametrize("media_type", [JSON, "application/x-www-form-urlencoded", "text/plain"])
def test_a_call_that_needs_nothing_needs_no_body(hub, admin, media_type):
    for path in calls_without_fields():
        assert admin.generic("POST", path, b"", content_type=media_type).status_code in {200, 201}


def test_what_was_sent_is_not_kept_beyond_its_request(hub, monkeypatch):
    """A token would stay in memory for as long as the process lives."""
    monkeypatch.setattr("hubproject.api._FIELDS", {})  # as in a process that has answered nobody yet
    assert post(json.dumps(good_body()).encode()).status_code == 201
    for field in RegisterSpoke().fields.values():
        assert not hasattr(field.parent, "initial_data")


def test_no_thread_sees_the_fields_of_a_body_half_made(hub, monkeypatch):
    """It would refuse a good body of a process' first requests: "There is no such field." """
    whole: dict[type, BindingDict] = {}

    class Watched(BindingDict):
        def __setitem__(self, name, field):
            assert self not in whole.values()
            super().__setitem__(name, field)

    monkeypatch.setattr("hubproject.api._FIELDS", whole)
    monkeypatch.setattr("hubproject.api.BindingDict", Watched)
    assert post(json.dumps(good_body()).encode()).status_code == 201
    assert set(whole[RegisterSpoke]) == set(RegisterSpoke._declared_fields)
