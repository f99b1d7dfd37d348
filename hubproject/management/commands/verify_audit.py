from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hubproject.audit import verify_audit
from hubproject.models import AuditHead


class Command(BaseCommand):
    help = "Walks the audit log and names the first event that was altered, moved, slipped in, deleted or cut off."

    def handle(self, *args: Any, **options: Any) -> None:
        events = AuditHead.objects.values_list("number", flat=True).first()
        if breach := verify_audit():
            raise CommandError(str(breach))
        self.stdout.write(f"{events} events, chain intact")
