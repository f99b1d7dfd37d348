import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error as DatabaseTrouble
from django.db import connection

from wireguard.backends import become_wireguard_go
from wireguard.models import HubConfig

WAIT_SECONDS = 2.0


class Command(BaseCommand):
    help = (
        "Waits until the hub is set up, then becomes wireguard-go with the hub's interface. "
        "For kernels without WireGuard, beside the agent, so that a restart of the agent ends no tunnel."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        while (name := _interface_name()) is None:
            time.sleep(WAIT_SECONDS)
        become_wireguard_go(name)


def _interface_name() -> str | None:
    """As the hub was set up; None while it is not, or the database does not answer."""
    try:
        return HubConfig.objects.values_list("interface_name", flat=True).filter(id=1).first()
    except DatabaseTrouble:
        return None
    finally:
        connection.close()  # a restore puts another database in its place, and refuses while somebody has this one open
