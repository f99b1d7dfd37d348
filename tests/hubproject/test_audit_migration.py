"""A log that was kept before it was chained becomes a whole chain."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from hubproject.audit import verify_audit
from hubproject.models import AuditEvent, AuditHead
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = [("hubproject", "0001_initial")]


def migrate(targets: list[tuple[str, str]]) -> StateApps:
    executor = MigrationExecutor(connection)
    return executor.migrate(targets).apps


def test_rows_from_before_are_numbered_without_a_gap_and_chained():
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    old = migrate(BEFORE).get_model("hubproject", "AuditEvent")
    for number in (3, 4, 9):
        old.objects.create(id=number, at=NOW, event="test.noted", actor="spoke", object=f"was {number}", user_agent="")
    migrate(newest)
    rows = AuditEvent.objects.order_by("id")
    assert list(rows.values_list("id", "object")) == [(1, "was 3"), (2, "was 4"), (3, "was 9")]
    assert AuditHead.objects.get().hash == rows[2].hash
    assert verify_audit() is None
