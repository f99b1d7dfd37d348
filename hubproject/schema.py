"""The words in which each app's `schema.py` describes its REST calls.

drf-spectacular reads routes, serializers and types. What only a person knows is declared beside the views, not in
them: `describe` gives a serializer its name and each field its sentence and example, `declare` gives each action of a
viewset its summary, body, answers and refusals. `openapi` makes the document of it all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.views import APIView

from hubproject import errors
from hubproject.api import MAX_PAGE_SIZE, Done, DoneWithMessage, NoFields, PageOut, PageParameters
from hubproject.errors import HubError
from hubproject.liveness import Status

Schema = dict[str, Any]
SerializerClass = type[serializers.BaseSerializer[Any]]
_NO_EXAMPLE = object()

# --- What an app declares -----------------------------------------------------------------------------------------

_names: dict[type, str] = {}
_fields: dict[type, dict[str, Schema]] = {}
_details: dict[str, dict[str, Schema]] = {}


@dataclass(frozen=True, slots=True)
class Choices:
    """The values a field may have, under the name they have among the components."""

    name: str
    values: tuple[str, ...]

    def component(self) -> ResolvedComponent:
        schema = {"type": "string", "enum": list(self.values)}
        return ResolvedComponent(self.name, ResolvedComponent.SCHEMA, schema, self.name)


def field(sentence: str, example: Any = _NO_EXAMPLE, choices: Choices | None = None, **constraints: Any) -> Schema:
    """What to say of one field. Fields that are objects of their own need no example; theirs have them."""
    told = {"description": sentence, **constraints}
    if choices is not None:
        told["x-choices"] = choices
    return told if example is _NO_EXAMPLE else {**told, "example": example}


def describe(serializer: SerializerClass, name: str, /, **fields: Schema) -> None:
    """Gives a serializer its name among the components, and words to its fields; a subclass inherits the words."""
    extend_schema_serializer(many=False)(serializer)  # an action named `list` answers with an object all the same
    _names[serializer] = name
    _fields[serializer] = fields


def describe_details(refusal: type[HubError], /, **fields: Schema) -> None:
    """Says which details the body of a refusal carries beside the three fields that all have."""
    _details[refusal.code] = fields


def declare(viewset: type[APIView], /, *, tag: str, **actions: Callable[..., Any]) -> None:
    """Attaches to each action of a viewset what `call` says of it."""
    for action, decorate in actions.items():
        decorate(tag)(vars(viewset)[action])


def call(
    operation_id: str,
    summary: str,
    answers: Mapping[Any, Any],
    *,
    description: str = "",
    body: SerializerClass | None = None,
    query: SerializerClass | None = None,
    parameters: Iterable[OpenApiParameter] = (),
    refuses: Iterable[type[HubError]] = (),
    takes_setup_code: bool = False,
) -> Callable[[str], Callable[..., Any]]:
    """One call: `answers` maps a status (or a status with media types) to a serializer or an `answer`.

    Only refusals of the call's own are named here; a docstring of the view serves as description when none is given.
    """
    given = [*parameters, cast("Any", query)] if query else [*parameters]
    return lambda tag: extend_schema(
        operation_id=operation_id,
        summary=summary,
        description=description or None,
        tags=[tag],
        request=body,
        parameters=given,
        responses=dict(answers),
        extensions={"x-refuses": list(refuses), "x-setup-code": takes_setup_code},
    )


def answer(sentence: str, serializer: Any = None) -> OpenApiResponse:
    """An answer with a sentence that says when it comes and what it holds."""
    return OpenApiResponse(serializer, description=sentence)


def path_id(name: str, sentence: str, example: str) -> OpenApiParameter:
    """An id in the path, by its name in the route."""
    kind = {"type": "string", "format": "uuid", "example": example}
    return OpenApiParameter(name, kind, OpenApiParameter.PATH, description=sentence)


def text_of(example: str) -> Schema:
    """A body that is text, such as a script."""
    return {"type": "string", "example": example}


# --- What was declared, for `openapi` -----------------------------------------------------------------------------


def name_of(serializer: type) -> str | None:
    """The name that `describe` gave; None when it gave none."""
    return _names.get(serializer)


def fields_of(serializer: type) -> dict[str, Schema]:
    """The words for this very class's fields, not for those of the classes it is made of."""
    return _fields.get(serializer, {})


def details_of(refusal: type[HubError]) -> dict[str, Schema]:
    """What its body carries beside the three fields that all have."""
    return _details.get(refusal.code, {})


# --- What the calls share -----------------------------------------------------------------------------------------

describe(
    PageParameters,
    "PageParameters",
    page=field("Which page, counted from 1.", 1),
    pageSize=field(f"How many on a page, at most {MAX_PAGE_SIZE}.", 100),
)
describe_details(
    errors.InvalidFields,
    fields=field(
        "What is wrong, by field. Absent when the body could not be read as one JSON object.",
        {"spokeName": ["This field is required."]},
        type="object",
        additionalProperties={"type": "array", "items": {"type": "string"}, "minItems": 1},
    ),
)
EXAMPLE_ID = "0a3ff0a6-8c7d-4c9b-9f4f-3a7a0c1d2e3f"
EXAMPLE_KEY = "fE/wdxzl0klVp/IR8UcaoGUMjqaWi3jAd7KzHKFS6Ds="
EXAMPLE_TIME = "2026-03-01T12:00:00Z"
KEY_PATTERN = "^[A-Za-z0-9+/]{43}=$"
PLATFORMS = Choices("Platform", ("linux", "macos", "windows", "proxmox"))
SPOKE_STATUS = Choices("SpokeStatus", tuple(Status.values))
NO_STORE = OpenApiParameter(
    "Cache-Control",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="`no-store`: the answer holds a secret.",
    response=[200, 201],
)


describe(NoFields, "NoFields")
describe(Done, "Done", success=field("Always true; whatever fails is answered with an error.", True, enum=[True]))
describe(DoneWithMessage, "DoneWithMessage", message=field("What was done, as a sentence.", "Token revoked."))
describe(
    PageOut,
    "PageOut",
    page=field("The page this is, counted from 1.", 1),
    pageSize=field("How many rows a page has.", 1000),
    nextPage=field("The next page; null on the last.", None),
)
