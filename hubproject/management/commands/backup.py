import signal
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from hubproject.backup import can_be_opened_here, make_backup, newest_backup, verify_backup
from hubproject.backup_programs import BackupError
from hubproject.commands import RefusingCommand
from hubproject.models import TimerReport
from hubproject.timer_reports import reported


class Command(RefusingCommand):
    help = (
        "Writes an encrypted backup of everything a bare machine needs to be this hub, or checks that one restores. "
        "The hub goes on working meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, metavar="FILE|DIR", help="where to; HUB_BACKUP_DIR")
        parser.add_argument(
            "--verify", nargs="?", const="", metavar="FILE", help="restore FILE, or the newest, into a scratch place"
        )
        parser.add_argument("--key", type=Path, metavar="FILE", help="with --verify: the recipient's secret key of gpg")

    def handle(self, *args: Any, output: Path | None, verify: str | None, key: Path | None, **options: Any) -> None:
        if verify is None and key is not None:
            raise CommandError(
                "--key goes with --verify alone: a backup is made with HUB_BACKUP_RECIPIENT's public key."
            )
        if verify is not None and output is not None:
            raise CommandError("--output and --verify exclude each other: one makes a backup, the other tries one.")
        # As Ctrl-C does, SIGTERM ends the programs behind and takes the drafts away.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        try:
            sentence = _check(verify, key) if verify is not None else _make(output)
        except BackupError as failure:
            raise CommandError(str(failure)) from None
        self.stdout.write(sentence)


def _make(output: Path | None) -> str:
    return reported(
        TimerReport.Errand.BACKUP, lambda: make_backup(output=output, now=timezone.now()), failure=BackupError
    )


def _check(file: str, key: Path | None) -> str:
    path = Path(file) if file else None
    if not can_be_opened_here(path, key):
        # No report either: nothing was found out.
        return "Not checked: only the recipient's secret key opens it. Give that with --key, on a machine you trust."
    return reported(
        TimerReport.Errand.BACKUP_CHECK,
        lambda: verify_backup(path or newest_backup(), key=key),
        failure=BackupError,
    )
