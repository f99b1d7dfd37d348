"""What the product refuses, in the one shape every client sees: sentence, code, what to do now, details."""

from typing import Any


class HubError(Exception):
    """An expected refusal. Subclasses fix status and code; `details` join the body and never hold a secret."""

    status = 400
    code = "VALIDATION_ERROR"
    sentence = "The request is not valid."
    recovery_hint = "Correct the request and send it again."
    headers: dict[str, str] = {}

    def __init__(self, sentence: str = "", *, recovery_hint: str = "", **details: Any) -> None:
        self.sentence = sentence or self.sentence
        self.recovery_hint = recovery_hint or self.recovery_hint
        self.details = details
        super().__init__(self.sentence)

    def line(self) -> str:
        """One line for a terminal: what is wrong, then what to do."""
        return f"{self.sentence} {self.recovery_hint}"

    def body(self) -> dict[str, Any]:
        """The JSON body of API.md: `error`, `code`, `recoveryHint`, then the details."""
        return {"error": self.sentence, "code": self.code, "recoveryHint": self.recovery_hint, **self.details}


class InvalidFields(HubError):
    """One or more fields are wrong; `fields` maps each to its sentences."""

    sentence = "Some fields are not valid."
    recovery_hint = "Correct the fields named in `fields` and send the request again."

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__(fields=fields)

    def line(self) -> str:
        """Every field with what is wrong with it."""
        return " ".join(f"{name}: {' '.join(sentences)}" for name, sentences in self.details["fields"].items())


class MalformedBody(HubError):
    """The body is not one JSON object that can be read in exactly one way."""

    recovery_hint = "Send one JSON object in UTF-8, every key once."

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, fields={})


class NotAuthenticated(HubError):
    status = 401
    code = "NOT_AUTHENTICATED"
    sentence = "Nobody is signed in and no valid API key was sent."
    recovery_hint = "Sign in, or send `Authorization: Bearer wgh_…` with a valid API key."
    headers = {"WWW-Authenticate": "Bearer"}


class PermissionRefused(HubError):
    status = 403
    code = "PERMISSION_DENIED"
    sentence = "This user or API key may not do that."
    recovery_hint = "Ask an admin for a higher role."


class NotFound(HubError):
    status = 404
    code = "NOT_FOUND"
    sentence = "There is nothing at this address."
    recovery_hint = "Check the path and the id."


class MethodNotAllowed(HubError):
    status = 405
    code = "METHOD_NOT_ALLOWED"
    sentence = "This address does not take that method."
    recovery_hint = "See the API documentation for the methods it takes."


class RequestTooLarge(HubError):
    status = 413
    code = "REQUEST_TOO_LARGE"
    sentence = "The request body is larger than 64 KiB."
    recovery_hint = "Send less: no call needs a body of that size."


class UnsupportedMediaType(HubError):
    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    sentence = "The body must be JSON, not compressed."
    recovery_hint = "Send `Content-Type: application/json` without a Content-Encoding."


class BadRequest(HubError):
    code = "BAD_REQUEST"
    sentence = "The request cannot be understood."
    recovery_hint = "Check the Host header, the path and the parameters."


class RateLimited(HubError):
    """Too often; `seconds` says when it may be tried again."""

    status = 429
    code = "RATE_LIMITED"
    sentence = "Too many requests."
    recovery_hint = "Wait as long as Retry-After says, then try again."

    def __init__(self, sentence: str = "", *, seconds: int, recovery_hint: str = "") -> None:
        super().__init__(sentence, recovery_hint=recovery_hint)
        self.headers = {"Retry-After": str(seconds)}


class DatabaseUnavailable(HubError):
    status = 503
    code = "DATABASE_UNAVAILABLE"
    sentence = "The database does not answer at the moment."
    # Never that nothing was changed: who loses the database while it commits cannot know.
    recovery_hint = "Try again in a few seconds. That does no harm, should the first time have worked after all."
    headers = {"Retry-After": "5"}


class HubUnavailable(HubError):
    """What the web server in front says in the hub's place; deploy/nginx/errors holds such answers as files."""

    status = 503
    code = "HUB_UNAVAILABLE"
    sentence = "The hub does not answer at the moment."
    recovery_hint = "Try again in a few seconds; if it goes on, look at wireguard-hub-api on the hub."
    headers = {"Retry-After": "5"}


class InternalError(HubError):
    status = 500
    code = "INTERNAL_ERROR"
    sentence = "The hub failed to answer because of a fault of its own."
    recovery_hint = "Try again; if it happens again, the hub's log says why."
