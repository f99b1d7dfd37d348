"""The dashboard's pages that add spokes: the form, the command it answers with, and how far the machine has come."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from hubproject.access import role_of
from hubproject.api import caller, now
from hubproject.errors import HubError
from hubproject.limits import count_issue
from hubproject.models import Role
from hubproject.page_roles import role_required
from tokens.forms import MOST_AT_ONCE, PLATFORM_NAMES, AddSpoke, AddSpokes
from tokens.leases import next_free_address
from tokens.models import InstallationToken
from tokens.progress import progress_of
from tokens.services import IssuedToken, issue_token, issue_tokens, reissue_token, revoke_token
from wireguard.models import HubConfig

SHOWN_ONCE = "The command of {} was shown when it was issued, and only then. Reissue it to get a new one."


@dataclass(frozen=True, slots=True)
class Command:
    """The command of one platform, and the longer one that checks the script first."""

    platform: str
    name: str
    text: str = field(repr=False)
    checked: str = field(repr=False)


def commands_of(issued: IssuedToken) -> list[Command]:
    """The commands, those of the platform that was asked for first."""
    found = [
        Command(platform, PLATFORM_NAMES[platform], text, issued.checked_commands[platform])
        for platform, text in issued.install_commands.items()
    ]
    return sorted(found, key=lambda command: command.platform != issued.row.platform)


def watched_tokens() -> QuerySet[InstallationToken]:
    """Tokens with all that their progress is read from, in one query."""
    return InstallationToken.objects.select_related("spoke__peer__status")


# --- Adding -------------------------------------------------------------------------------------------------------


@role_required(Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def add_spoke(request: HttpRequest) -> HttpResponse:
    """One machine: the form, and in answer to it the command."""
    hub, at = HubConfig.objects.filter(id=1).first(), now()
    if hub is None:
        return redirect("admin:index")
    next_free = next_free_address(hub)
    form = AddSpoke(request.POST or None, now=at, initial=_prefilled(request))
    if request.method == "POST" and form.is_valid():
        answer = _issue_one(request, form, at, next_free)
        if answer is not None:
            return answer
    return _page(request, "add_spoke", title="Add spoke", form=form, next_free=next_free, network=hub.network_cidr)


def _prefilled(request: HttpRequest) -> dict[str, str]:
    parameters = {"name": "name", "platform": "platform", "ip": "address", "cluster": "cluster", "node": "node"}
    return {name: request.GET[given] for given, name in parameters.items() if request.GET.get(given)}


@sensitive_variables("issued")
def _issue_one(request: HttpRequest, form: AddSpoke, at: datetime, next_free: str | None) -> HttpResponse | None:
    """The page with the command; None when the form now says what is wrong."""
    given = form.cleaned_data
    if repeated := _issued_before([form.token_id()]):
        return _shown_once(request, repeated[0])
    try:
        count_issue(request)
        issued = issue_token(
            token_id=form.token_id(),
            spoke_name=given["name"],
            custom_ip=given["address"] or None,
            expires_in_hours=given["hours"],
            platform=given["platform"],
            expected_cluster=given["cluster"] if given["node"] else None,
            expected_node=given["node"] if given["cluster"] else "",
            by=caller(request),
            now=at,
        )
    except HubError as refusal:
        if repeated := _issued_before([form.token_id()]):  # by the same form, sent twice at once
            return _shown_once(request, repeated[0])
        form.refuse(refusal, next_free=next_free)
        return None
    return _command_page(request, issued, at)


@role_required(Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def add_spokes(request: HttpRequest) -> HttpResponse:
    """Several machines: a list of names, and in answer to it a table of commands. All of them or none."""
    at = now()
    if not HubConfig.objects.exists():
        return redirect("admin:index")
    prefilled = {"names": request.GET.get("names", "").replace(",", "\n")}
    form = AddSpokes(request.POST or None, now=at, initial=prefilled)
    if request.method == "POST" and form.is_valid():
        answer = _issue_several(request, form, at)
        if answer is not None:
            return answer
    return _page(request, "add_spokes", title="Add spokes", form=form, most=MOST_AT_ONCE)


@sensitive_variables("issued")
def _issue_several(request: HttpRequest, form: AddSpokes, at: datetime) -> HttpResponse | None:
    ids = form.token_ids()
    if _issued_before(ids.values()):
        return _list_of_shown_once(request)
    try:
        count_issue(request, len(ids))
        issued = issue_tokens(
            token_ids=ids,
            expires_in_hours=form.cleaned_data["hours"],
            platform=form.cleaned_data["platform"],
            by=caller(request),
            now=at,
        )
    except HubError as refusal:
        if _issued_before(ids.values()):
            return _list_of_shown_once(request)
        form.refuse(refusal)
        return None
    rows = [(one.row, progress_of(one.row, at), commands_of(one)[0].text) for one in issued]
    return _page(request, "issued_several", title=f"Install {len(rows)} machines", rows=rows)


def _issued_before(ids: Iterable[UUID]) -> list[InstallationToken]:
    return list(InstallationToken.objects.filter(pk__in=ids))


def _shown_once(request: HttpRequest, row: InstallationToken) -> HttpResponse:
    messages.warning(request, SHOWN_ONCE.format(row.spoke_name))
    return redirect("admin:tokens_installationtoken_change", row.pk)


def _list_of_shown_once(request: HttpRequest) -> HttpResponse:
    messages.warning(request, SHOWN_ONCE.format("each machine"))
    return redirect("admin:tokens_installationtoken_changelist")


# --- One token ----------------------------------------------------------------------------------------------------


def token_page(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """How far it is. Whoever asks again and again gets what changes only."""
    at = now()
    row = _token(token_id)
    context = {"token": row, "progress": progress_of(row, at), "public_url": settings.HUB_PUBLIC_URL}
    if "HX-Request" in request.headers:
        role = role_of(request.user)
        may = {"operate": role is not None and role.includes(Role.OPERATOR)}
        return TemplateResponse(request, "admin/tokens/progress.html", {**context, "may": may})
    return _page(request, "token", title=f"Install {row.spoke_name}", **context)


@sensitive_variables("issued")
def _command_page(request: HttpRequest, issued: IssuedToken, at: datetime) -> HttpResponse:
    return _page(
        request,
        "token",
        title=f"Install {issued.row.spoke_name}",
        token=issued.row,
        progress=progress_of(issued.row, at),
        commands=commands_of(issued),
        public_url=settings.HUB_PUBLIC_URL,
    )


@role_required(Role.VIEWER)
@require_safe
def progress(request: HttpRequest) -> HttpResponse:
    """How far several are, for the table of commands: `?token=…&token=…`."""
    at = now()
    ids = [_as_id(text) for text in request.GET.getlist("token")[:MOST_AT_ONCE]]
    rows = [(row, progress_of(row, at)) for row in watched_tokens().filter(pk__in=ids)]
    return TemplateResponse(request, "admin/tokens/progress_several.html", {"rows": rows})


@role_required(Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("issued")
def reissue(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """In answer to a POST the page with the new command; the same POST again leads to that token's page."""
    row, at = _token(token_id), now()
    if request.method != "POST":
        return redirect("admin:tokens_installationtoken_change", row.pk)
    try:
        count_issue(request)
        issued = reissue_token(token_id=token_id, by=caller(request), now=at)
    except HubError as refusal:
        successor = InstallationToken.objects.filter(spoke_id=row.spoke_id, lease_name__isnull=False).first()
        if successor is not None and successor.pk != row.pk:
            return _shown_once(request, successor)
        messages.error(request, refusal.line())
        return redirect("admin:tokens_installationtoken_change", row.pk)
    return _command_page(request, issued, at)


@role_required(Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """Asks first; a POST does it."""
    row = _token(token_id)
    if request.method != "POST":
        return _page(request, "revoke", title=f"Revoke the command of {row.spoke_name}?", token=row)
    try:
        revoke_token(token_id=token_id, by=caller(request), now=now())
    except HubError as refusal:
        messages.error(request, refusal.line())
    else:
        messages.success(request, f"The install command of {row.spoke_name} works no more.")
    return redirect("admin:tokens_installationtoken_change", row.pk)


def _token(token_id: UUID) -> InstallationToken:
    row = watched_tokens().filter(pk=token_id).first()
    if row is None:
        raise Http404
    return row


def _as_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def _page(request: HttpRequest, name: str, **context: Any) -> HttpResponse:
    context["here_alone"] = settings.HUB_PUBLIC_URL if settings.ONLY_THIS_MACHINE_REACHES_US else ""
    return TemplateResponse(request, f"admin/tokens/{name}.html", {**admin.site.each_context(request), **context})


def urls() -> list[URLPattern]:
    """For the admin site, in whose namespace they are."""
    return [
        path("add-spoke", add_spoke, name="add_spoke"),
        path("add-spoke/several", add_spokes, name="add_spokes"),
        path("add-spoke/progress", progress, name="install_progress"),
        path("add-spoke/<uuid:token_id>/reissue", reissue, name="reissue_token"),
        path("add-spoke/<uuid:token_id>/revoke", revoke, name="revoke_token"),
    ]
