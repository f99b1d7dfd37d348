"""Chains the audit log and makes its tables refuse what an append-only log must refuse.

SQLite drops a table's triggers when Django rebuilds it: a later migration that alters `audit_events` or `audit_head`
has to end with `migrations.RunPython(protect)` of its own.
"""

from django.db import migrations, models

from hubproject.audit import GENESIS_HASH, hash_of

# Table, what is refused, and the sentence that refuses it.
REFUSALS = [
    ("audit_events", "UPDATE", "audit_events is append-only: no event can be changed"),
    ("audit_events", "DELETE", "audit_events is append-only: no event can be deleted"),
    ("audit_events", "TRUNCATE", "audit_events is append-only: no event can be deleted"),
    ("audit_head", "DELETE", "audit_head is the end of the audit log: it cannot be deleted"),
    ("audit_head", "TRUNCATE", "audit_head is the end of the audit log: it cannot be deleted"),
]
REFUSALS_OF_SQLITE = [refusal for refusal in REFUSALS if refusal[1] != "TRUNCATE"]

POSTGRESQL_FUNCTION = """
    CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
    END $$
"""
POSTGRESQL_TRIGGER = """
    CREATE TRIGGER {name} BEFORE {act} ON {table}
    FOR EACH {scope} EXECUTE FUNCTION refuse_audit_change('{sentence}')
"""
SQLITE_TRIGGER = """
    CREATE TRIGGER {name} BEFORE {act} ON {table}
    BEGIN SELECT RAISE(ABORT, '{sentence}'); END
"""
# INSERT OR REPLACE deletes the row in its way without asking the trigger against deletion.
SQLITE_REPLACE_TRIGGER = """
    CREATE TRIGGER audit_events_refuse_replace BEFORE INSERT ON audit_events
    WHEN EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'audit_events is append-only: no event can be replaced'); END
"""


def name_of(table, act):
    return f"{table}_refuse_{act.lower()}"


def chain(apps, schema_editor):
    """Numbers the rows there are from 1 and chains them. A new number is never above the old one, so none collide."""
    AuditEvent = apps.get_model("hubproject", "AuditEvent")
    number, last = 0, GENESIS_HASH
    for old_number in list(AuditEvent.objects.order_by("id").values_list("id", flat=True)):
        row = AuditEvent.objects.get(id=old_number)
        row.id, row.previous_hash = number + 1, last
        number, last = row.id, hash_of(row)
        AuditEvent.objects.filter(id=old_number).update(id=number, previous_hash=row.previous_hash, hash=last)
    apps.get_model("hubproject", "AuditHead").objects.create(id=1, number=number, hash=last)


def protect(apps, schema_editor):
    """The triggers. SQLite knows no TRUNCATE."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL_FUNCTION, params=None)
        for table, act, sentence in REFUSALS:
            scope = "STATEMENT" if act == "TRUNCATE" else "ROW"
            schema_editor.execute(POSTGRESQL_TRIGGER.format(
                name=name_of(table, act), act=act, table=table, scope=scope, sentence=sentence
            ))
    else:
        schema_editor.execute(SQLITE_REPLACE_TRIGGER)
        for table, act, sentence in REFUSALS_OF_SQLITE:
            schema_editor.execute(SQLITE_TRIGGER.format(
                name=name_of(table, act), act=act, table=table, sentence=sentence
            ))


def unprotect(apps, schema_editor):
    """For the way back, which gives up the chain."""
    if schema_editor.connection.vendor == "postgresql":
        for table, act, _ in REFUSALS:
            schema_editor.execute(f"DROP TRIGGER {name_of(table, act)} ON {table}")
        schema_editor.execute("DROP FUNCTION refuse_audit_change")
    else:
        schema_editor.execute("DROP TRIGGER audit_events_refuse_replace")
        for table, act, _ in REFUSALS_OF_SQLITE:
            schema_editor.execute(f"DROP TRIGGER {name_of(table, act)}")


class Migration(migrations.Migration):

    dependencies = [
        ("hubproject", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="auditevent",
            name="previous_hash",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="auditevent",
            name="hash",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="id",
            field=models.BigIntegerField(primary_key=True, serialize=False, verbose_name="number"),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["at"], name="audit_events_at"),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["event"], name="audit_events_event"),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["actor"], name="audit_events_actor"),
        ),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("number", models.BigIntegerField(default=0)),
                ("hash", models.CharField(max_length=64)),
            ],
            options={
                "db_table": "audit_head",
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="audit_head_is_one_row")],
            },
        ),
        migrations.RunPython(chain, migrations.RunPython.noop),
        migrations.RunPython(protect, unprotect),
    ]
