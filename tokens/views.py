"""The REST calls of installation tokens, and the script that a token opens."""

from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from hubproject.access import ANYONE
from hubproject.api import NoFields, body_of, caller, now, page_of
from hubproject.errors import MethodNotAllowed
from hubproject.limits import count_guesses, count_issue
from hubproject.models import Role
from tokens import scripts
from tokens.errors import GUESSES, InvalidPlatform, NotAnInstaller
from tokens.models import InstallationToken
from tokens.serializers import (
    STATUSES,
    IssueToken,
    ScriptParameters,
    TokenListParameters,
    TokenOut,
    TokenPage,
    UninstallParameters,
    issued_out,
)
from tokens.services import (
    check_format,
    claim_token,
    get_token,
    issue_token,
    reissue_token,
    revoke_token,
)

# Programs that fetch a link because somebody wrote it in a message. They are no installers.
LINK_PREVIEW_BOTS = (
    "bot", "crawler", "spider", "facebookexternalhit", "slack-imgproxy", "whatsapp", "skypeuripreview", "preview",
    "embedly", "bitlybot", "vkshare", "quora link", "google-read-aloud", "mattermost", "iframely",
)  # fmt: skip

# In which browsers, new and old, say that they only look ahead.
PREFETCH_HEADERS = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")


class InstallationTokenViewSet(ViewSet):
    """Issuing tokens, and handing out the script once."""

    roles = {
        "issue": Role.OPERATOR,
        "list": Role.VIEWER,
        "one": Role.VIEWER,
        "reissue": Role.OPERATOR,
        "revoke": Role.OPERATOR,
        "script": ANYONE,
        "uninstall": ANYONE,
    }

    def issue(self, request: Request) -> Response:
        """Issues a one-time token and the commands that use it."""
        values = IssueToken(data=body_of(request)).values()
        count_issue(request)
        at = now()
        issued = issue_token(
            spoke_name=values["spokeName"],
            custom_ip=values.get("customIP"),
            expires_in_hours=values.get("expiresInHours"),
            platform=values.get("platform", ""),
            by=caller(request),
            now=at,
        )
        return Response(issued_out(issued, at), status=201, headers={"Cache-Control": "no-store"})

    def list(self, request: Request) -> Response:
        """The tokens, newest first, a page at a time, with counts by status."""
        parameters, at = TokenListParameters.read(request), now()
        found = InstallationToken.objects.all()
        if text := parameters.get("search"):
            is_address = Q(address__startswith=text) | Q(address6__istartswith=text)
            found = found.filter(Q(spoke_name__icontains=text) | is_address | Q(token_prefix=text))
        by_state = found.count_by_state(at)
        counts = {status: sum(by_state[state] for state in states) for status, states in STATUSES.items()}
        total = sum(counts.values())
        if status := parameters.get("status"):
            total = counts[status]
            found = found.in_states(STATUSES[status], at)
        rows, page = page_of(found.order_by("-created_at", "id"), total, parameters)
        totals = {f"{name}Count": count for name, count in counts.items()}
        answer = {"tokens": rows, "totalCount": total, **totals, **page}
        return Response(TokenPage(answer, context={"now": at}).data)

    def one(self, request: Request, token_id: UUID) -> Response:
        """One token and where it is in its life."""
        return Response(TokenOut(get_token(token_id), context={"now": now()}).data)

    def reissue(self, request: Request, token_id: UUID) -> Response:
        """A new secret for the same spoke name and address; the old command stops working."""
        NoFields(data=body_of(request)).values()
        count_issue(request)
        at = now()
        issued = reissue_token(token_id=token_id, by=caller(request), now=at)
        return Response(issued_out(issued, at), status=201, headers={"Cache-Control": "no-store"})

    def revoke(self, request: Request, token_id: UUID) -> Response:
        """Makes an unredeemed token worthless and frees its address."""
        revoke_token(token_id=token_id, by=caller(request), now=now())
        return Response({"success": True, "message": "Token revoked."})

    def script(self, request: Request, token: str) -> HttpResponseBase:
        """Claims the token and answers with the install script, unless the request cannot come from an installer."""
        if request.method != "GET":
            raise MethodNotAllowed
        if "text/html" in request.headers.get("Accept", "").lower():
            return _never_cached(render(request, "install/paste_command.html"))
        with count_guesses(request, GUESSES):
            check_format(token)
            _refuse_previews(request)
            parameters = ScriptParameters.read(request)
            text = claim_token(
                secret=token,
                platform=parameters["platform"],
                sha256=parameters.get("sha256"),
                by=caller(request),
                now=now(),
            )
        return _never_cached(HttpResponse(text, content_type=scripts.SCRIPTS[parameters["platform"]].content_type))

    def uninstall(self, request: Request) -> HttpResponseBase:
        """The script that takes a spoke off its machine. It holds nothing secret and claims nothing."""
        platform = UninstallParameters.read(request)["platform"]
        if platform not in scripts.PLATFORMS:
            raise InvalidPlatform
        return HttpResponse(scripts.render_uninstall(platform), content_type=scripts.SCRIPTS[platform].content_type)


def _refuse_previews(request: Request) -> None:
    agent = request.headers.get("User-Agent", "").lower()
    purpose = " ".join(request.headers.get(name, "") for name in PREFETCH_HEADERS).lower()
    is_bot = any(word in agent for word in LINK_PREVIEW_BOTS)
    if "Range" in request.headers or "prefetch" in purpose or "preview" in purpose or is_bot:
        raise NotAnInstaller


def _never_cached(answer: HttpResponse) -> HttpResponse:
    answer["Cache-Control"] = "no-store"
    answer["X-Robots-Tag"] = "noindex"
    return answer
