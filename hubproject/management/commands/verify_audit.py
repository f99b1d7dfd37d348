from typing import Any

from django.core.management.base import CommandError

from hubproject.audit import verify_audit
from hubproject.commands import RefusingCommand
from hubproject.models import AuditHead, TimerReport
from hubproject.timer_reports import reported


class Command(RefusingCommand):
    help = "Walks the audit log and names the first event that was altered, moved, slipped in, deleted or cut off."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(reported(TimerReport.Errand.AUDIT_CHECK, _walk, failure=CommandError))


def _walk() -> str:
    events = AuditHead.objects.values_list("number", flat=True).first()
    if breach := verify_audit():
        raise CommandError(str(breach))
    return f"{events} events, chain intact"
