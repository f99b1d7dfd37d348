import signal
import threading
from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management.base import CommandError, CommandParser
from django.utils.module_loading import import_string

from hubproject.commands import RefusingCommand
from hubproject.logs import log_to_standard_output
from wireguard.agent import Agent, keep_garbage_collection_rare
from wireguard.wakeup import wakeup_for_database


class Command(RefusingCommand):
    help = "Keeps the WireGuard interface as the database says, until SIGTERM or Ctrl-C. Needs CAP_NET_ADMIN."
    # Our own and the models'. Those of pages and of their security would load pages and REST, for 25 megabytes.
    requires_system_checks = ("hub", Tags.models)

    def add_arguments(self, parser: CommandParser) -> None:
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument("--once", action="store_true", help="bring the interface up, look once, and end")
        instead.add_argument(
            "--down",
            action="store_true",
            help="end the interface with all tunnels, take the firewall table away, put forwarding back",
        )

    def handle(self, *args: Any, once: bool, down: bool, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        try:
            backend = import_string(settings.HUB_WIREGUARD_BACKEND)()
        except ImportError as why:
            raise CommandError(f"HUB_WIREGUARD_BACKEND is {settings.HUB_WIREGUARD_BACKEND}: {why}.") from None
        agent = Agent(backend, wakeup_for_database(), stop)
        keep_garbage_collection_rare()
        if not (once or down):
            log_to_standard_output()
            agent.run()
        elif problem := agent.run_once() if once else agent.take_down():
            raise CommandError(problem)
