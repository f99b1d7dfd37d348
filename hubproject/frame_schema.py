"""The frame's own calls, as /api/schema tells them."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from hubproject.docs import DocsViewSet, SchemaViewSet
from hubproject.errors import InvalidFields
from hubproject.metrics import MetricsViewSet
from hubproject.schema import answer, call, declare, describe, field, text_of
from hubproject.views import HealthViewSet


class Health(serializers.Serializer[Any]):
    """How the hub is, in three words."""

    status = serializers.ChoiceField(["ok", "degraded", "down"])
    database = serializers.ChoiceField(["ok", "down"])
    agent = serializers.ChoiceField(["ok", "behind", "down", "unmanaged", "unknown"])


describe(
    Health,
    "Health",
    status=field("`ok` when all is; `degraded` when the agent is not; `down` when the database is.", "ok"),
    database=field("Whether the database answers.", "ok"),
    agent=field("As in the hub's status; `unknown` while the database does not answer.", "ok"),
)
declare(
    HealthViewSet,
    tag="Operations",
    healthz=call(
        "getHealth",
        "Health",
        {
            200: answer("The database answers; the words say how the rest is.", Health),
            503: answer("The database is unreachable.", Health),
        },
        description="For load balancers and monitors: 503 only when the database is unreachable.",
        parameters=[
            OpenApiParameter(
                "Retry-After", int, OpenApiParameter.HEADER, description="Seconds until the next try.", response=[503]
            )
        ],
    ),
)
declare(
    MetricsViewSet,
    tag="Operations",
    metrics=call(
        "getMetrics",
        "Metrics",
        {
            (200, "text/plain"): answer(
                "Prometheus' text format, version 0.0.4.", text_of("wireguard_spokes_active 41\n")
            )
        },
        description="For Prometheus. From the loopback address of the machine that answers, no key is needed.",
        refuses=[InvalidFields],
    ),
)
declare(
    SchemaViewSet,
    tag="Operations",
    document=call(
        "getSchema",
        "This document",
        {
            (200, "application/json", "application/yaml"): answer(
                "The document.", {"type": "object", "additionalProperties": True}
            )
        },
        description="The OpenAPI document; YAML when `Accept` asks for it.",
        refuses=[InvalidFields],
    ),
)
declare(
    DocsViewSet,
    tag="Operations",
    page=call(
        "getDocs",
        "This document as a page",
        {
            (200, "text/html"): answer("The page, or with `?script` its script.", text_of("<!DOCTYPE html>…")),
            (200, "application/javascript"): text_of('"use strict";…'),
            302: answer("To the sign-in page, for a browser in which nobody is signed in."),
        },
        parameters=[
            OpenApiParameter(
                "script", str, description="Given by the page itself, to fetch its script.", allow_blank=True
            )
        ],
    ),
)
