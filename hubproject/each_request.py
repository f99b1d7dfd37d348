"""What is noted of every request: its id, a line in the log, how long it took. Not its path, which may hold a token."""

import re
import time
from collections.abc import Callable
from uuid import uuid4

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject
from django_prometheus.middleware import PrometheusAfterMiddleware
from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase
from structlog.contextvars import bound_contextvars

from hubproject.access import caller_of
from hubproject.api import client_address

METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
# What stands for a path that is no address of ours, and for a method nobody knows.
UNMATCHED = "unmatched"
OTHER = "other"
_GIVEN_ID = re.compile(r"[0-9A-Fa-f-]{16,36}", re.ASCII)

log = structlog.get_logger("hubproject.request")
duration = Histogram(
    "wireguard_api_request_duration_seconds",
    "How long REST calls took, by method, URL pattern and status.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class EachRequest:
    """Around everything else: whatever answers, the request has an id and is noted once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id, started = _id_of(request), time.perf_counter()
        with bound_contextvars(request_id=request_id):
            answer = self.get_response(request)
            _note(request, answer.status_code, time.perf_counter() - started)
        answer.headers["X-Request-Id"] = request_id
        return answer


def _id_of(request: HttpRequest) -> str:
    """The id that a proxy of ours gave it, so that both logs can be laid side by side; else a new one."""
    given = request.headers.get("X-Request-Id", "") if settings.HUB_TRUSTED_PROXIES else ""
    return given if _GIVEN_ID.fullmatch(given) else uuid4().hex


def _note(request: HttpRequest, status: int, seconds: float) -> None:
    method = request.method if request.method in METHODS else OTHER
    route = _route_of(request)
    if request.path_info.startswith("/api/"):
        duration.labels(method, route, str(status)).observe(seconds)
    write = log.error if status >= 500 else log.debug if route == settings.STATIC_URL else log.info
    write(
        "request",
        method=method,
        route=route,
        status=status,
        milliseconds=round(seconds * 1000, 1),
        actor=_actor_of(request),
        client=client_address(request),
    )


def _route_of(request: HttpRequest) -> str:
    """The URL pattern, such as `/api/spoke/<uuid:spoke_id>/status`."""
    if request.resolver_match is not None:
        return f"/{request.resolver_match.route}"
    return settings.STATIC_URL if request.path_info.startswith(settings.STATIC_URL) else UNMATCHED


def _actor_of(request: HttpRequest) -> str:
    """Who asked, as far as answering has found out: asking for more here would cost a query."""
    user = getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject):
        user = getattr(request, "_cached_user", None)
    return caller_of(user) if user is not None else "anonymous"


class CountedByView(PrometheusAfterMiddleware):  # type: ignore[misc] # the package has no types
    """django-prometheus' own counters, in which no caller can make up label values."""

    def process_request(self, request: HttpRequest) -> None:
        # The package takes the length for a number, whatever a client wrote there. One that is too long to count is
        # cut, and not forgotten: who says nothing of a length has sent no body.
        told = request.META.get("CONTENT_LENGTH") or ""
        if not re.fullmatch("[0-9]{0,18}", told, re.ASCII):
            request.META["CONTENT_LENGTH"] = "9" * 18 if re.fullmatch("[0-9]+", told, re.ASCII) else ""
            request.__dict__.pop("headers", None)
        super().process_request(request)

    def label_metric(
        self, metric: MetricWrapperBase, request: HttpRequest, response: HttpResponseBase | None = None, **labels: str
    ) -> MetricWrapperBase:
        if "method" in labels:
            labels["method"] = self._method(request)
        found: MetricWrapperBase = super().label_metric(metric, request, response, **labels)
        return found
