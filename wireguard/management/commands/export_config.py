from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from hubproject import audit
from wireguard.configtext import WantedPeer, wg_quick_text
from wireguard.models import Peer
from wireguard.sealing import SealingError
from wireguard.services import get_hub, wanted_interface


class Command(BaseCommand):
    help = (
        "Prints a wg-quick file of the hub and all its peers, private key included: keep it as safe as the key. "
        "The agent does not need it; it is for whoever wants to run the hub without this product."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            interface = wanted_interface(get_hub())
        except SealingError as problem:
            raise CommandError(str(problem)) from None
        rows = Peer.objects.filter(live_key__isnull=False).order_by("id").values_list("public_key", "allowed_ips")
        peers = [WantedPeer(key, tuple(allowed_ips.split(","))) for key, allowed_ips in rows]
        audit.record("hub.exported", by=audit.command_caller(), about="hub", now=timezone.now())
        self.stdout.write(wg_quick_text(interface, peers), ending="")
