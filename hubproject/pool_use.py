"""How full the address pool is, and where."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F

from tokens.models import InstallationToken
from tokens.pool import Pool

MAP_CELLS = 256


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How full the pool is: addresses in use, resting, free, and how full each cell of the map is (0 to 1)."""

    size: int
    used: int
    resting: int
    cells: list[float]

    @property
    def free(self) -> int:
        return max(0, self.size - self.used - self.resting)

    @property
    def share(self) -> float:
        return self.used / self.size if self.size else 1.0

    @property
    def percent(self) -> str:
        """Rounded, but neither nothing nor everything is said of what is not."""
        if 0 < self.share < 0.01:
            return "< 1"
        return str(min(99, round(self.share * 100)) if self.share < 1 else 100)

    @property
    def sentence(self) -> str:
        return f"{self.used} of {self.size} addresses are in use"


def pool_use(hub: Any) -> PoolUse:
    """One grouped query, whose answer has at most as many rows as the map has cells."""
    pool = Pool(hub.network)
    addresses = hub.network.num_addresses
    width = max(1, addresses // MAP_CELLS)
    held = InstallationToken.objects.filter(lease_host__isnull=False).order_by()
    rows = held.annotate(cell=F("lease_host") / width).values_list("cell").annotate(held=Count("*"))
    cells = [0] * (addresses // width)
    for cell, number in rows:
        cells[min(cell, len(cells) - 1)] += number
    return PoolUse(pool.size, sum(cells), hub.resting_count, [min(1.0, number / width) for number in cells])
