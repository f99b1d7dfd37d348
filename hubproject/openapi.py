"""The OpenAPI document of the REST interface: what drf-spectacular finds by itself, and what apps declare by `schema`.

What every call shares is added here: the role it needs, the ways to sign in, and the refusals that the frame itself may
answer with.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from hubproject import errors
from hubproject.access import ANYONE
from hubproject.api import QueryParameters, StrictSerializer
from hubproject.errors import HubError
from hubproject.schema import Schema, details_of, field, fields_of, name_of

JSON = "application/json"


class ToldSerializer(OpenApiSerializerExtension):
    """Adds what `describe` said to the schema of a serializer."""

    target_class = "rest_framework.serializers.Serializer"
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: Any) -> str | None:
        return name_of(type(self.target))

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        schema = cast("Schema", auto_schema._map_serializer(self.target, direction, bypass_extensions=True))  # noqa: SLF001 - how its documentation has it
        schema.pop("description", None)  # a docstring, which speaks to developers
        properties = schema.setdefault("properties", {})
        for part in properties.values():
            part.pop("readOnly", None)
            part.pop("x-spec-enum-id", None)
        for kind in reversed(type(self.target).__mro__):
            for name, told in fields_of(kind).items():
                properties[name] = _with_words(properties[name], told, auto_schema.registry)
        if isinstance(self.target, QueryParameters):
            return schema
        return _as_sent(schema) if isinstance(self.target, StrictSerializer) else _as_answered(schema)


def _as_sent(schema: Schema) -> Schema:
    """Unknown fields are refused; null for an optional one means absent."""
    optional = {
        name: _or_null(part) for name, part in schema["properties"].items() if name not in schema.get("required", [])
    }
    return {**schema, "properties": schema["properties"] | optional, "additionalProperties": False}


def _or_null(schema: Schema) -> Schema:
    if "allOf" not in schema:
        return {**schema, "nullable": True}
    others = {name: value for name, value in schema.items() if name != "allOf"}
    return {"oneOf": [*schema["allOf"], {"enum": [None]}], **others, "nullable": True}


def _as_answered(schema: Schema) -> Schema:
    """An answer always has all of its fields."""
    for part in schema["properties"].values():
        part.pop("default", None)
    return {**schema, "required": list(schema["properties"])}


def _with_words(schema: Schema, told: Schema, registry: ComponentRegistry) -> Schema:
    """What drf-spectacular found, and what a person said. Beside a `$ref` nothing else would count."""
    words = {name: value for name, value in told.items() if name != "x-choices"}
    if choices := told.get("x-choices"):
        component = choices.component()
        registry.register_on_missing(component)
        kept = {name: value for name, value in schema.items() if name in {"default", "nullable"}}
        return {"allOf": [component.ref], **kept, **words}
    return {"allOf": [schema], **words} if "$ref" in schema else {**schema, **words}


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "hubproject.access.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> Schema:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "wgh_…",
            "description": "An API key, as `Authorization: Bearer wgh_…`. It has a role and may expire.",
        }


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "rest_framework.authentication.SessionAuthentication"
    name = "session"
    match_subclasses = True

    def get_security_definition(self, auto_schema: AutoSchema) -> Schema:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The dashboard's session. Calls that change something also need `X-CSRFToken`.",
        }


SETUP_CODE_SCHEME: Schema = {
    "type": "apiKey",
    "in": "header",
    "name": "X-Setup-Code",
    "description": "The code that the command `setup_code` prints on the hub; it works while there is no hub.",
}


class CallSchema(AutoSchema):
    """A call with its role, its ways to sign in, and everything it can refuse."""

    def get_auth(self) -> list[Schema]:
        return super().get_auth() if self._role != ANYONE or self._takes_setup_code else []

    def get_operation(self, *arguments: Any, **options: Any) -> Schema | None:
        operation = super().get_operation(*arguments, **options)
        if operation is None:
            return None
        refusals = [*self._common_refusals(operation), *operation.pop("x-refuses", [])]
        operation["responses"] |= self._answers_of(refusals)
        operation["responses"] = dict(sorted(operation["responses"].items()))
        self._add_role(operation)
        return operation

    @property
    def _role(self) -> str:
        return str(getattr(self.view, "roles", {}).get(getattr(self.view, "action", None), ""))

    @property
    def _takes_setup_code(self) -> bool:
        return bool(self.get_extensions().get("x-setup-code"))

    def _add_role(self, operation: Schema) -> None:
        words = "Anyone may call this." if self._role == ANYONE else f"Needs the role **{self._role}**."
        if operation.pop("x-setup-code", False):
            words = "Needs the role **admin**, or the setup code while there is no hub."
            operation["security"].append({"setupCode": []})
            scheme = ResolvedComponent("setupCode", ResolvedComponent.SECURITY_SCHEMA, SETUP_CODE_SCHEME, "setupCode")
            self.registry.register_on_missing(scheme)
        operation["description"] = f"{operation.get('description', '')}\n\n{words}".strip()

    def _common_refusals(self, operation: Schema) -> list[type[HubError]]:
        """What the frame answers with, before or around the view."""
        is_anonymous = self._role == ANYONE and not self._takes_setup_code
        may_sign_in = bool(self.view.get_authenticators())
        is_reading = self.method == "GET"
        has_query = any(parameter["in"] == "query" for parameter in operation.get("parameters", []))
        conditions: list[tuple[bool, type[HubError]]] = [
            (True, errors.BadRequest),
            ("requestBody" in operation or has_query, errors.InvalidFields),
            (may_sign_in, errors.NotAuthenticated),
            (may_sign_in and not (is_anonymous and is_reading), errors.PermissionRefused),
            ("{" in self.path, errors.NotFound),
            ("requestBody" in operation, errors.RequestTooLarge),
            ("requestBody" in operation, errors.UnsupportedMediaType),
            (True, errors.InternalError),
            ("503" not in operation["responses"], errors.DatabaseUnavailable),
        ]
        return [refusal for is_so, refusal in conditions if is_so]

    def _answers_of(self, refusals: Iterable[type[HubError]]) -> Schema:
        """The last refusal of a code counts: a call's own says more than the frame's."""
        by_code = {(refusal.status, refusal.code): refusal for refusal in refusals}
        by_status: dict[str, list[type[HubError]]] = {}
        for (status, _), refusal in sorted(by_code.items()):
            by_status.setdefault(str(status), []).append(refusal)
        return {status: self._answer_of(status, found) for status, found in by_status.items()}

    def _answer_of(self, status: str, refusals: list[type[HubError]]) -> Schema:
        if len(refusals) > 1 and any(refusal.__module__ != errors.__name__ for refusal in refusals):
            return self._described(status, refusals)
        name = "Or".join(refusal.__name__ for refusal in refusals)
        shared = ResolvedComponent(name, ResolvedComponent.RESPONSE, self._described(status, refusals), name)
        self.registry.register_on_missing(shared)
        return shared.ref

    def _described(self, status: str, refusals: list[type[HubError]]) -> Schema:
        references = {refusal.code: self._component_of(refusal).ref for refusal in refusals}
        schema = next(iter(references.values()))
        if len(references) > 1:
            mapping = {code: reference["$ref"] for code, reference in references.items()}
            discriminator = {"propertyName": "code", "mapping": mapping}
            schema = {"oneOf": list(references.values()), "discriminator": discriminator}
        examples = {refusal.code: {"value": _example_of(refusal)} for refusal in refusals}
        described = {
            "description": "  \n".join(f"`{refusal.code}`: {refusal.sentence}" for refusal in refusals),
            "content": {JSON: {"schema": schema, "examples": examples}},
        }
        return {**described, "headers": _HEADERS[status]} if status in _HEADERS else described

    def _component_of(self, refusal: type[HubError]) -> ResolvedComponent:
        name = refusal.code.title().replace("_", "").removesuffix("Error") + "Error"
        component = ResolvedComponent(name, ResolvedComponent.SCHEMA, _schema_of(refusal), refusal.code)
        self.registry.register_on_missing(component)
        return component


_HEADERS: dict[str, Schema] = {
    "401": {"WWW-Authenticate": {"schema": {"type": "string", "example": "Bearer"}, "description": "How to sign in."}},
    "429": {
        "Retry-After": {
            "schema": {"type": "integer", "example": 60},
            "description": "Seconds until the call may be tried again.",
            "required": True,
        }
    },
    "503": {
        "Retry-After": {
            "schema": {"type": "integer", "example": 5},
            "description": "Seconds until it is worth another try. Absent when waiting alone changes nothing.",
        }
    },
}


# A body that is no JSON object has no fields that could be wrong.
_OPTIONAL_DETAILS = {(errors.InvalidFields.code, "fields")}


def _schema_of(refusal: type[HubError]) -> Schema:
    details = details_of(refusal)
    always = [name for name in details if (refusal.code, name) not in _OPTIONAL_DETAILS]
    properties = {
        "error": field("What was refused, as a sentence.", refusal.sentence, type="string"),
        "code": field("The same for programs.", refusal.code, type="string", enum=[refusal.code]),
        "recoveryHint": field("What to do now.", refusal.recovery_hint, type="string"),
        **details,
    }
    return {"type": "object", "properties": properties, "required": ["error", "code", "recoveryHint", *always]}


def _example_of(refusal: type[HubError]) -> Schema:
    details = {name: told["example"] for name, told in details_of(refusal).items()}
    return {"error": refusal.sentence, "code": refusal.code, "recoveryHint": refusal.recovery_hint, **details}


def wire_path(path: str) -> tuple[str, dict[str, str]]:
    """A path as it is told to clients, and the new names of its parameters: the first id is just the `id`."""
    names: dict[str, str] = {}
    for name in re.findall(r"\{(\w+)\}", path):
        first, *others = name.split("_")
        is_first_id = name.endswith("_id") and "id" not in names.values()
        names[name] = "id" if is_first_id else first + "".join(other.title() for other in others)
    return re.sub(r"\{(\w+)\}", lambda part: f"{{{names[part[1]]}}}", path), names


def name_parameters(result: Schema, generator: SchemaGenerator, request: Any, public: bool) -> Schema:
    """drf-spectacular's hook: parameters in paths are called as API clients know them, not as Python does."""
    paths = {}
    for path, operations in result["paths"].items():
        told, names = wire_path(path)
        paths[told] = operations
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    parameter["name"] = names[parameter["name"]]
    return {**result, "paths": paths}


@cache
def document() -> Schema:
    """The whole OpenAPI document; made once, since neither routes nor serializers change while a process runs."""
    return cast("Schema", SchemaGenerator().get_schema(request=None, public=True))
