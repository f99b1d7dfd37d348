import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from wireguard.agent import Agent
from wireguard.wakeup import wakeup_for_database


class Command(BaseCommand):
    help = "Keeps the WireGuard interface as the database says, until SIGTERM or Ctrl-C. Needs CAP_NET_ADMIN."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="bring the interface up, look once, and end")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        backend = import_string(settings.HUB_WIREGUARD_BACKEND)()
        agent = Agent(backend, wakeup_for_database(), stop)
        if not once:
            agent.run()
        elif problem := agent.run_once():
            raise CommandError(problem)
