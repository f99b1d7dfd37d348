"""Proxmox clusters on the admin site. Here because nodes are spokes, which proxmox does not know."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from hubproject.api import caller, now
from hubproject.errors import HubError
from hubproject.models import Role
from hubproject.page_roles import role_required
from hubproject.readonly_admin import ReadOnlyAdmin
from proxmox.errors import ClusterNotFound
from proxmox.forms import DescribeForm
from proxmox.models import Cluster
from proxmox.services import delete_cluster, describe_cluster, get_cluster
from spokes.cluster_tree import ClusterTree
from spokes.models import Spoke
from spokes.services import confirm_node, unconfirm_node

LIST = "admin:proxmox_cluster_changelist"


@admin.register(Cluster)
class ClusterAdmin(ReadOnlyAdmin):
    """Clusters with their nodes; what an operator does to one ends where it began."""

    def get_urls(self) -> list[URLPattern]:
        operates = role_required(Role.OPERATOR)
        describe, confirm = operates(require_POST(self.describe_view)), operates(require_POST(self.confirm_view))
        unconfirm = operates(require_POST(self.unconfirm_view))
        mine = [
            path("<uuid:cluster_id>/describe/", describe, name="proxmox_cluster_describe"),
            path("<uuid:cluster_id>/forget/", operates(self.forget_view), name="proxmox_cluster_forget"),
            path("<uuid:cluster_id>/nodes/<uuid:spoke_id>/confirm/", confirm, name="proxmox_cluster_confirm"),
            path("<uuid:cluster_id>/nodes/<uuid:spoke_id>/unconfirm/", unconfirm, name="proxmox_cluster_unconfirm"),
        ]
        return mine + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return role_required(Role.VIEWER)(self._tree_page)(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A cluster has no page of its own: it is found on that of all."""
        return role_required(Role.VIEWER)(self._found_view)(request, object_id)

    def _found_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        cluster = self.get_object(request, object_id)
        if cluster is None:
            raise Http404
        query = QueryDict(mutable=True)
        query["search"] = cluster.cluster_name
        return redirect(f"{reverse(LIST)}?{query.urlencode()}#cluster-{cluster.pk}")

    def _tree_page(
        self, request: HttpRequest, *, edited: UUID | None = None, form: DescribeForm | None = None
    ) -> HttpResponse:
        tree = ClusterTree(_back(request), now())
        site = self.admin_site.each_context(request)
        counts = {"spoke_count": Spoke.objects.live().count(), "cluster_count": Cluster.objects.count()}
        context = {**site, "title": "Proxmox clusters", "tree": tree, "edited": edited, "form": form, **counts}
        return TemplateResponse(request, "admin/proxmox/cluster/change_list.html", context)

    def describe_view(self, request: HttpRequest, cluster_id: UUID) -> HttpResponse:
        form = DescribeForm(request.POST)
        if not form.is_valid():
            return self._tree_page(request, edited=cluster_id, form=form)
        try:
            describe_cluster(cluster_id=cluster_id, by=caller(request), now=now(), **form.cleaned_data)
        except ClusterNotFound:
            raise Http404 from None
        return _to_cluster(request, cluster_id)

    def confirm_view(self, request: HttpRequest, cluster_id: UUID, spoke_id: UUID) -> HttpResponse:
        self._set_confirmed(request, cluster_id, spoke_id, confirm_node, "{} is confirmed as a node of its cluster.")
        return _to_cluster(request, cluster_id)

    def unconfirm_view(self, request: HttpRequest, cluster_id: UUID, spoke_id: UUID) -> HttpResponse:
        self._set_confirmed(request, cluster_id, spoke_id, unconfirm_node, "{} is not confirmed any more.")
        return redirect("admin:spokes_spoke_change", spoke_id)

    def _set_confirmed(
        self, request: HttpRequest, cluster_id: UUID, spoke_id: UUID, verb: Callable[..., None], words: str
    ) -> None:
        try:
            verb(cluster_id=cluster_id, spoke_id=spoke_id, by=caller(request), now=now())
        except HubError as refusal:
            messages.error(request, refusal.sentence)
        else:
            name = Spoke.objects.values_list("name", flat=True).get(pk=spoke_id)
            messages.success(request, words.format(name))

    def forget_view(self, request: HttpRequest, cluster_id: UUID) -> HttpResponse:
        try:
            cluster = get_cluster(cluster_id, now=now())
            if request.method == "POST":
                delete_cluster(cluster_id=cluster_id, by=caller(request), now=now())
                messages.success(request, f"{cluster.cluster_name} is forgotten.")
                return redirect(LIST)
        except ClusterNotFound:
            messages.warning(request, "That cluster is forgotten already.")
            return redirect(LIST)
        except HubError as refusal:
            messages.error(request, refusal.line())
            return _to_cluster(request, cluster_id)
        site = self.admin_site.each_context(request)
        context = {**site, "title": f"Forget {cluster.cluster_name}?", "cluster": cluster}
        return TemplateResponse(request, "admin/proxmox/cluster/forget.html", context)


def _back(request: HttpRequest) -> QueryDict:
    """The query of the page of clusters one is on or came from."""
    return QueryDict(request.POST.get("back", "").removeprefix("?")) if request.method == "POST" else request.GET


def _to_cluster(request: HttpRequest, cluster_id: UUID) -> HttpResponse:
    query = _back(request).urlencode()
    return redirect(f"{reverse(LIST)}{'?' if query else ''}{query}#cluster-{cluster_id}")
