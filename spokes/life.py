"""What the audit log tells of one spoke and of the commands it was enrolled with."""

from collections.abc import Iterable, Iterator
from itertools import islice

from hubproject.event_words import EventWords, words_of
from hubproject.models import AuditEvent
from spokes.models import Spoke
from tokens.leases import name_in_log
from tokens.models import InstallationToken

MOST_EVENTS = 50
# How many of the hub's repairs are looked through for one of this spoke's peer.
_REPAIRS = 200
# Says nothing that `spoke.registered` beside it does not say.
_LEFT_OUT = {"token.redeemed"}


def life_of(spoke: Spoke) -> list[tuple[AuditEvent, EventWords]]:
    """The latest events of this spoke, newest first: its own, its tokens' and the repairs of its peer."""
    events = sorted([*_own(spoke), *_repairs(spoke)], key=lambda event: event.id, reverse=True)
    return [(event, words_of(event)) for event in events[:MOST_EVENTS]]


def _own(spoke: Spoke) -> Iterator[AuditEvent]:
    """Names are used again, so that an event counts by the ids it holds; the names are what an index finds it by."""
    tokens = InstallationToken.objects.filter(spoke_id=spoke.pk)
    names = [spoke.name, *(name_in_log(token) for token in tokens)]
    ids = {str(spoke.pk), *(str(token.pk) for token in tokens)}
    events = AuditEvent.objects.filter(object__in=names).exclude(event__in=_LEFT_OUT).order_by("-id")
    mine = (event for event in events[: 10 * MOST_EVENTS] if ids & _ids_in(event))
    return islice(mine, MOST_EVENTS)


def _ids_in(event: AuditEvent) -> set[str]:
    return {str(event.details.get(name)) for name in ("spoke", "token")}


def _repairs(spoke: Spoke) -> Iterable[AuditEvent]:
    """They name a live peer by its spoke, any other by its key; a removed spoke's name may be another's by now."""
    repairs = AuditEvent.objects.filter(event="drift.repaired", at__gte=spoke.registered_at).order_by("-id")[:_REPAIRS]
    return [event for event in repairs if _called_then(spoke, event) in event.details.get("peers", ())]


def _called_then(spoke: Spoke, repair: AuditEvent) -> str:
    was_live = spoke.removed_at is None or repair.at <= spoke.removed_at
    return spoke.name if was_live else spoke.peer.public_key
