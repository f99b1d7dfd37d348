"""Holds what the REST interface answers to what its OpenAPI document says: every answer that any test provokes.

The tests' settings put `AnswersFit` around everything else, so that a field missing from the document or from an
answer, an undeclared status, media type or error code fails the test that meets it.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from jsonschema import Draft4Validator, FormatChecker

from hubproject.openapi import document, wire_path

METHODS = {"get", "post", "put", "delete"}
SHAPE_OF_REFUSALS = {"error", "code", "recoveryHint"}


class ContractBroken(AssertionError):
    """An answer is not as the document says."""


@dataclass
class Seen:
    """Which calls were made, and how they were answered: (operation id, status, error code)."""

    answers: set[tuple[str, int, str]] = field(default_factory=set)


SEEN = Seen()


class AnswersFit:
    """Middleware around everything else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.get_response(request)
        if request.path_info.startswith("/api/"):
            check_answer(request, answer)
        return answer


def check_answer(request: HttpRequest, answer: Any) -> None:
    """Raises ContractBroken unless the document has this answer of this call."""
    about = f"{request.method} {request.path_info} answered {answer.status_code}"
    operation = operation_of(request)
    if operation is None:
        _check_undeclared(about, request, answer)
        return
    declared = declared_answer(operation, str(answer.status_code))
    if declared is None:
        raise ContractBroken(f"{about}, which {operation['operationId']} does not declare: {_text(answer)}")
    _check_headers(about, declared, answer)
    if "content" in declared:
        media_type = answer.headers.get("Content-Type", "").partition(";")[0]
        if media_type not in declared["content"]:
            raise ContractBroken(f"{about} as {media_type}, which it does not declare")
        if media_type == "application/json":
            _check_body(about, operation["operationId"], str(answer.status_code), answer)
    code = json.loads(answer.content)["code"] if answer.status_code >= 400 and b'"code"' in answer.content else ""
    SEEN.answers.add((operation["operationId"], answer.status_code, code))


def operation_of(request: HttpRequest) -> dict[str, Any] | None:
    """What the document says of this call; None for an unknown address or method."""
    if request.resolver_match is None or str(request.method).lower() not in METHODS:
        return None
    path, _ = wire_path(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{request.resolver_match.route}"))
    return dict(document()["paths"].get(path, {})).get(str(request.method).lower())


def _check_undeclared(about: str, request: HttpRequest, answer: Any) -> None:
    """An unknown address, an unknown method, a refused host, or HEAD, which DRF answers as a GET without a body."""
    if request.method == "HEAD":  # whose body only the server takes away
        return
    if answer.status_code not in {400, 401, 403, 404, 405, 503}:
        raise ContractBroken(f"{about}, and the document has no such call: {_text(answer)}")
    body = json.loads(answer.content)
    if not set(body) >= SHAPE_OF_REFUSALS:
        raise ContractBroken(f"{about} in another shape: {_text(answer)}")


def _check_headers(about: str, declared: dict[str, Any], answer: Any) -> None:
    missing = [
        name
        for name, header in declared.get("headers", {}).items()
        if header.get("required") and name not in answer.headers
    ]
    if missing:
        raise ContractBroken(f"{about} without {missing}")


def _check_body(about: str, operation_id: str, status: str, answer: Any) -> None:
    body = json.loads(answer.content)
    problems = sorted(validator(operation_id, status).iter_errors(body), key=lambda problem: str(problem.path))
    if problems:
        sentences = "; ".join(f"{'/'.join(map(str, problem.path)) or 'body'}: {_why(problem)}" for problem in problems)
        raise ContractBroken(f"{about}, not as {operation_id} declares it: {sentences}\n{_text(answer)}")


def _why(problem: Any) -> str:
    return str(problem.message)[:300]


def _text(answer: Any) -> str:
    return str(answer.content.decode(errors="replace")[:500])


# --- The document as JSON Schema ----------------------------------------------------------------------------------


@cache
def operations() -> dict[str, dict[str, Any]]:
    """Every operation by its id."""
    found = [operation for methods in document()["paths"].values() for operation in methods.values()]
    return {operation["operationId"]: operation for operation in found}


def declared_answer(operation: dict[str, Any], status: str) -> dict[str, Any] | None:
    """What the document says of an answer with this status."""
    declared = operation["responses"].get(status)
    if declared and "$ref" in declared:
        return dict(document()["components"]["responses"][declared["$ref"].rpartition("/")[2]])
    return declared


@cache
def validator(operation_id: str, status: str) -> Draft4Validator:
    """For the JSON body of an answer. Objects are closed: a field nobody declared is an error."""
    declared = declared_answer(operations()[operation_id], status) or {}
    return validator_of(declared["content"]["application/json"]["schema"])


def validator_of(schema: dict[str, Any]) -> Draft4Validator:
    components = {name: as_json_schema(part) for name, part in document()["components"]["schemas"].items()}
    whole = {**as_json_schema(schema), "components": {"schemas": components}}
    return Draft4Validator(whole, format_checker=FormatChecker())


def as_json_schema(schema: Any) -> Any:
    """OpenAPI 3.0's dialect in JSON Schema: `nullable` as a type, and objects with named fields closed."""
    if isinstance(schema, list):
        return [as_json_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: as_json_schema(part) for name, part in schema.items() if name not in {"nullable", "example"}}
    if isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found.setdefault("additionalProperties", False)
    if schema.get("nullable"):
        return {"anyOf": [found, {"enum": [None]}]}
    return found
