from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from hubproject.audit import command_caller
from wireguard.services import initialize_hub


class Command(BaseCommand):
    help = "Sets the hub up, once: makes its keys and writes down its network and endpoint."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--network", required=True, help="the VPN's network, such as 10.0.1.0/24")
        parser.add_argument("--network6", help="an IPv6 prefix for the VPN as well, such as fd12:3456:789a::/64; none")
        parser.add_argument("--endpoint", required=True, help="host:port that spokes connect to")
        parser.add_argument("--listen-port", type=int, default=51820, help="UDP port of the hub (51820)")
        parser.add_argument("--dns", nargs="*", default=[], metavar="ADDRESS", help="DNS servers for spokes; none")
        parser.add_argument("--dns-domain", nargs="*", default=[], metavar="NAME", help="domains for split DNS; none")
        parser.add_argument("--mtu", type=int, default=1420, help="bytes (1420)")
        parser.add_argument("--keepalive", type=int, default=25, help="seconds, on the spokes' side (25)")
        parser.add_argument("--interface", default="wg0", help="name of the hub's interface (wg0)")

    def handle(self, *args: Any, **options: Any) -> None:
        hub = initialize_hub(
            network_cidr=options["network"],
            network_cidr6=options["network6"],
            endpoint=options["endpoint"],
            listen_port=options["listen_port"],
            dns=options["dns"],
            dns_domains=options["dns_domain"],
            mtu=options["mtu"],
            persistent_keepalive=options["keepalive"],
            interface_name=options["interface"],
            by=command_caller(),
            now=timezone.now(),
        )
        self.stdout.write(f"The hub is {' and '.join(hub.addresses)} on {hub.interface_name}, endpoint {hub.endpoint}.")
        self.stdout.write(f"Its public key is {hub.public_key}")
