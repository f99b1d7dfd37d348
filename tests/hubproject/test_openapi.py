"""The OpenAPI document says all there is to say of the REST interface, and what it says is so."""

import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from drf_spectacular.renderers import OpenApiYamlRenderer
from jsonschema import Draft4Validator

from hubproject.openapi import document
from tests.conftest import assert_refused, refused_fields
from tests.contract import as_json_schema, operations, validator_of

SNAPSHOT = Path(__file__).parents[1] / "data" / "openapi.yaml"
RENEW = "The REST interface has changed. When that is meant, run `make schema` and commit tests/data/openapi.yaml."
SCHEMAS: dict[str, Any] = document()["components"]["schemas"]
REQUESTS = ["DescribeCluster", "InitializeHub", "IssueToken", "NoFields", "RegisterSpoke", "UpdateHub"]


def properties() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (component, name, told)
        for component, schema in SCHEMAS.items()
        for name, told in schema.get("properties", {}).items()
    ]


def is_nested(told: dict[str, Any]) -> bool:
    """Whether a field is an object, or a list of objects, whose own fields have examples."""
    part = told.get("items", told)
    reference = part.get("$ref") or next((other.get("$ref") for other in part.get("allOf", [])), None)
    return bool(reference) and "properties" in SCHEMAS[reference.rpartition("/")[2]]


# --- The document -------------------------------------------------------------------------------------------------


def test_the_document_is_as_it_was_reviewed():
    now = OpenApiYamlRenderer().render(document()).decode().splitlines()
    changes = list(difflib.unified_diff(SNAPSHOT.read_text().splitlines(), now, "reviewed", "now", lineterm="", n=5))
    assert not changes, "\n".join([RENEW, *changes[:200]])


def test_it_is_made_without_a_warning_and_is_valid(tmp_path):
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "openapi.yaml"))


def test_every_field_has_a_description_and_an_example():
    bare = [
        f"{component}.{name}"
        for component, name, told in properties()
        if not told.get("description") or ("example" not in told and not is_nested(told))
    ]
    assert bare == []


def test_every_example_is_one():
    for component, name, told in properties():
        if "example" in told:
            problems = list(validator_of(told).iter_errors(told["example"]))
            assert not problems, f"{component}.{name}: {problems}"


def test_every_refusal_shows_itself():
    shown = [answer for operation in operations().values() for answer in operation["responses"].values()]
    for answer in [*shown, *document()["components"]["responses"].values()]:
        content = answer.get("content", {}).get("application/json", {})
        for code, example in content.get("examples", {}).items():
            assert example["value"]["code"] == code
            assert validator_of(content["schema"]).is_valid(example["value"])


def test_every_call_has_a_name_a_summary_a_description_and_an_area():
    areas = {tag["name"] for tag in document()["tags"]}
    for operation in operations().values():
        assert operation["summary"]
        assert operation["description"]
        assert set(operation["tags"]) <= areas
    assert len(operations()) == sum(map(len, document()["paths"].values()))


def test_every_parameter_has_a_description():
    for name, operation in operations().items():
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), f"{name}: {parameter['name']}"


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_are_closed_and_null_stands_for_what_is_absent(name):
    schema = SCHEMAS[name]
    assert schema["additionalProperties"] is False
    optional = set(schema["properties"]) - set(schema.get("required", []))
    assert {field for field, told in schema["properties"].items() if told.get("nullable")} == optional


def test_bodies_are_json_and_nothing_else():
    bodies = [operation["requestBody"]["content"] for operation in operations().values() if "requestBody" in operation]
    assert {reference(body["application/json"]) for body in bodies} == set(REQUESTS)
    assert all(list(body) == ["application/json"] for body in bodies)


def reference(content: dict[str, Any]) -> str:
    return str(content["schema"]["$ref"]).rpartition("/")[2]


def test_only_the_calls_for_anybody_need_no_credentials():
    without = {name for name, operation in operations().items() if "security" not in operation}
    assert without == {"getHealth", "getInstallScript", "getUninstallScript", "registerSpoke"}
    assert {"setupCode": []} in operations()["initializeHub"]["security"]


def test_refusals_that_pass_say_when():
    answers = document()["components"]["responses"]
    assert answers["RateLimited"]["headers"]["Retry-After"]["required"]
    assert "Retry-After" in answers["DatabaseUnavailable"]["headers"]
    assert "expiresAt" in SCHEMAS["TokenExpiredError"]["required"]
    assert "fields" in SCHEMAS["ValidationError"]["properties"]


def test_the_checker_closes_objects_and_lets_null_be_where_it_may():
    closed = Draft4Validator(
        as_json_schema(
            {
                "type": "object",
                "required": ["a"],
                "properties": {"a": {"type": "string", "nullable": True}, "b": {"type": "integer"}},
            }
        )
    )
    assert closed.is_valid({"a": None})
    assert closed.is_valid({"a": "x", "b": 1})
    for wrong in ({}, {"a": 1}, {"a": "x", "b": None}, {"a": "x", "c": 1}):
        assert not closed.is_valid(wrong)


# --- GET /api/schema ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_viewer_reads_the_document_as_json(viewer):
    answer = viewer.get("/api/schema")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == document()


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["application/yaml", "text/yaml, */*", "Application/YAML"])
def test_it_comes_as_yaml_for_whoever_asks_for_it(viewer, accept):
    answer = viewer.get("/api/schema", headers={"Accept": accept})
    assert answer["Content-Type"].startswith("application/yaml")
    assert yaml.safe_load(answer.content) == document()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/schema", "/api/docs"])
@pytest.mark.parametrize("accept", ["*/*", "application/yaml", "application/json"])
def test_nobody_else_does_and_is_told_so_in_the_one_shape(path, accept):
    answer = Client().get(path, headers={"Accept": accept})
    assert_refused(answer, 401, "NOT_AUTHENTICATED")
    assert answer["Content-Type"] == "application/json"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/schema?version=%0a", "/api/schema?format=yaml", "/api/docs?lang=de"])
def test_there_are_no_other_parameters(viewer, path):
    assert refused_fields(viewer.get(path))


# --- GET /api/docs ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_page_has_nothing_inline_and_nothing_from_elsewhere(viewer):
    page = viewer.get("/api/docs").content.decode()
    assert "<style" not in page
    assert "style=" not in page
    assert page.count("<script") == page.count("<script src=")
    assert "//" not in page.replace("<!DOCTYPE html>", "").replace("http://www.w3.org", "")


@pytest.mark.django_db
def test_the_page_fetches_its_script_with_the_address_of_the_document(viewer):
    page = viewer.get("/api/docs").content.decode()
    assert 'src="/api/docs?script="' in page
    script = viewer.get("/api/docs?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert 'url: "/api/schema"' in script.content.decode()


@pytest.mark.django_db
def test_what_the_page_needs_is_served_from_here(viewer):
    page = viewer.get("/api/docs").content.decode()
    assets = [part.partition('"')[0] for part in page.split(settings.STATIC_URL)[1:]]
    assert len(assets) >= 5
    for asset in assets:
        answer = viewer.get(settings.STATIC_URL + asset)
        assert answer.status_code == 200, asset
        answer.close()


@pytest.mark.django_db
def test_a_browser_in_which_nobody_is_signed_in_is_led_to_the_sign_in_page():
    answer = Client().get("/api/docs", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 302
    assert answer["Location"].endswith("?next=/api/docs")


@pytest.mark.django_db
def test_a_wrong_key_is_refused_in_a_browser_too():
    headers = {"Accept": "text/html", "Authorization": "Bearer wgh_wrong"}
    assert_refused(Client().get("/api/docs", headers=headers), 401, "NOT_AUTHENTICATED")


@pytest.mark.django_db
def test_a_user_without_a_role_is_refused(django_user_model):
    client = Client()
    client.force_login(django_user_model.objects.create_user("nobody"))
    for path in ("/api/docs", "/api/schema"):
        assert_refused(client.get(path, headers={"Accept": "text/html"}), 403, "PERMISSION_DENIED")
