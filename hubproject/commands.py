"""What the commands that may refuse have in common."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class RefusingCommand(BaseCommand):
    """Says a refusal as the bare sentence; Django would put the exception's name before it."""

    _is_typed = False

    def run_from_argv(self, argv: list[str]) -> None:
        self._is_typed = True
        super().run_from_argv(argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except CommandError as refusal:
            if not self._is_typed or options["traceback"]:
                raise
            self.stderr.write(str(refusal))
            sys.exit(refusal.returncode)
