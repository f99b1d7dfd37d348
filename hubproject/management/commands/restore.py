import getpass
import signal
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from hubproject.audit import command_caller
from hubproject.backup_file import opened
from hubproject.backup_programs import BackupError
from hubproject.commands import RefusingCommand
from hubproject.restore import Plan, plan_restore, restore

AFTERWARDS = [
    "Open install commands are revoked and everybody is signed out; users, API keys and spokes are as they were.",
    "The hub is on hold: start it, see whom it would cut off and let in, then run release_hold.",
]


class Command(RefusingCommand):
    help = (
        "Makes this machine the hub that a backup was made of. The backup is opened and tried first; then it asks. "
        "The passphrase comes from HUB_BACKUP_PASSPHRASE_FILE, or is asked for on a terminal."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--key", type=Path, metavar="FILE", help="the recipient's secret key of gpg")
        parser.add_argument(
            "--credentials",
            type=Path,
            metavar="DIRECTORY",
            help="where the keys of an installed hub belong (/etc/wireguard-hub/credentials); else the data directory",
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        key, credentials = options["key"], options["credentials"]
        try:
            with opened(file, passphrase=_passphrase(), key=key) as archive:
                plan = plan_restore(archive, credentials=credentials, now=timezone.now())
                if not options["yes"]:
                    self._ask(plan)
                for line in restore(plan, by=command_caller(), now=timezone.now()) + AFTERWARDS:
                    self.stdout.write(line)
        except (BackupError, OSError) as failure:
            raise CommandError(str(failure)) from None

    def _ask(self, plan: Plan) -> None:
        manifest = plan.archive.manifest
        self.stdout.write(plan.checked)
        self.stdout.write(f"Here now:  {plan.here.words or 'nothing'}")
        self.stdout.write(f"Comes:     {manifest.hub}, as of {manifest.made:%Y-%m-%d %H:%M:%S} UTC")
        for put in plan.puts:
            self.stdout.write(f"Written:   {put.line}")
        if not sys.stdin.isatty():
            raise CommandError("Nothing was changed: without a terminal to ask on, add --yes.")
        if input("Restore it? Type yes: ").strip() != "yes":
            raise CommandError("Nothing was changed.")


def _passphrase() -> str:
    if settings.HUB_BACKUP_PASSPHRASE or not sys.stdin.isatty():
        return str(settings.HUB_BACKUP_PASSPHRASE)
    return getpass.getpass("Passphrase of the backup: ")
