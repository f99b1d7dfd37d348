"""A process that writes to the audit log: `python -m tests.hubproject.audit_writer NAME EVENTS`.

It says `ready`, waits for a line, then records its events, one a transaction; every third transaction is rolled back.
"""

import os
import sys
import time

import django


def main(name: str, events: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from django.db import connection, transaction
    from django.utils import timezone

    from hubproject.audit import Caller, record
    from tests.races.crowd import wait_long_for_sqlite

    wait_long_for_sqlite()
    connection.ensure_connection()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(events):
        with transaction.atomic():
            record("test.written", by=Caller(actor=name), about=f"{number}", now=timezone.now())
            transaction.set_rollback(number % 3 == 2)
        time.sleep(0.002)  # so that the others get their turn: SQLite's lock knows no queue


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
