"""Makes this machine the hub that a backup was made of. Everything is opened and tried before the first write."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction

from hubproject import audit
from hubproject.audit import Caller
from hubproject.backup_check import check, check_restored
from hubproject.backup_file import Archive
from hubproject.backup_programs import BackupError
from hubproject.restore_database import (
    STILL_RUNNING,
    put_database,
    refuse_when_others_are_connected,
    refuse_when_used,
)
from hubproject.restore_files import Put, files_to_put, put_files
from spokes.models import Spoke
from tokens.models import InstallationToken, State
from tokens.services import revoke_token
from wireguard.lease import LONGEST_SECONDS
from wireguard.models import AgentState, HubConfig
from wireguard.services import start_hold

# Past whatever the lost hub may have counted to since its backup: nothing that remembers its numbers is confused.
LEAP = 1_000_000
# No agent's lease lasts so long, two clocks that differ a little included. One that seems to is of an agent that ended
# without giving it back before the clock was set back; it would refuse for as long as that was. Nothing is lost by not
# believing it: an agent that lives has the database open all the while, which is refused of itself, and one that is
# cut off from its database is kept from writing by its term, as it is when its lease has run out.
LONGEST_LEASE = timedelta(seconds=LONGEST_SECONDS + 60)


@dataclass(frozen=True)
class Here:
    """What is on this machine now: in words, empty for nothing, and how far its counters have come."""

    words: str = ""
    generation: int = 0
    term: int = 0


@dataclass(frozen=True)
class Plan:
    """A backup that was found good, what it would replace, and the files to write."""

    archive: Archive
    checked: str
    here: Here
    puts: list[Put]


def plan_restore(archive: Archive, *, credentials: Path | None, now: datetime) -> Plan:
    """Tries the backup and looks around; changes nothing. Raises BackupError."""
    checked = check(archive)
    here = _look_around(now)
    if credentials is not None and not credentials.is_dir():
        raise BackupError(f"There is no directory {credentials}.")
    return Plan(archive, checked, here, files_to_put(archive, credentials=credentials, now=now))


def _look_around(now: datetime) -> Here:
    path = None if connection.vendor == "postgresql" else Path(connection.settings_dict["NAME"])
    if path is not None and not path.exists():
        return Here()
    try:
        here = _hub_here(now)
    except DatabaseError:
        here = Here("a database that cannot be read")
    finally:
        connection.close()
    if path is not None:
        refuse_when_used(path)
    else:
        refuse_when_others_are_connected()
    return here


def _hub_here(now: datetime) -> Here:
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
    if not names:
        return Here()
    hub = HubConfig.objects.filter(id=1).values("endpoint", "generation").first()
    lease: Any = AgentState.objects.filter(id=1).values("term", "lease_expires_at").first() or {}
    if (until := lease.get("lease_expires_at")) and now < until <= now + LONGEST_LEASE:
        raise BackupError(f"{STILL_RUNNING} (The agent's lease runs until {until:%H:%M:%S} UTC.)")
    if hub is None:
        return Here("a database without a hub", term=lease.get("term", 0))
    spokes = Spoke.objects.filter(removed_at=None).count()
    return Here(f"{hub['endpoint']}, {spokes} spokes", hub["generation"], lease.get("term", 0))


def restore(plan: Plan, *, by: Caller, now: datetime) -> list[str]:
    """Does it; returns lines that say what was done. Killed anywhere, it can be run again. Raises BackupError."""
    try:
        settings.HUB_DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = put_database(plan.archive, afterwards=lambda: _afterwards(plan, by=by, now=now), now=now)
    except (OSError, DatabaseError) as fault:
        reason = str(fault).strip().splitlines()[0]
        raise BackupError(f"The restore failed: {reason}. The database is as it was.") from None
    lines = [f"Restored: {plan.archive.manifest.hub}, as of {plan.archive.manifest.made:%Y-%m-%d %H:%M:%S} UTC."]
    lines += [f"Written: {put.line}" for put in plan.puts]
    return [*lines, *([f"The database before is kept: {aside}"] if aside else [])]


def _afterwards(plan: Plan, *, by: Caller, now: datetime) -> None:
    """Between the restored database and its taking the place of the old one. Where no scratch database could be
    made, it was not looked at before."""
    check_restored(plan.archive)
    _make_fit(plan, by=by, now=now)
    put_files(plan.puts)


def _make_fit(plan: Plan, *, by: Caller, now: datetime) -> None:
    """In the restored database: nobody gets in by an old command or session, and the agent holds."""
    with transaction.atomic():
        _leap(plan.here)
        open_tokens = InstallationToken.objects.filter(state__in=[State.ISSUED, State.CLAIMED])
        ids = list(open_tokens.values_list("pk", flat=True))
        for token_id in ids:
            revoke_token(token_id=token_id, by=by, now=now)
        Session.objects.all().delete()
        start_hold(by=by, now=now)
        manifest = plan.archive.manifest
        audit.record(
            "hub.restored",
            by=by,
            about="hub",
            now=now,
            backup=plan.archive.name,
            madeAt=f"{manifest.made:%Y-%m-%d %H:%M:%S} UTC",
            auditEvents=manifest.audit_number,
            revokedTokens=len(ids),
        )


def _leap(here: Here) -> None:
    """Counters go well beyond those of the hub that is lost, and no agent seems to be alive or to have looked."""
    if hub := HubConfig.objects.select_for_update().filter(id=1).first():
        HubConfig.objects.filter(id=1).update(generation=max(hub.generation, here.generation) + LEAP)
    state = AgentState.current()
    AgentState.objects.update_or_create(
        id=1,
        defaults={
            "applied_generation": 0,
            "alive_at": None,
            "synced_at": None,
            "interface_up": False,
            "interface_up_since": None,
            "problem": "",
            "lease_holder": "",
            "lease_expires_at": None,
            "term": max(state.term, here.term) + LEAP,
        },
    )
