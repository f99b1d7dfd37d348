from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from spokes.models import Spoke


class Command(BaseCommand):
    help = "Lists the live spokes: name, addresses, platform, status, last handshake."

    def handle(self, *args: Any, **options: Any) -> None:
        spokes = Spoke.objects.live().with_status(timezone.now()).order_by("name")
        for spoke in spokes.iterator():
            shaken = f"{spoke.last_handshake:%Y-%m-%d %H:%M:%S}" if spoke.last_handshake else "never"
            addresses = " ".join(filter(None, (spoke.token.address, spoke.token.address6)))
            self.stdout.write(f"{spoke.name:30} {addresses:15} {spoke.os:8} {spoke.status:8} {shaken}")
        if not spokes.exists():
            self.stderr.write(
                f"There are no spokes yet. `{settings.PROGRAM} issue_token NAME` prints the command for the first."
            )
