"""Spokes on the admin site: the list that keeps itself fresh, one spoke, and how they are cut off."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from hubproject.api import caller, now
from hubproject.liveness import Status
from hubproject.models import Role
from hubproject.page_roles import role_required
from hubproject.readonly_admin import ReadOnlyAdmin
from proxmox.models import Cluster
from spokes import cluster_admin  # noqa: F401 - importing registers it
from spokes.errors import SpokeNotFound
from spokes.export import csv_lines
from spokes.filters import SpokeFilter, ordering_of
from spokes.life import life_of
from spokes.listing import ALL_MATCHING, PAGE_SIZE, SELECTED, SpokeList, chosen, numbers_in
from spokes.models import Spoke
from spokes.rates import RateHistory
from spokes.services import remove_spokes
from wireguard.models import AgentState, HubConfig

LIST = "admin:spokes_spoke_changelist"
# More than so many at once are removed by who types their number.
MOST_WITHOUT_TYPING = 10
NAMES_SHOWN = 10
MOST_AT_ONCE = 2**16


@admin.register(Spoke)
class SpokeAdmin(ReadOnlyAdmin):
    """Every page is a GET that its address describes; what changes something is a POST of an operator."""

    def get_urls(self) -> list[URLPattern]:
        reads, operates = role_required(Role.VIEWER), role_required(Role.OPERATOR)
        mine = [
            path("live/", reads(self.live_view), name="spokes_spoke_live"),
            path("export/", reads(self.export_view), name="spokes_spoke_export"),  # type: ignore[arg-type] # it streams
            path("remove/", operates(self.remove_view), name="spokes_spoke_remove"),
            path("<uuid:spoke_id>/live/", reads(self.one_live_view), name="spokes_spoke_one_live"),
            path("<uuid:spoke_id>/remove/", operates(self.remove_one_view), name="spokes_spoke_remove_one"),
        ]
        return mine + super().get_urls()

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        site = self.admin_site.each_context(request)
        return TemplateResponse(request, f"admin/spokes/spoke/{template}.html", {**site, **context})

    # --- The list -------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return role_required(Role.VIEWER)(self._list_view)(request)

    def _list_view(self, request: HttpRequest) -> HttpResponse:
        spokes = SpokeList(request.GET, now())
        is_empty = not spokes.filter.total and not spokes.is_filtered
        return self._page(
            request,
            "change_list",
            title="Spokes",
            list=spokes,
            hub=HubConfig.objects.filter(id=1).first() if is_empty else None,
            is_empty=is_empty,
            cluster_count=Cluster.objects.count(),
            cluster=_cluster_named(spokes),
        )

    def live_view(self, request: HttpRequest) -> HttpResponse:
        """What is new in the rows whose peers the page names: a few cells each, never a table."""
        spokes = SpokeList(request.GET, now())
        peers = numbers_in(request.GET.get("peers", "").split(","), most=PAGE_SIZE)
        rows = spokes.rows_of(Spoke.objects.filter(peer_id__in=peers))
        return TemplateResponse(request, "admin/spokes/spoke/live.html", {"list": spokes, "rows": rows})

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """All that match as a file, or those whose boxes are ticked."""
        at, order = now(), ordering_of("name")
        found = chosen(request.GET, at) if SELECTED in request.GET else SpokeFilter(request.GET, now=at).qs
        answer = StreamingHttpResponse(csv_lines(found.order_by(*order), at), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="spokes-{at:%Y-%m-%d}.csv"'
        return answer

    # --- One spoke ------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return role_required(Role.VIEWER)(self._one_view)(request, _id_of(object_id))

    def one_live_view(self, request: HttpRequest, spoke_id: UUID) -> HttpResponse:
        return self._one_view(request, spoke_id, template="one_live")

    def _one_view(self, request: HttpRequest, spoke_id: UUID, template: str = "change_form") -> HttpResponse:
        """The whole page or its live part, which takes along the rates it was shown so far."""
        at = now()
        spoke = Spoke.objects.with_seen(at).filter(pk=spoke_id).first()
        if spoke is None:
            raise Http404
        agent = AgentState.current()
        rates = RateHistory.read(request.GET.get("rates", ""), at).with_look(
            agent.synced_at, spoke.rate_rx, spoke.rate_tx
        )
        # Of a laptop silence is no fault; of a node it is.
        is_missed = spoke.is_proxmox and spoke.status == Status.INACTIVE
        chart = rates.chart(at, silent_since=spoke.heard_at if is_missed else None)
        context = {"title": spoke.name, "spoke": spoke, "rates": rates, "chart": chart}
        if template == "one_live":
            return TemplateResponse(request, "admin/spokes/spoke/one_live.html", context)
        cluster_id = spoke.proxmox_cluster_id
        cluster = Cluster.objects.with_counts(at).filter(id=cluster_id).first() if cluster_id else None
        life = life_of(spoke)
        is_alive = agent.is_alive(at)
        return self._page(request, template, **context, cluster=cluster, life=life, agent_is_alive=is_alive)

    # --- Removing -------------------------------------------------------------------------------------------------

    def remove_one_view(self, request: HttpRequest, spoke_id: UUID) -> HttpResponse:
        spoke = Spoke.objects.filter(pk=spoke_id).first()
        if spoke is None:
            raise Http404
        return self._remove(request, [spoke.peer_id], back=QueryDict())

    def remove_view(self, request: HttpRequest) -> HttpResponse:
        """Asks about the spokes that the list's form names; removes those it asked about."""
        if request.method == "POST":
            peers = numbers_in(request.POST.get("peers", "").split(","), most=MOST_AT_ONCE)
        else:
            peers = list(chosen(request.GET, now()).values_list("peer_id", flat=True)[:MOST_AT_ONCE])
        return self._remove(request, peers, back=_list_query(request))

    def _remove(self, request: HttpRequest, peers: list[int], *, back: QueryDict) -> HttpResponse:
        spokes = _live_of(peers)
        to_list = redirect(f"{reverse(LIST)}?{back.urlencode()}" if back else reverse(LIST))
        if not spokes:
            messages.warning(request, "There is nothing to remove: no spoke was chosen, or they are removed already.")
            return to_list
        problem = ""
        if request.method == "POST":
            problem = _typing_problem(request, len(spokes))
            if not problem:
                _remove_and_say(request, spokes)
                return to_list
        return self._page(
            request,
            "remove",
            title=f"Remove {_names_of(spokes)}?",
            spokes=spokes,
            names=_names_of(spokes),
            shown=spokes[:NAMES_SHOWN],
            more=max(0, len(spokes) - NAMES_SHOWN),
            peers=",".join(str(spoke.peer_id) for spoke in spokes),
            asks_number=len(spokes) > MOST_WITHOUT_TYPING,
            problem=problem,
            back=back.urlencode(),
            agent_is_alive=AgentState.current().is_alive(now()),
        )


def _cluster_named(spokes: SpokeList) -> Cluster | None:
    """The cluster whose nodes alone are listed, if the address names one."""
    cluster_id = spokes.filter.values.get("cluster")
    return Cluster.objects.filter(id=cluster_id).first() if cluster_id else None


def _id_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def _live_of(peers: list[int]) -> list[Spoke]:
    """The live ones among them, a thousand a query: databases take only so many values at once."""
    batches = (peers[start : start + 1000] for start in range(0, len(peers), 1000))
    live = Spoke.objects.live().select_related("token")
    return [spoke for batch in batches for spoke in live.filter(peer_id__in=batch).order_by("name", "id")]


def _list_query(request: HttpRequest) -> QueryDict:
    """The list's own parameters that came along, to go back to the same rows."""
    sent = request.POST.get("back", "") if request.method == "POST" else request.GET.urlencode()
    query = QueryDict(sent, mutable=True)
    for name in (SELECTED, ALL_MATCHING, "action", "csrfmiddlewaretoken"):
        query.pop(name, None)
    return query


def _names_of(spokes: list[Spoke]) -> str:
    return spokes[0].name if len(spokes) == 1 else f"{len(spokes)} spokes"


def _typing_problem(request: HttpRequest, count: int) -> str:
    """What is wrong with the number that was typed, if one was asked for."""
    if count <= MOST_WITHOUT_TYPING or request.POST.get("number", "").strip() == str(count):
        return ""
    return f"Type {count} to remove {count} spokes."


def _remove_and_say(request: HttpRequest, spokes: list[Spoke]) -> None:
    names = _names_of(spokes)
    try:
        is_off = remove_spokes(spoke_ids=[spoke.pk for spoke in spokes], by=caller(request), now=now())
    except SpokeNotFound:
        messages.warning(request, f"{names}: removed already.")
        return
    if is_off:
        messages.success(
            request, f"{names} removed. The hub has cut {'its tunnel' if len(spokes) == 1 else 'them off'}."
        )
    else:
        messages.warning(request, f"{names} removed. The hub has not confirmed yet.")
