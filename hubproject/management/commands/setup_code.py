from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from hubproject.access import make_setup_code
from hubproject.audit import command_caller


class Command(BaseCommand):
    help = "Prints a new setup code, good for the first run only; earlier ones stop working."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(make_setup_code(by=command_caller(), now=timezone.now()))
