#!/usr/bin/env python3
"""The product's command line: `manage.py help` lists the commands."""

import os
import sys


def main() -> int:
    """Runs one command; an expected refusal is one line on stderr and exit status 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hubproject.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    from hubproject.errors import HubError

    try:
        execute_from_command_line(sys.argv)
    except HubError as refusal:
        sys.stderr.write(f"{refusal.line()}\n")
    except ImproperlyConfigured as mistake:
        sys.stderr.write(f"{mistake}\n")
    except DatabaseError as failure:
        reason = str(failure).strip().splitlines()[0]
        remedy = f"Has `{settings.PROGRAM} migrate` been run?"
        sys.stderr.write(f"The database did not answer as expected ({reason}). {remedy}\n")
    except UnicodeEncodeError:
        if not any("\udc80" <= letter <= "\udcff" for argument in sys.argv for letter in argument):
            raise
        sys.stderr.write("An argument is not text in UTF-8.\n")
    except SystemExit as end:
        return 1 if end.code else 0
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
