"""What is wrong with the settings of this app, said at start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from wireguard.firewall import parse_services


@register("hub")
def services_for_spokes_are_understood(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """hub.E007: the firewall is made of them, so a word it does not understand must not wait until then."""
    try:
        parse_services(settings.HUB_SPOKE_SERVICES)
    except ValueError as problem:
        hint = "Name protocol and port of each service, such as HUB_SPOKE_SERVICES=tcp/443 udp/53, or leave it out."
        return [Error(f"HUB_SPOKE_SERVICES: {problem}", hint=hint, id="hub.E007")]
    return []
