"""How far an install is, as the dashboard shows it: steps, what runs out, and what to do when it stops here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Q

from tokens.models import InstallationToken, State, registration_grace

# A script that has not registered by then has stopped, or somebody must look at its terminal.
STOPPED_AFTER = timedelta(minutes=10)
# Nobody watches that closely any more.
BORED_AFTER = timedelta(minutes=10)


class Phase(StrEnum):
    WAITING = "waiting"
    FETCHED = "fetched"
    REGISTERED = "registered"
    CONNECTED = "connected"
    STOPPED = "stopped"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `mark` is done, now, stopped, or empty while it is to come. `since` is what a stopwatch counts from."""

    name: str
    mark: str = ""
    at: datetime | None = None
    since: datetime | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """`runs_out`: what a countdown counts to, in words and as a moment; 0 `poll_seconds`: nothing more will happen."""

    phase: Phase
    steps: list[Step]
    runs_out: tuple[str, datetime] | None = None
    poll_seconds: int = 0

    @property
    def can_revoke(self) -> bool:
        return self.runs_out is not None

    @property
    def can_reissue(self) -> bool:
        return self.phase in {Phase.WAITING, Phase.FETCHED, Phase.STOPPED, Phase.EXPIRED, Phase.REVOKED}


def phase_of(row: InstallationToken, now: datetime) -> Phase:
    """Where this install is as of `now`. Of a redeemed token's row, `spoke__peer__status` is read."""
    if has_stopped(row, now):
        return Phase.STOPPED
    match row.state_at(now):
        case State.ISSUED:
            return Phase.WAITING
        case State.CLAIMED:
            return Phase.FETCHED
        case State.EXPIRED:
            return Phase.EXPIRED
        case State.REVOKED:
            return Phase.REVOKED
    spoke = _spoke_of(row)
    if spoke is None or spoke.removed_at:
        return Phase.REMOVED
    return Phase.CONNECTED if _handshake_of(spoke) else Phase.REGISTERED


def progress_of(row: InstallationToken, now: datetime) -> Progress:
    """The steps of this install as of `now`."""
    phase = phase_of(row, now)
    is_open = row.state_at(now) in {State.ISSUED, State.CLAIMED}
    return Progress(
        phase=phase,
        steps=_STEPS[phase](row, now),
        runs_out=_runs_out(row) if is_open else None,
        poll_seconds=_poll_seconds(row, phase, now),
    )


def has_stopped(row: InstallationToken, now: datetime) -> bool:
    """Whether its script was fetched and never registered, by now."""
    is_unfinished = row.state_at(now) in {State.CLAIMED, State.EXPIRED}
    return is_unfinished and row.claimed_at is not None and now - row.claimed_at >= STOPPED_AFTER


def stopped(now: datetime) -> Q:
    """In SQL what `has_stopped` says of one row."""
    return Q(state__in=[State.CLAIMED, State.EXPIRED], claimed_at__lte=now - STOPPED_AFTER)


def _spoke_of(row: InstallationToken) -> Any:
    """The spoke this token became; None when there is none. By the relation's name: spokes are above this app."""
    return getattr(row, "spoke", None)


def _handshake_of(spoke: Any) -> datetime | None:
    status = getattr(spoke.peer, "status", None)
    return status.latest_handshake_at if status else None


def _runs_out(row: InstallationToken) -> tuple[str, datetime]:
    if row.claimed_at is None:
        return "Command expires in", row.expires_at
    return "Time left to register", max(row.expires_at, row.claimed_at + registration_grace())


def _poll_seconds(row: InstallationToken, phase: Phase, now: datetime) -> int:
    began = {Phase.WAITING: row.created_at, Phase.FETCHED: row.claimed_at, Phase.REGISTERED: row.redeemed_at}.get(phase)
    if began is None:
        return 5 if phase == Phase.STOPPED and row.state_at(now) == State.CLAIMED else 0
    return 1 if now - began < BORED_AFTER else 5


# --- Steps --------------------------------------------------------------------------------------------------------

_CONNECTED = Step("Connected")


def _issued(row: InstallationToken) -> Step:
    by = f"By {row.issued_by}, for" if row.issued_by else "For"
    return Step("Command issued", "done", row.created_at, words=f"{by} {row.address}")


def _so_far(row: InstallationToken) -> list[Step]:
    """What is over and done with before anything registered."""
    if row.claimed_at is None:
        return [_issued(row)]
    return [_issued(row), Step("Script fetched", "done", row.claimed_at, words=f"From {row.claimed_from or 'unknown'}")]


def _waiting(row: InstallationToken, _now: datetime) -> list[Step]:
    words = "Nothing has fetched the script yet."
    waiting = Step("Waiting for the machine", "now", since=row.created_at, words=words)
    return [waiting, Step("Script fetched"), Step("Registered"), _CONNECTED]


def _fetched(row: InstallationToken, _now: datetime) -> list[Step]:
    words = "Installing WireGuard and making keys. Usually 5 to 40 s."
    return [*_so_far(row), Step("Registering", "now", since=row.claimed_at, words=words), _CONNECTED]


def _stopped(row: InstallationToken, now: datetime) -> list[Step]:
    is_over = row.state_at(now) == State.EXPIRED
    why = "The time to register is over." if is_over else f"Nothing came for {STOPPED_AFTER.seconds // 60} minutes."
    words = f"{why} A new command keeps the name and {row.address}."
    ended = row.ended_at or _runs_out(row)[1] if is_over else None
    return [*_so_far(row), Step("Never registered", "stopped", ended, words=words)]


def _expired(row: InstallationToken, _now: datetime) -> list[Step]:
    words = f"Nothing fetched the script in time. A new command keeps the name and, if it is free still, {row.address}."
    return [_issued(row), Step("Expired", "stopped", row.expires_at, words=words)]


def _revoked(row: InstallationToken, _now: datetime) -> list[Step]:
    return [*_so_far(row), Step("Revoked", "stopped", row.ended_at, words="The command works no more.")]


def _registered(row: InstallationToken, _now: datetime) -> list[Step]:
    connecting = Step("Connecting", "now", since=row.redeemed_at, words="Waiting for the first handshake.")
    return [*_so_far(row), _registration(row), connecting]


def _connected(row: InstallationToken, _now: datetime) -> list[Step]:
    peer = _spoke_of(row).peer
    words = f"Handshake from {peer.status.endpoint}" if peer.status.endpoint else ""
    return [*_so_far(row), _registration(row), Step("Connected", "done", peer.status.latest_handshake_at, words=words)]


def _removed(row: InstallationToken, _now: datetime) -> list[Step]:
    spoke = _spoke_of(row)
    return [*_so_far(row), _registration(row), Step("Removed", "stopped", spoke.removed_at if spoke else None)]


def _registration(row: InstallationToken) -> Step:
    spoke = _spoke_of(row)
    kernel = spoke.metadata.get("kernelVersion") if spoke else None
    told = [spoke.get_os_display() if spoke else "", f"kernel {kernel}"[:80] if isinstance(kernel, str) else ""]
    return Step("Registered", "done", row.redeemed_at, words=", ".join(filter(None, told)))


_STEPS = {
    Phase.WAITING: _waiting,
    Phase.FETCHED: _fetched,
    Phase.STOPPED: _stopped,
    Phase.EXPIRED: _expired,
    Phase.REVOKED: _revoked,
    Phase.REGISTERED: _registered,
    Phase.CONNECTED: _connected,
    Phase.REMOVED: _removed,
}
