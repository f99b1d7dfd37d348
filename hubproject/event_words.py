"""What happened, as a person would say it: events of the audit log in plain words. Plain text; templates escape it."""

from dataclasses import dataclass
from typing import Any

from hubproject.models import AuditEvent
from wireguard.drift import Kind


@dataclass(frozen=True, slots=True)
class EventWords:
    """`fact` is a sentence without its full stop, `detail` more of it or empty; `shape` and `tone` name its mark."""

    fact: str
    detail: str
    shape: str
    tone: str
    who: str


def words_of(event: AuditEvent) -> EventWords:
    """The words of one event. One that has none is shown by its name, never left out."""
    fact, detail, mark = WORDS.get(event.event, (_name_in_words(event.event) + ": {name}", "", _PLAIN))
    told = _as_texts(event.details) | {"name": _name_of(event.object)}
    told["found"] = _FOUND.get(told.get("kind", ""), "")
    return EventWords(
        fact=fact.format(**told),
        detail=_filled(detail, told),
        shape=mark[0],
        tone=mark[1],
        who=event.source_address or event.actor,
    )


_PLAIN, _GOOD, _ODD = ("disc", "accent"), ("disc", "ok"), ("triangle", "warn")
_OVER = ("struck", "")

# By event: the fact, what else its details tell, its mark. A detail that is not there leaves the second part out.
WORDS: dict[str, tuple[str, str, tuple[str, str]]] = {
    "token.issued": ("Install command for {name} issued", "For {address}", _PLAIN),
    "token.reissued": ("New install command for {name} issued", "The one before works no more", _PLAIN),
    "token.claimed": ("Script for {name} fetched", "For {platform}", _PLAIN),
    "token.redeemed": ("Install command of {name} spent", "", _PLAIN),
    "token.refused": ("Install command of {name} refused", "{reason}", _ODD),
    "token.revoked": ("Install command of {name} revoked", "", _OVER),
    "token.expired": ("Install command of {name} expired", "{address} is free again", _OVER),
    "tokens.purged": ("Old install commands deleted", "{deleted} of them", _PLAIN),
    "spoke.registered": ("{name} registered", "As {address}, {os}", _GOOD),
    "spoke.replayed": ("{name} registered again with the same key", "", _PLAIN),
    "spoke.removed": ("{name} removed", "{address} is free again", _OVER),
    "node.confirmed": ("{name} confirmed as a node of its cluster", "", _GOOD),
    "node.unconfirmed": ("{name} is not confirmed any more", "", _ODD),
    "cluster.found": ("Cluster {name} seen for the first time", "", _PLAIN),
    "cluster.changed": ("Cluster {name} described anew", "", _PLAIN),
    "cluster.deleted": ("Cluster {name} forgotten", "", _OVER),
    "drift.repaired": ("{name} repaired", "{found}", _ODD),
    "hub.initialized": ("The hub was set up", "{network}, {endpoint}", _GOOD),
    "hub.changed": ("Hub settings changed", "{changed}", _PLAIN),
    "hub.held": ("The hub is on hold", "After a restore", _ODD),
    "hub.restored": ("The hub was restored from a backup", "As of {madeAt}", _ODD),
    "hub.released": ("The hold was released", "", _GOOD),
    "hub.exported": ("The hub's configuration was exported", "", _ODD),
    "user.created": ("User {name} added", "As {role}", _PLAIN),
    "user.role_changed": ("{name} has another role", "{role}", _PLAIN),
    "user.activated": ("{name} may sign in again", "", _PLAIN),
    "user.deactivated": ("{name} was shut out", "", _OVER),
    "user.deleted": ("User {name} deleted", "", _OVER),
    "password.changed": ("{name} changed the password", "", _PLAIN),
    "password.reset": ("The password of {name} was reset", "", _ODD),
    "second_factor.added": ("{name} added a second factor", "", _GOOD),
    "second_factor.removed": ("A second factor of {name} was removed", "", _ODD),
    "second_factor.failed": ("{name} gave a wrong second factor", "", _ODD),
    "recovery_codes.renewed": ("{name} made new recovery codes", "", _PLAIN),
    "sign_in.succeeded": ("{name} signed in", "By {methods}", _PLAIN),
    "sign_in.failed": ("A sign-in as {name} failed", "", _ODD),
    "sign_in.refused": ("{name} is switched off and was not let in", "", _ODD),
    "signed_out": ("{name} signed out", "", _PLAIN),
    "api_key.created": ("API key {name} made", "For {role}", _PLAIN),
    "api_key.revoked": ("API key {name} revoked", "", _OVER),
    "setup_code.made": ("A setup code was made", "", _PLAIN),
}


# What a repair ended, by its kind.
_FOUND = {kind.value: kind.sentence for kind in Kind}


def _filled(template: str, told: dict[str, str]) -> str:
    try:
        return template.format(**told)
    except KeyError:
        return ""


def _as_texts(details: dict[str, Any]) -> dict[str, str]:
    """What the details say, each as a text; what says nothing is left out."""
    return {
        key: ", ".join(map(str, value)) if isinstance(value, list | dict) else str(value)
        for key, value in details.items()
        if value not in (None, "", [], {})
    }


def _name_of(about: str) -> str:
    """Events of tokens are about `laptop-114 (Kd8jD_…)`; the prefix says nothing to a reader."""
    name, _, rest = about.rpartition(" (")
    return name if rest.endswith("…)") else about


def _name_in_words(event: str) -> str:
    return event.replace(".", " ").replace("_", " ").capitalize().replace("{", "{{").replace("}", "}}")
