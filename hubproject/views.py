"""Health, as a load balancer or a monitor asks for it; and the first page."""

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from hubproject.access import ANYONE
from hubproject.accounts import first_admin_is_wanted
from hubproject.api import now
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


def too_many_attempts(request: HttpRequest) -> HttpResponse:
    """handler429 of the pages."""
    answer = render(request, "429.html", status=429)
    answer["Retry-After"] = "60"
    return answer
