"""Dangerous acts of the dashboard ask who is there, unless somebody signed in or confirmed a quarter of an hour ago."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

View = Callable[..., HttpResponse]


def recently_confirmed(view: View) -> View:
    """For views; `django.utils.decorators.method_decorator` puts it on a method.

    Unlike allauth's own decorator it does not keep a POST for later: what was typed may be a password, and a session
    lies in the database.
    """

    @wraps(view)
    def confirmed_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_reauthentication_required(request, app=""):
            return redirect_to_login(request.get_full_path(), reverse("account_reauthenticate"))
        return view(request, *args, **kwargs)

    return confirmed_view
