"""Health, as a load balancer or a monitor asks for it; the first page, and the page of the first run."""

from allauth.core import ratelimit
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from hubproject.access import ANYONE
from hubproject.accounts import SetupIsOver, UserNameInUse, WrongSetupCode, create_first_admin, first_admin_is_wanted
from hubproject.api import caller, now
from hubproject.forms import FirstAdmin
from wireguard.models import AgentState, HubConfig


class HealthViewSet(ViewSet):
    """Says whether database and agent are there, and no more."""

    authentication_classes = []
    roles = {"healthz": ANYONE}

    def healthz(self, request: Request) -> Response:
        """200 with the words of `database` and `agent`; 503 only when the database is unreachable."""
        try:
            generation = HubConfig.objects.values_list("generation", flat=True).filter(id=1).first()
            word = AgentState.current().word(generation=generation or 0, now=now())
        except (OperationalError, InterfaceError):
            answer = {"status": "down", "database": "down", "agent": "unknown"}
            return Response(answer, status=503, headers={"Retry-After": "5"})
        return Response({"status": "ok" if word == "ok" else "degraded", "database": "ok", "agent": word})


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The dashboard, or the first run."""
    return redirect("setup" if first_admin_is_wanted() else "admin:index")


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def first_run(request: HttpRequest) -> HttpResponse:
    """Makes the first admin of whoever has the setup code; a page that is gone once there was one."""
    if not first_admin_is_wanted():
        return render(request, "setup/over.html", status=404)
    form = FirstAdmin(request.POST or None)
    if request.method == "POST":
        if not ratelimit.consume(request, action="setup"):
            return too_many_attempts(request)
        if form.is_valid() and _first_admin_is_made(request, form):
            messages.success(request, "The hub has its first admin. Sign in.")
            return redirect("account_login")
    return render(request, "setup/first_admin.html", {"form": form})


def _first_admin_is_made(request: HttpRequest, form: FirstAdmin) -> bool:
    given = {name: form.cleaned_data[name] for name in ("code", "username", "password")}
    try:
        create_first_admin(**given, by=caller(request, "setup-code"), now=now())
    except WrongSetupCode as refusal:
        form.add_error("code", f"{refusal.sentence} {refusal.recovery_hint}")
    except (SetupIsOver, UserNameInUse) as refusal:
        form.add_error(None, f"{refusal.sentence} {refusal.recovery_hint}")
    except ValidationError as problem:
        form.add_error(None if hasattr(problem, "error_dict") else "password", problem)
    return form.is_valid()


def too_many_attempts(request: HttpRequest) -> HttpResponse:
    """handler429 of the pages."""
    answer = render(request, "429.html", status=429)
    answer["Retry-After"] = "60"
    return answer
