from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from hubproject.audit import command_caller
from tokens.services import purge_tokens


class Command(BaseCommand):
    help = "Records lapsed tokens as expired, frees their addresses, and deletes old unredeemed ones. Run it hourly."

    def handle(self, *args: Any, **options: Any) -> None:
        expired, deleted = purge_tokens(by=command_caller(), now=timezone.now())
        self.stdout.write(f"{expired} expired, {deleted} deleted.")
