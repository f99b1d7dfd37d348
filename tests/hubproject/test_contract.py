"""The checker that holds every answer to the OpenAPI document sees what is not so."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import resolve

from hubproject import errors
from tests.contract import ContractBroken, check_answer
from tokens.errors import PoolExhausted

GOOD = {"status": "ok", "database": "ok", "agent": "ok"}


def request_for(path: str, method: str = "GET") -> HttpRequest:
    request = HttpRequest()
    request.method, request.path_info, request.resolver_match = method, path, resolve(path)
    return request


def refusal(kind: type[errors.HubError], **headers: str) -> HttpResponse:
    return JsonResponse(kind().body(), status=kind.status, headers=headers)


def test_it_accepts_what_is_as_declared():
    check_answer(request_for("/api/healthz"), JsonResponse(GOOD))
    check_answer(request_for("/api/hub/config"), refusal(errors.NotAuthenticated))
    check_answer(request_for("/api/installation/token", "POST"), refusal(PoolExhausted))
    check_answer(request_for("/api/installation/token", "DELETE"), refusal(errors.MethodNotAllowed))


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        pytest.param("/api/healthz", JsonResponse(GOOD | {"version": "1"}), id="a field too many"),
        pytest.param("/api/healthz", JsonResponse({"status": "ok", "database": "ok"}), id="a field missing"),
        pytest.param("/api/healthz", JsonResponse(GOOD | {"agent": "asleep"}), id="a word nobody declared"),
        pytest.param("/api/healthz", JsonResponse(GOOD | {"agent": None}), id="null where none may be"),
        pytest.param("/api/healthz", JsonResponse(GOOD, status=202), id="a status nobody declared"),
        pytest.param("/api/healthz", HttpResponse("ok", content_type="text/plain"), id="another media type"),
        pytest.param("/api/healthz", refusal(errors.NotAuthenticated), id="a refusal of other calls"),
        pytest.param("/api/hub/config", refusal(PoolExhausted), id="a code of other calls"),
        pytest.param(
            "/api/spoke/list",
            JsonResponse(errors.InvalidFields({"page": ["wrong"]}).body() | {"secret": "x"}, status=400),
            id="a detail nobody declared",
        ),
        pytest.param(
            "/api/installation/script/x",
            JsonResponse(errors.RateLimited(seconds=1).body(), status=429),
            id="a header missing",
        ),
    ],
)
def test_it_refuses_what_is_not(path: str, answer: Any):
    with pytest.raises(ContractBroken):
        check_answer(request_for(path), answer)


def test_an_address_outside_the_document_can_only_refuse_in_the_one_shape():
    with pytest.raises(ContractBroken):
        check_answer(request_for("/api/healthz", "PATCH"), JsonResponse({"detail": "no"}, status=405))
    with pytest.raises(ContractBroken):
        check_answer(request_for("/api/healthz", "PATCH"), JsonResponse(GOOD))
