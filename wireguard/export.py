"""The hub as a wg-quick file, for whoever wants to run it without this product."""

from wireguard.configtext import WantedPeer, wg_quick_text
from wireguard.models import Peer
from wireguard.services import get_hub
from wireguard.wanted import wanted_interface


def wg_quick_file() -> str:
    """The hub and all its peers, private key included. Raises HubNotInitialized or SealingError."""
    interface = wanted_interface(get_hub())
    rows = Peer.objects.filter(live_key__isnull=False).order_by("id").values_list("public_key", "allowed_ips")
    return wg_quick_text(interface, [WantedPeer(key, tuple(allowed_ips.split(","))) for key, allowed_ips in rows])
