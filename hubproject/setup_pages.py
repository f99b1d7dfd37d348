"""The first run, step by step: setup code, admin, network, review. Each door shuts for good by itself.

Nothing is kept between the steps but what the verbs have done, so whoever comes back goes on where it was left.
"""

from typing import Any
from urllib.parse import urlsplit

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from hubproject.access import role_of, setup_code_matches
from hubproject.accounts import SetupIsOver, UserNameInUse, WrongSetupCode, create_first_admin, first_admin_is_wanted
from hubproject.api import caller, now
from hubproject.errors import HubError
from hubproject.host_checks import checks_of, endpoint_warning
from hubproject.models import Role
from hubproject.setup_forms import USUAL_DNS, FirstAdmin, NewHub, SetupCode, with_port
from hubproject.views import too_many_attempts
from wireguard.errors import HubAlreadyInitialized
from wireguard.models import AgentState, HubConfig
from wireguard.services import checked_values, initialize_hub

STEPS = ("Setup code", "Admin account", "Network", "Review", "First spoke")


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def first_run(request: HttpRequest) -> HttpResponse:
    """The step that comes next."""
    if first_admin_is_wanted():
        return _admin_steps(request)
    if HubConfig.objects.exists():
        return redirect("admin:index") if request.user.is_authenticated else _over(request)
    return _hub_steps(request)


def _over(request: HttpRequest) -> HttpResponse:
    return render(request, "setup/over.html", status=404)


def _step(request: HttpRequest, number: int, template: str, **context: Any) -> HttpResponse:
    """One page of the wizard; `number` counts from 0."""
    return render(request, f"setup/{template}.html", {"steps": list(enumerate(STEPS)), "step": number, **context})


# --- Setup code and admin account ---------------------------------------------------------------------------------


def _admin_steps(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _step(request, 0, "code", form=SetupCode())
    if not ratelimit.consume(request, action="setup"):
        return too_many_attempts(request)
    return _make_admin(request) if "username" in request.POST else _check_code(request)


def _check_code(request: HttpRequest) -> HttpResponse:
    form = SetupCode(request.POST)
    if form.is_valid() and setup_code_matches(form.cleaned_data["code"]):
        return _step(request, 1, "admin", form=FirstAdmin(initial={"code": form.cleaned_data["code"]}))
    if form.is_valid():
        form.add_error("code", WrongSetupCode().line())
    return _step(request, 0, "code", form=form)


def _make_admin(request: HttpRequest) -> HttpResponse:
    form = FirstAdmin(request.POST)
    admin = _first_admin(request, form) if form.is_valid() else None
    if admin is not None:
        login = Login(user=admin, redirect_url=reverse("setup"))
        answer: HttpResponse = perform_password_login(request, {"username": admin.username}, login)
        return answer
    if "code" in form.errors:
        return _step(request, 0, "code", form=_wrong_code(form))
    return _step(request, 1, "admin", form=form)


def _first_admin(request: HttpRequest, form: FirstAdmin) -> User | None:
    """The admin who was made; None when the form now says what is wrong."""
    given = {name: form.cleaned_data[name] for name in ("code", "username", "password")}
    try:
        return create_first_admin(**given, by=caller(request, "setup-code"), now=now())
    except WrongSetupCode as refusal:
        form.add_error("code", refusal.line())
    except UserNameInUse as refusal:
        form.add_error("username", refusal.line())
    except SetupIsOver as refusal:
        form.add_error(None, refusal.line())
    except ValidationError as problem:
        form.add_error(None if hasattr(problem, "error_dict") else "password", problem)
    return None


def _wrong_code(form: FirstAdmin) -> SetupCode:
    """The step before, with what is wrong with its code."""
    earlier = SetupCode(form.data)
    earlier.full_clean()
    if "code" not in earlier.errors:
        earlier.add_error("code", form.errors["code"].as_data())
    return earlier


# --- Network and review -------------------------------------------------------------------------------------------


def _hub_steps(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        shut = request.method == "POST"  # the form of a first admin, who was made meanwhile
        return _over(request) if shut else redirect_to_login(reverse("setup"), reverse("account_login"))
    if role_of(request.user) != Role.ADMIN:
        return redirect("admin:index")
    if request.method != "POST":
        return _network(request, NewHub(initial=_guesses(request)))
    if "fill_dns" in request.POST:
        typed = request.POST.copy()
        typed["dns"] = ", ".join(USUAL_DNS)
        return _network(request, NewHub(initial=typed.dict()), fills_dns=True)
    if "edit" in request.POST:
        return _network(request, NewHub(initial=request.POST.dict()))
    form = NewHub(request.POST)
    if not form.is_valid() or not _is_sound(form):
        return _network(request, form)
    return (
        _create(request, form) if "create" in request.POST else _step(request, 3, "review", form=form, **_notes(form))
    )


def _guesses(request: HttpRequest) -> dict[str, Any]:
    guess = {"network_cidr": "10.0.1.0/24", "listen_port": 51820, "spoke_to_spoke": "isolated"}
    return {**guess, "endpoint": _guessed_host(request)}


def _guessed_host(request: HttpRequest) -> str:
    """The name this page was opened by, unless it is good on this machine only; the configured one goes before."""
    hosts = (urlsplit(settings.HUB_PUBLIC_URL).hostname or "", urlsplit(f"//{request.get_host()}").hostname or "")
    here = ("localhost", "127.0.0.1", "::1")
    host = next((host for host in hosts if host and host not in here), "")
    return f"[{host}]" if ":" in host else host


def _is_sound(form: NewHub) -> bool:
    try:
        checked_values(**form.wire_values())
    except HubError as refusal:
        form.refuse(refusal)
    return form.is_valid()


def _network(request: HttpRequest, form: NewHub, **more: Any) -> HttpResponse:
    values = form.data if form.is_bound else form.initial
    return _step(request, 2, "network", form=form, **_checks(values), **more)


def _notes(form: NewHub) -> dict[str, Any]:
    return {"given": form.cleaned_data, **_checks(form.cleaned_data)}


def _checks(values: Any) -> dict[str, Any]:
    """What can be said of values that may be half typed."""
    port = str(values.get("listen_port", ""))
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else None
    endpoint = with_port(str(values.get("endpoint") or ""), number)
    found = checks_of(
        network=str(values.get("network_cidr", "")).strip(),
        port=number,
        endpoint=endpoint,
        agent=AgentState.current(),
        now=now(),
    )
    return {"checks": list(found), "endpoint_warning": endpoint_warning(endpoint)}


def _create(request: HttpRequest, form: NewHub) -> HttpResponse:
    given = form.cleaned_data
    try:
        hub = initialize_hub(
            network_cidr=given["network_cidr"],
            network_cidr6=given["network_cidr6"] or None,
            endpoint=given["endpoint"],
            listen_port=given["listen_port"],
            dns=given["dns"],
            spoke_to_spoke=given["spoke_to_spoke"],
            by=caller(request),
            now=now(),
        )
    except HubAlreadyInitialized:
        return redirect("admin:index")
    except HubError as refusal:
        form.refuse(refusal)
        return _network(request, form)
    messages.success(request, f"The hub is set up: {hub.network_cidr} at {hub.endpoint}.")
    return redirect("admin:index")


@require_POST
def checks(request: HttpRequest) -> HttpResponse:
    """The checks of what is typed at this moment; only while an admin is at that step."""
    if role_of(request.user) != Role.ADMIN or HubConfig.objects.exists():
        return _over(request)
    return render(request, "setup/checks.html", _checks(request.POST))
