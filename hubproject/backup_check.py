"""Does a backup restore? It is restored into a scratch database and looked at; nothing of the hub is touched."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from hubproject.audit import verify_audit
from hubproject.backup_database import NoScratchDatabase, counts_in, scratch
from hubproject.backup_file import SEALING_KEY, Archive
from hubproject.backup_programs import BackupError
from hubproject.models import AuditHead
from wireguard.keys import public_key_of
from wireguard.models import HubConfig
from wireguard.sealed_key import PRIVATE_KEY_CONTEXT
from wireguard.sealing import SealingError, unseal


def check(archive: Archive) -> str:
    """Restores a backup for a moment, and says what was found right. Raises BackupError with what was not."""
    refuse_unfit(archive)
    try:
        with in_scratch(archive):
            key = check_restored(archive)
    except NoScratchDatabase:
        return _check_counts_alone(archive)
    manifest = archive.manifest
    return (
        f"{archive.name} restores: {len(manifest.members)} files as written, {manifest.rows} rows in "
        f"{len(manifest.counts)} tables, {manifest.audit_number} audit events chained, {key}."
    )


def refuse_unfit(archive: Archive) -> None:
    """A backup of another engine, or of a newer version than this code."""
    engine, here = archive.manifest.engine, connection.vendor
    if engine != here:
        raise BackupError(
            f"The backup is of a hub on {engine}, and this one is on {here}: restoring from one engine to the other "
            "is not supported. Set DATABASE_URL accordingly, or take it out for SQLite."
        )
    known = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    if newer := [f"{app} {name}" for app, name in archive.manifest.migrations if (app, name) not in known]:
        raise BackupError(
            f"The backup is of a newer version of the hub ({archive.manifest.version}; this one does not know "
            f"{newer[0]}): install that version first."
        )


@contextmanager
def in_scratch(archive: Archive) -> Iterator[None]:
    """The ORM works on the restored copy, brought to the schema of this version. Raises NoScratchDatabase too."""
    try:
        with scratch(archive.database):
            if table_counts() != archive.manifest.counts:
                raise BackupError(f"{archive.name} does not hold the rows that its manifest counts.")
            bring_up_to_date()
            yield
    except DatabaseError as fault:
        raise BackupError(f"{archive.name} cannot be restored: {str(fault).strip().splitlines()[0]}") from None


def bring_up_to_date() -> None:
    """Runs the migrations that the connected database lacks."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, interactive=False)


def table_counts() -> dict[str, int]:
    """Rows by table."""
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        counts = {}
        for name in sorted(names):
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(name)}")  # noqa: S608 - the database's own names
            counts[name] = int(cursor.fetchone()[0])
    return counts


def check_restored(archive: Archive) -> str:
    """That the audit log is whole and the hub's key opens, in the database that is connected; says so of the key."""
    _check_audit(archive)
    return _check_key(archive)


def _check_audit(archive: Archive) -> None:
    manifest = archive.manifest
    if breach := verify_audit():
        raise BackupError(f"In {archive.name} the audit log is broken: {breach}")
    head = AuditHead.objects.get(id=1)
    if (head.number, head.hash) != (manifest.audit_number, manifest.audit_hash):
        raise BackupError(f"In {archive.name} the audit log does not end where its manifest says.")


def _check_key(archive: Archive) -> str:
    hub = HubConfig.objects.filter(id=1).first()
    if hub is None:
        return "no hub set up"
    try:
        private_half = archive.text(SEALING_KEY)
        private_key = unseal(hub.sealed_private_key, private_half=private_half, context=PRIVATE_KEY_CONTEXT)
    except SealingError as problem:
        raise BackupError(f"In {archive.name} the hub's key does not open: {problem}") from None
    if public_key_of(private_key) != hub.public_key:
        raise BackupError(f"In {archive.name} the hub's two keys do not belong together.")
    return "the hub's key opens"


def _check_counts_alone(archive: Archive) -> str:
    if counts_in(archive.database) != archive.manifest.counts:
        raise BackupError(f"{archive.name} does not hold the rows that its manifest counts.")
    return (
        f"{archive.name} is whole: {len(archive.manifest.members)} files as written, {archive.manifest.rows} rows. "
        "It was not restored, for the database's role may not make a scratch database (ALTER ROLE … CREATEDB)."
    )
