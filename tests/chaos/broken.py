"""The product with one promise broken on purpose, as settings; BROKEN names which. `self_test` proves it is seen."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from hubproject.settings import *  # noqa: F403
from hubproject.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "tests.chaos.breakage.Breakage"]


def break_promise() -> None:
    """When the apps are ready, and before anything is served."""
    _BREAKAGES[os.environ["BROKEN"]]()


def _address_reuse() -> None:
    """Every fifth lease is that of a machine that is there."""
    from tokens import leases, services
    from tokens.models import InstallationToken, State

    right = leases.lease_host

    def lease_host(hub: Any, custom_ip: Any, now: Any) -> int:
        host = right(hub, custom_ip, now)
        holder = InstallationToken.objects.filter(state=State.REDEEMED, lease_host__isnull=False).first()
        if host % 5 or holder is None:
            return host
        leases.release_lease(holder, now=now)
        leases.RestingAddress.objects.filter(host=holder.host).delete()
        return holder.host

    services.lease_host = lease_host


def _lost_wakeup() -> None:
    """The agent never notices that somebody has committed, and sleeps on for as long as a sign of life may wait."""
    from wireguard.postgres import PostgresWakeup
    from wireguard.wakeup import SqliteWakeup

    def wait(self: Any, seconds: float, stop: threading.Event) -> None:
        stop.wait(max(seconds, 3.0))

    SqliteWakeup.wait = PostgresWakeup.wait = wait  # type: ignore[method-assign]


def _double_redeem() -> None:
    """A second key with the same token is let in as well."""
    from spokes import services

    services._check_replay = lambda known, public_key: None


def _early_201() -> None:
    """The answer is given before the commit, which comes half a second later, if it comes."""
    from django.db import transaction

    from spokes import services, views

    right = services.register_spoke
    services.wait_until_applied = lambda *_, **__: False

    def register_spoke(**values: Any) -> Any:
        answered, outcome = threading.Event(), []

        def commit_late() -> None:
            try:
                with transaction.atomic():
                    outcome.append(right(**values))
                    answered.set()
                    time.sleep(0.5)
            except Exception as refusal:  # noqa: BLE001 - handed on
                outcome.append(refusal)
            finally:
                answered.set()
                transaction.get_connection().close()

        threading.Thread(target=commit_late).start()
        answered.wait()
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    views.register_spoke = register_spoke


def _leaked_lease() -> None:
    """What is removed or revoked keeps its address for ever."""
    from spokes import services as spokes
    from tokens import services as tokens

    spokes.release_lease = tokens.release_lease = lambda row, now: None


def _deaf_removal() -> None:
    """A removed machine's peer stays wanted."""
    from spokes import services
    from wireguard.services import _next_generation

    services.remove_peers = lambda peer_ids, now: _next_generation()


def _crash() -> None:
    """A database that does not answer is an error of the hub's own."""
    from hubproject import api

    api._MEANINGS.pop(0)


_BREAKAGES: dict[str, Callable[[], None]] = {
    "address-reuse": _address_reuse,
    "lost-wakeup": _lost_wakeup,
    "double-redeem": _double_redeem,
    "early-201": _early_201,
    "leaked-lease": _leaked_lease,
    "deaf-removal": _deaf_removal,
    "crash": _crash,
}
