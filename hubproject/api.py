"""The REST glue: strict JSON in, one error shape out, pages, and the true client address."""

import ipaddress
import json
import logging
import math
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import IO, Any, NoReturn

from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone
from redis.exceptions import RedisError
from rest_framework import exceptions, serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.serializer_helpers import BindingDict

from hubproject import errors
from hubproject.access import caller_of
from hubproject.audit import Caller
from hubproject.context import about_hub
from hubproject.errors import HubError, InvalidFields, MalformedBody

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 32
MAX_PAGE_SIZE = 1000

log = logging.getLogger(__name__)

# --- JSON in ------------------------------------------------------------------------------------------------------


class StrictJSONParser(BaseParser):
    """JSON that can be read in one way only: UTF-8, no duplicate keys, no NaN, no infinities, no lone surrogates."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        request = (parser_context or {}).get("request")
        if request is not None and request.headers.get("Content-Encoding", "identity") != "identity":
            raise errors.UnsupportedMediaType
        # By what it says first: nobody waits for the rest of what is refused anyway.
        told = request.headers.get("Content-Length", "") if request is not None else ""
        if told.isdecimal() and int(told) > MAX_BODY_BYTES:
            raise errors.RequestTooLarge
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise errors.RequestTooLarge
        return read_json_object(body)


def read_json_object(body: bytes) -> dict[str, Any]:
    """The object in `body`, or MalformedBody saying what is wrong with it."""
    try:
        document = json.loads(
            body.decode(),
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
        )
    except RecursionError:
        raise MalformedBody("The body is nested too deeply.") from None
    except ValueError:
        raise MalformedBody("The body is not valid JSON in UTF-8.") from None
    if not isinstance(document, dict):
        raise MalformedBody("The body must be one JSON object.")
    _check_strings_and_depth(document)
    return document


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedBody("The body has the same key twice.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedBody(f"{name} is not a number JSON knows.")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MalformedBody("The body has a number that is too large.")
    return number


def _check_strings_and_depth(document: Any) -> None:
    pending = [(document, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise MalformedBody("The body is nested too deeply.")
        if isinstance(value, dict):
            pending += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            pending += [(part, depth + 1) for part in value]
        elif isinstance(value, str) and ("\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value)):
            raise MalformedBody("The body has a character that no text may hold.")


class StrictSerializer(serializers.Serializer[Any]):
    """Takes JSON as it stands: unknown fields and wrong types are refused.

    null and "" for an optional field mean absent.
    """

    @property
    def fields(self) -> BindingDict:
        """Made once for each class, bound to no request; the framework would copy them for every one."""
        kind = type(self)
        if kind not in _FIELDS:
            blank = kind()
            fields = BindingDict(blank)
            fields.update(blank.get_fields())
            _FIELDS[kind] = fields  # not before it is whole, for other threads read it
        return _FIELDS[kind]

    def to_internal_value(self, data: Any) -> Any:
        problems = {name: ["There is no such field."] for name in data if name not in self.fields}
        given = {name: value for name, value in data.items() if not self._is_absent(name, value)}
        for name, value in given.items():
            if name in self.fields and not _has_json_type(self.fields[name], value):
                problems[name] = [f"Must be {_json_type_name(self.fields[name])}."]
        if problems:
            raise serializers.ValidationError(problems)
        return super().to_internal_value(given)

    def _is_absent(self, name: str, value: Any) -> bool:
        field = self.fields.get(name)
        if field is None or field.required:
            return False
        return value is None or (value == "" and not getattr(field, "allow_blank", False))

    def values(self) -> dict[str, Any]:
        """The validated values under their Python names; raises InvalidFields."""
        if not self.is_valid():
            raise InvalidFields(_sentences(self.errors))
        return dict(self.validated_data)


_FIELDS: dict[type, BindingDict] = {}


class NoFields(StrictSerializer):
    """The body of calls that need none: what somebody sends in the belief that it counts is refused."""


def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that was sent; an empty one when there was no body."""
    return dict(request.data)


def without_unchanged(
    data: dict[str, Any], shown: Mapping[str, Any], writable: type[StrictSerializer]
) -> dict[str, Any]:
    """A PUT body without the read-only fields that are as the object has them: what was read may be sent back.

    Raises InvalidFields for those that are not.
    """
    fields = writable().fields
    read_only = {name: value for name, value in data.items() if name in shown and name not in fields}
    if others := [name for name, value in read_only.items() if shown[name] != value]:
        raise InvalidFields({name: ["Cannot be set, and is not what was sent."] for name in others})
    return {name: value for name, value in data.items() if name not in read_only}


_JSON_TYPE_NAMES: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    str: "text",
    list: "a list",
    dict: "an object",
    object: "a value",
}


def _json_type_name(field: serializers.Field[Any, Any, Any, Any]) -> str:
    name = _JSON_TYPE_NAMES[type_of(field)]
    is_of_text = isinstance(field, serializers.ListField) and type_of(field.child) is str
    return f"{name} of texts" if is_of_text else name


def type_of(field: serializers.Field[Any, Any, Any, Any]) -> type:
    """The JSON type a serializer field takes."""
    match field:
        case serializers.BooleanField():
            return bool
        case serializers.IntegerField():
            return int
        case serializers.ListField():
            return list
        case serializers.DictField():
            return dict
        case serializers.CharField() | serializers.ChoiceField():
            return str
    return object


def _has_json_type(field: serializers.Field[Any, Any, Any, Any], value: Any) -> bool:
    wanted = type_of(field)
    is_fit = isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
    if is_fit and isinstance(field, serializers.ListField):
        return all(_has_json_type(field.child, item) for item in value)
    return is_fit


def _sentences(problems: Any) -> dict[str, list[str]]:
    """DRF's nested error lists, flattened to one list of sentences a field."""

    def flat(found: Any) -> list[str]:
        if isinstance(found, dict):
            return [sentence for part in found.values() for sentence in flat(part)]
        if isinstance(found, list):
            return [sentence for part in found for sentence in flat(part)]
        return [str(found)]

    return {str(name): list(dict.fromkeys(flat(found))) for name, found in problems.items()}


class JSONAlways(BaseContentNegotiation):
    """Answers in JSON whatever the Accept header says: there is nothing to choose from."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        wanted = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == wanted), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


# --- Errors out ---------------------------------------------------------------------------------------------------


def answer_exception(exception: Exception, context: dict[str, Any]) -> Response:
    """DRF's hook: every exception becomes the one error shape."""
    refusal = as_refusal(exception)
    if isinstance(refusal, errors.InternalError):
        log.error("unhandled error in %s", context["view"].__class__.__name__, exc_info=exception)
    if isinstance(refusal, errors.MethodNotAllowed):
        # The framework names every method that its class has; of those, the route takes the ones with an action.
        taken = getattr(context["view"], "action_map", None) or {}
        refused = context["request"].method.lower()
        context["view"].headers["Allow"] = ", ".join(name.upper() for name in taken if name != refused)
    return Response(refusal.body(), status=refusal.status, headers=refusal.headers)


def as_refusal(exception: BaseException | None) -> HubError:
    """The HubError that says to a client what this exception means."""
    if isinstance(exception, HubError):
        return exception
    return next((refusal() for kinds, refusal in _MEANINGS if isinstance(exception, kinds)), errors.InternalError())


# What the frameworks' exceptions mean; the first that fits counts.
_MEANINGS: list[tuple[tuple[type[Exception], ...], type[HubError]]] = [
    ((OperationalError, InterfaceError, RedisError), errors.DatabaseUnavailable),
    ((exceptions.NotAuthenticated, exceptions.AuthenticationFailed), errors.NotAuthenticated),
    ((exceptions.PermissionDenied, PermissionDenied), errors.PermissionRefused),
    ((exceptions.NotFound, Http404), errors.NotFound),
    ((exceptions.MethodNotAllowed,), errors.MethodNotAllowed),
    ((exceptions.UnsupportedMediaType,), errors.UnsupportedMediaType),
    ((exceptions.APIException, SuspiciousOperation), errors.BadRequest),  # too many parameters, among others
]


def error_page(request: HttpRequest, refusal: HubError) -> HttpResponse:
    """What was refused before any view saw it, in the form its sender reads."""
    if request.path.startswith("/api/"):
        return JsonResponse(refusal.body(), status=refusal.status, headers=refusal.headers)
    if "text/html" in request.headers.get("Accept", ""):
        # Without the request: whatever else a page knows of it comes from the database, which may be what failed.
        page = render_to_string("error.html", {"refusal": refusal, **about_hub()})
        return HttpResponse(page, status=refusal.status, headers=refusal.headers)
    text = f"{refusal.line()}\n"
    return HttpResponse(text, status=refusal.status, headers=refusal.headers, content_type="text/plain; charset=utf-8")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: a foreign Host header among others."""
    return error_page(request, errors.BadRequest())


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    return error_page(request, errors.PermissionRefused())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404."""
    return error_page(request, errors.NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: whatever escaped a view, a database that went away among others."""
    return error_page(request, as_refusal(sys.exc_info()[1]))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW."""
    return error_page(request, errors.PermissionRefused("The form came from another site or is too old."))


# --- Who asks -----------------------------------------------------------------------------------------------------


def client_address(request: HttpRequest | Request) -> str | None:
    """The true client address: the peer's own, or what the configured number of proxies says; None when unknown.

    Only the entries our own proxies appended are believed; an IPv4 address mapped into IPv6 is given as IPv4.
    """
    text = request.META.get("REMOTE_ADDR", "")
    if settings.HUB_TRUSTED_PROXIES:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        text = hops[-settings.HUB_TRUSTED_PROXIES] if len(hops) >= settings.HUB_TRUSTED_PROXIES else ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def caller(request: HttpRequest | Request, actor: str | None = None) -> Caller:
    """The request's sender as the verbs and the audit log want it."""
    return Caller(
        actor=actor or caller_of(request.user),
        address=client_address(request),
        user_agent=_printable(request.headers.get("User-Agent", "")),
    )


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


# --- Lists --------------------------------------------------------------------------------------------------------


class QueryParameters(StrictSerializer):
    """Parameters behind the `?`: text, each at most once, nothing unknown."""

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """The validated parameters of this request; raises InvalidFields."""
        given = request.query_params
        repeated = {name: ["Was given more than once."] for name, values in given.lists() if len(values) > 1}
        if repeated:
            raise InvalidFields(repeated)
        fields = cls().fields
        return cls(data={name: _as_json(fields.get(name), str(value)) for name, value in given.items()}).values()


def _as_json(field: Any, value: str) -> Any:
    is_number = isinstance(field, serializers.IntegerField) and value.isascii() and value.isdigit()
    return int(value) if is_number and len(value) < 10 else value


class PageParameters(QueryParameters):
    """`?page=1&pageSize=1000`."""

    page = serializers.IntegerField(min_value=1, default=1)
    pageSize = serializers.IntegerField(min_value=1, max_value=MAX_PAGE_SIZE, default=MAX_PAGE_SIZE)


def page_of(
    rows: QuerySet[Any], total: int, parameters: Mapping[str, Any], *, shown: QuerySet[Any] | None = None
) -> tuple[list[Any], dict[str, Any]]:
    """One page of `rows`, and the envelope's `page`, `pageSize`, `nextPage` (null on the last).

    `shown` has the rows as an answer needs them, in the same order; which of them are on the page `rows` alone says,
    so that columns and joins that nothing is chosen by are asked of one page only.
    """
    page, size = parameters["page"], parameters["pageSize"]
    start = (page - 1) * size
    has_more = start + size < total
    # Ten thousand whole rows are dear to sort, their keys are not.
    of_page = (rows if shown is None else shown).filter(pk__in=rows.values("pk")[start : start + size])
    found = list(of_page) if start < total else []
    return found, {"page": page, "pageSize": size, "nextPage": page + 1 if has_more else None}


class PageOut(serializers.Serializer[Any]):
    """What every list has beside its rows and totals."""

    page = serializers.IntegerField()
    pageSize = serializers.IntegerField()
    nextPage = serializers.IntegerField(allow_null=True)


class Done(serializers.Serializer[Any]):
    """The answer of calls that have nothing more to tell."""

    success = serializers.BooleanField(default=True)


class DoneWithMessage(Done):
    """The answer of calls that end something."""

    message = serializers.CharField()


def now() -> datetime:
    """The clock of the views; verbs get it handed in."""
    return timezone.now()
