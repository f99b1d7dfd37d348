"""What holds for every request, whatever answers it."""

import io
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from hubproject.access import has_second_factor
from hubproject.api import MAX_BODY_BYTES, error_page
from hubproject.errors import RequestTooLarge

Respond = Callable[[HttpRequest], HttpResponseBase]


class ReadableCookies:
    """Drops cookies no browser of ours was given: a NUL in one is an error in PostgreSQL's eyes, not a stranger."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.COOKIES = {name: value for name, value in request.COOKIES.items() if value.isprintable()}
        return self.get_response(request)


class NeverStored:
    """No answer of ours belongs into a cache unless its view says so: most pages hold something of somebody."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.get_response(request)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer


class BodiesInChunks:
    """Reads a body whose length nobody told. Django takes it for none at all: a change would be told as done and lost.

    nginx tells lengths; other proxies, and clients that come to web themselves, may send in chunks.
    """

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_without_length = not request.META.get("CONTENT_LENGTH") and "Transfer-Encoding" in request.headers
        if is_without_length and request.META.get("wsgi.input_terminated"):
            try:
                body = request.META["wsgi.input"].read(MAX_BODY_BYTES + 1)
            except Exception as fault:  # of whatever server we run under, each with its own
                raise BadRequest("The chunks of the body cannot be read.") from fault
            if len(body) > MAX_BODY_BYTES:
                return error_page(request, RequestTooLarge())
            request.META["CONTENT_LENGTH"] = str(len(body))
            request.__dict__.pop("headers", None)
            request._stream = io.BytesIO(body)  # noqa: SLF001 - nothing public takes it
        return self.get_response(request)


class SignedOutInPlace:
    """A part of a page that renews itself is told 401 when its reader was signed out: a sign-in page is no part."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.get_response(request)
        asks_for_part = request.headers.get("HX-Request") == "true"
        if asks_for_part and answer.status_code == 302 and answer["Location"].startswith(_WAYS_IN):
            return HttpResponse(status=401)
        return answer


_WAYS_IN = ("/account", "/admin/login", "/setup")


class SecondFactorFirst:
    """Where HUB_REQUIRE_MFA is set, a user without a second factor sees no page but those that set one up.

    REST calls are refused by `access.DashboardSession`, in their own words.
    """

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.HUB_REQUIRE_MFA and not _is_open(request.path_info):
            user = request.user
            if user.is_authenticated and not has_second_factor(user):
                return redirect("mfa_index")
        return self.get_response(request)


def _is_open(path: str) -> bool:
    account = reverse("mfa_index")
    return path == account or path.startswith((f"{account}/", "/api/"))
