"""The description of the REST interface: as a document for programs, and as a page for people."""

from typing import Any, cast

from django.contrib.auth.views import redirect_to_login
from django.urls import reverse
from drf_spectacular.renderers import OpenApiJsonRenderer2, OpenApiYamlRenderer2
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework import exceptions, serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet, ViewSetMixin

from hubproject.access import RoleRequired
from hubproject.api import JSONAlways, QueryParameters
from hubproject.models import Role
from hubproject.openapi import document


class RefusesInJSON(APIView):
    """Whatever form the good answer has, a refusal has the one shape of all."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        if getattr(response, "exception", False):
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)


class JSONOrYAML(JSONAlways):
    """YAML for whoever asks for it, else JSON."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        chosen = renderers[1] if "yaml" in request.headers.get("Accept", "").lower() else renderers[0]
        return chosen, chosen.media_type


class SchemaViewSet(RefusesInJSON, ViewSet):
    """The OpenAPI document."""

    roles = {"document": Role.VIEWER}
    renderer_classes = [OpenApiJsonRenderer2, OpenApiYamlRenderer2]
    content_negotiation_class = JSONOrYAML

    def document(self, request: Request) -> Response:
        """This document."""
        QueryParameters.read(request)
        return Response(document())


class DocsParameters(QueryParameters):
    """`?script`, with which the page asks for its own script."""

    script = serializers.CharField(required=False, allow_blank=True)


class DocsViewSet(RefusesInJSON, ViewSetMixin, SpectacularSwaggerSplitView):
    """Swagger UI over the document: the page, and with `?script` the script that starts it, so that none is inline."""

    roles = {"page": Role.VIEWER}
    permission_classes = [RoleRequired]
    template_name = "api_docs.html"
    url_name = "api-schema"

    def page(self, request: Request) -> Response:
        """The documentation as a page: every call, with a button to try it."""
        DocsParameters.read(request)
        self.url_self = reverse("api-docs")
        return cast("Response", SpectacularSwaggerSplitView.get(self, request))

    def handle_exception(self, exc: Exception) -> Response:
        """A browser in which nobody is signed in is led to where one can."""
        is_browser = "text/html" in self.request.headers.get("Accept", "")
        if is_browser and isinstance(exc, exceptions.NotAuthenticated):
            return redirect_to_login(reverse("api-docs"))  # type: ignore[return-value]
        return super().handle_exception(exc)
