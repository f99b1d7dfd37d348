"""Clusters with their nodes, the worst first, as the page of clusters shows them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from django.db.models import Q
from django.http import QueryDict
from django.utils.http import urlencode

from hubproject.state_shapes import STATES
from proxmox.models import Cluster, ClusterQuerySet, Health
from spokes.listing import numbers_in
from spokes.models import Spoke, SpokeQuerySet

PAGE_SIZE = 25
# With more clusters than these the healthy ones are closed.
MOST_OPEN = 8
MOST_SHAPES = 32
MOST_STANDALONE = 100
# The worst first; one without nodes troubles nobody.
WORST_FIRST = [Health.DOWN, Health.CRITICAL, Health.DEGRADED, Health.HEALTHY, Health.EMPTY]


@dataclass(frozen=True, slots=True)
class Branch:
    """A cluster, its nodes, and the members that its nodes named but that are no spokes."""

    cluster: Cluster
    nodes: list[Spoke]
    missing: list[str]
    is_open: bool
    has_namesake: bool

    @property
    def shapes(self) -> list[tuple[str, str]]:
        """Shape and tone of each node and of each member that is not enrolled, as many as fit into a line."""
        states = [*(node.status for node in self.nodes), *("not_enrolled" for _ in self.missing)]
        return [STATES[state][:2] for state in states[:MOST_SHAPES]]

    @property
    def ca(self) -> str:
        """Six digits that tell clusters of one name apart."""
        digits = self.cluster.fingerprint or ""
        return ":".join(digits[start : start + 2] for start in (0, 2, 4)) if digits else ""

    @property
    def quorum(self) -> str:
        """What the node that registered last said of the cluster's quorum."""
        told = [node for node in self.nodes if isinstance(node.metadata.get("quorate"), bool)]
        if not told:
            return ""
        latest = max(told, key=lambda node: node.registered_at)
        words = "Quorate" if latest.metadata["quorate"] else "No quorum"
        return f"{words} when {latest.proxmox_node_name or latest.name} registered"


class ClusterTree:
    """One page of clusters, from the address's query: `search`, `health`, `page`."""

    def __init__(self, query: QueryDict, now: datetime) -> None:
        self.now = now
        self.search = query.get("search", "").strip().replace("\0", "")[:100]
        health = query.get("health", "")
        self.health = Health(health) if health in Health.values else None
        self._wanted_page = (numbers_in([query.get("page", "")], most=1) or [1])[0]

    # --- Which clusters -------------------------------------------------------------------------------------------

    @cached_property
    def found(self) -> list[Cluster]:
        """All that match the search, the worst first: two numbers of each, not its nodes."""
        clusters = _having(self.search) if self.search else Cluster.objects.all()
        return sorted(clusters.with_counts(self.now), key=lambda one: (WORST_FIRST.index(one.health), one.cluster_name))

    @cached_property
    def counts(self) -> dict[Health, int]:
        health = [cluster.health for cluster in self.found]
        return {one: health.count(one) for one in reversed(WORST_FIRST)}

    @cached_property
    def matching(self) -> list[Cluster]:
        return [cluster for cluster in self.found if self.health in {None, cluster.health}]

    @property
    def page_count(self) -> int:
        return max(1, -(-len(self.matching) // PAGE_SIZE))

    @property
    def page(self) -> int:
        return max(1, min(self._wanted_page, self.page_count))

    @property
    def is_filtered(self) -> bool:
        return bool(self.search or self.health)

    # --- What of them ---------------------------------------------------------------------------------------------

    @cached_property
    def branches(self) -> list[Branch]:
        clusters = self.matching[(self.page - 1) * PAGE_SIZE : self.page * PAGE_SIZE]
        nodes = self._nodes_of(clusters)
        names = [cluster.cluster_name for cluster in self.found]
        return [self._branch(cluster, nodes[cluster.pk], names.count(cluster.cluster_name) > 1) for cluster in clusters]

    def _branch(self, cluster: Cluster, nodes: list[Spoke], has_namesake: bool) -> Branch:
        enrolled = {node.proxmox_node_name.lower() for node in nodes}
        missing = [name for name in cluster.known_nodes if name.lower() not in enrolled]
        is_calm = cluster.health in {Health.HEALTHY, Health.EMPTY}
        is_open = bool(self.search) or not is_calm or len(self.matching) <= MOST_OPEN
        return Branch(cluster, nodes, missing, is_open, has_namesake)

    def _nodes_of(self, clusters: Sequence[Cluster]) -> dict[UUID, list[Spoke]]:
        nodes: dict[UUID, list[Spoke]] = defaultdict(list)
        of_these = Spoke.objects.live().filter(proxmox_cluster__in=[cluster.pk for cluster in clusters])
        for node in self._rows(of_these):
            if node.proxmox_cluster_id is not None:
                nodes[node.proxmox_cluster_id].append(node)
        return nodes

    @cached_property
    def standalone(self) -> list[Spoke]:
        """Proxmox VE outside any cluster, on the last page."""
        if self.page < self.page_count or self.health:
            return []
        alone = Spoke.objects.live().filter(is_proxmox=True, proxmox_cluster=None)
        found = alone.filter(_named(self.search)) if self.search else alone
        return list(self._rows(found)[:MOST_STANDALONE])

    def _rows(self, spokes: SpokeQuerySet) -> SpokeQuerySet:
        return spokes.with_seen(self.now).order_by("proxmox_node_name", "name", "id")

    # --- Links ----------------------------------------------------------------------------------------------------

    def link(self, **changes: str | int) -> str:
        state = {"search": self.search, "health": self.health.value if self.health else "", **changes}
        return f"?{urlencode({name: value for name, value in state.items() if value})}"

    @property
    def any_health(self) -> str:
        return self.link(health="")

    @property
    def here(self) -> str:
        return self.link(page=self.page if self.page > 1 else "")

    def segments(self) -> Iterator[tuple[Health, int, str, bool]]:
        """Each health there is: how many clusters, link, whether it is chosen."""
        for health, count in self.counts.items():
            if count or health == self.health:
                yield health, count, self.link(health=health.value), health == self.health

    @property
    def previous(self) -> str:
        return self.link(page=self.page - 1) if self.page > 1 else ""

    @property
    def next(self) -> str:
        return self.link(page=self.page + 1) if self.page < self.page_count else ""


def _having(text: str) -> ClusterQuerySet:
    """Clusters of this name, or with such a node."""
    nodes = Spoke.objects.live().filter(_named(text), proxmox_cluster__isnull=False).values("proxmox_cluster")
    return Cluster.objects.filter(Q(cluster_name__icontains=text) | Q(datacenter__icontains=text) | Q(pk__in=nodes))


def _named(text: str) -> Q:
    return Q(name__icontains=text) | Q(proxmox_node_name__icontains=text) | Q(token__address__startswith=text)
