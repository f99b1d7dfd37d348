"""Whether the harness sees anything: the product with one promise broken must fail a short scenario, by that name."""

import time

from tests.chaos.stage import PromisesBroken, Stage, stage
from tests.chaos.storage import lock

# What is broken, and the promise that has to be reported.
BROKEN = {
    "address-reuse": "no address twice",
    "lost-wakeup": "applied at once",
    "double-redeem": "no token used twice",
    "early-201": "no 201 lost",
    "leaked-lease": "no lease leaked",
    "deaf-removal": "removed stays removed",
    "crash": "no 5xx but 503",
}


def every_broken_promise() -> str:
    for broken in BROKEN:
        is_seen(broken)
    return f"{len(BROKEN)} broken promises, each seen by its name: {', '.join(BROKEN)}"


def is_seen(broken: str) -> None:
    with stage(DJANGO_SETTINGS_MODULE="tests.chaos.broken", BROKEN=broken) as hub:
        hub.registrations_in_calm()
        hub.crowd(pause=0.1, patience=30)
        time.sleep(2)
        if broken == "crash":
            lock(hub, 12)
        time.sleep(2)
        found = _found(hub)
        assert BROKEN[broken] in found, f"{broken} was not seen, but {found}"


def is_seen_soon(broken: str, *, lives: int = 6) -> None:
    """The same with two clients and few lives, for a break that needs no luck to be seen."""
    with stage(DJANGO_SETTINGS_MODULE="tests.chaos.broken", BROKEN=broken, HUB_WORKERS="1") as hub:
        hub.finish(hub.crowd(clients=2, lives=lives), gently=False)
        assert BROKEN[broken] in _found(hub)


def _found(hub: Stage) -> dict[str, int]:
    try:
        hub.verdict(seconds=12)
    except PromisesBroken as problem:
        return dict(problem.promises)
    return {}
