from typing import Any

from django.core.management.base import CommandError

from hubproject.commands import RefusingCommand
from hubproject.file_permissions import open_to_others
from hubproject.models import TimerReport
from hubproject.timer_reports import reported


class Command(RefusingCommand):
    help = "Fails when others on this machine could read or change the hub's database, keys or backups."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(reported(TimerReport.Errand.PERMISSIONS_CHECK, _look, failure=CommandError))


def _look() -> str:
    if found := open_to_others():
        raise CommandError(f"{'; '.join(found)}.")
    return "Database, keys and backups are closed to others."
