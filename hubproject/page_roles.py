"""Pages of the dashboard that ask for more than signing in."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from hubproject.access import role_of
from hubproject.models import Role

Page = Callable[..., HttpResponse]


def role_required(needed: Role) -> Callable[[Page], Page]:
    """Whoever is not signed in is led to do so; whoever has a lower role is refused, whatever he was shown."""

    def guard(page: Page) -> Page:
        @wraps(page)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            role = role_of(request.user)
            if role is None or not role.includes(needed):
                raise PermissionDenied
            return page(request, *args, **kwargs)

        @wraps(page)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            # Here rather than once at import: the site is made after the modules that declare pages.
            return admin.site.admin_view(guarded)(request, *args, **kwargs)

        return answer

    return guard
