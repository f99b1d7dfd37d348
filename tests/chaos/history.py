"""What every client was told, held against what database, audit log and interface say in the end.

Pure: it starts nothing and reads nothing. Clients act one after the other, so that of two requests of one client the
first is over before the second begins; a request without an answer may have had its effect at any time since.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

NO_ANSWER = 0
# Two intervals of the agent's look.
CONVERGED_WITHIN_SECONDS = 20.0
FOREVER = float("inf")

# What a client may be told in each act. 503 may always be said, and that nobody answers.
_EXPECTED = {
    "issue": {201, 409},
    "find": {200},
    "reissue": {201, 409},
    "fetch": {200, 410},
    "register": {200, 201, 410},
    "revoke": {200},
    "remove": {200, 202, 404},
    "status": {200, 404},
    "list": {200},
}
# What of an answer to a registration may differ from one repeat to the next.
_MOVES = {"peerApplied", "status", "lastHandshake"}


class Violation(NamedTuple):
    """A promise that was broken, by its name, and what shows it."""

    promise: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.evidence}"


@dataclass(frozen=True)
class Request:
    """One request as its client saw it; times are seconds of one clock, status 0 where no whole answer came.

    `token` is the SHA-256 of the installation token it was about, `replaces` of the one that a reissue ends, `spoke` a
    spoke's id, `key` a public key.
    """

    act: str
    name: str
    began: float
    ended: float
    status: int
    body: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    spoke: str = ""
    key: str = ""
    replaces: str = ""

    @property
    def is_done(self) -> bool:
        return 200 <= self.status < 300

    @property
    def may_have_worked(self) -> bool:
        # A 503 says that nothing was changed, but the one who lost the database while it committed cannot know.
        return self.is_done or self.status in {NO_ANSWER, 503}


@dataclass(frozen=True)
class TokenRow:
    id: str
    hash: str
    name: str
    address: str
    host: int
    lease_host: int | None
    lease_name: str | None
    state: str


@dataclass(frozen=True)
class SpokeRow:
    id: str
    token: str
    name: str
    key: str
    allowed_ips: str
    is_removed: bool
    is_peer_live: bool


@dataclass(frozen=True)
class Ending:
    """What is there in the end. `peers`: live rows without regard to spokes, `interface`: what `wg` shows, both
    public key → allowed-ips. `events`: how often the audit log has each (event, id of token or spoke)."""

    tokens: Sequence[TokenRow] = ()
    spokes: Sequence[SpokeRow] = ()
    peers: dict[str, str] = field(default_factory=dict)
    interface: dict[str, str] = field(default_factory=dict)
    resting: frozenset[int] = frozenset()
    next_host: int = 2
    events: dict[tuple[str, str], int] = field(default_factory=dict)
    audit_breach: str = ""
    converged_seconds: float | None = 0.0


@dataclass(frozen=True)
class History:
    """All requests, and what the scenario did that explains more than the usual answers."""

    requests: Sequence[Request]
    # Tokens may have expired, for the clock was moved by days.
    with_moved_clocks: bool = False
    # Registrations that began in here had an agent in good health, and nobody else's crowd to wait behind.
    calm: Sequence[tuple[float, float]] = ()
    # Keys of peers that the scenario wrote into the database itself, without a spoke.
    planted: Collection[str] = ()


def violations(history: History, ending: Ending) -> list[Violation]:
    """Every promise that was broken; none when all were kept."""
    return [
        *_answers(history),
        *_issued(history, ending),
        *_names(history, ending),
        *_registered(history, ending),
        *_registrations_hold(history),
        *_tokens_used_once(history),
        *_removed(history, ending),
        *_read_what_was_written(history),
        *_addresses(history, ending),
        *_leases(ending),
        *_interface(history, ending),
        *_audit(ending),
        *_convergence(history, ending),
    ]


# --- What was said --------------------------------------------------------------------------------------------------


def _answers(history: History) -> Iterator[Violation]:
    for request in history.requests:
        if request.status in {NO_ANSWER, 503} or request.status in _EXPECTED[request.act]:
            continue
        promise = "no 5xx but 503" if request.status >= 500 else "an answer of the contract"
        yield Violation(promise, f"{request.act} of {request.name}: {request.status} {request.body.get('code', '')}")


def _issued(history: History, ending: Ending) -> Iterator[Violation]:
    rows = {row.hash: row for row in ending.tokens}
    for request in _of(history, "issue", "reissue"):
        if request.is_done:
            row = rows.get(request.token)
            if row is None:
                yield Violation("no 201 lost", f"the token of {request.name} is not in the database")
            elif row.address != _told_address(request):
                yield Violation("no 201 lost", f"{request.name} was told {_told_address(request)}, not {row.address}")


def _names(history: History, ending: Ending) -> Iterator[Violation]:
    asked: set[str] = set()
    for request in _of(history, "issue"):
        if request.status == 409 and request.name not in asked:
            yield Violation("an answer of the contract", f"{request.name} is taken, and nobody has it")
        asked.add(request.name)
    for row in ending.tokens:
        if row.name not in asked:
            yield Violation("nothing nobody asked for", f"a token for {row.name}")


def _registered(history: History, ending: Ending) -> Iterator[Violation]:
    spokes = {spoke.id: spoke for spoke in ending.spokes}
    removals = _first_by(_of(history, "remove"), "spoke")
    for request in _of(history, "register"):
        if not request.is_done:
            continue
        spoke = spokes.get(request.body["spokeId"])
        if spoke is None:
            yield Violation("no 201 lost", f"{request.name} was told {request.status}, and no such spoke is there")
        elif (spoke.key, spoke.allowed_ips) != (request.key, f"{_told_address(request)}/32"):
            yield Violation("no 201 lost", f"{request.name} has another key or address than it was told")
        elif spoke.is_removed and spoke.id not in removals:
            yield Violation("no 201 lost", f"{request.name} was removed, and nobody asked for it")
    asked = {(request.token, request.key) for request in _of(history, "register")}
    hashes = {row.id: row.hash for row in ending.tokens}
    for spoke in ending.spokes:
        if (hashes.get(spoke.token), spoke.key) not in asked:
            yield Violation("nothing nobody asked for", f"a spoke {spoke.name}")


def _registrations_hold(history: History) -> Iterator[Violation]:
    """The same pair, the same body, at any time; and a good token's first key is never turned away."""
    spoiled = _spoiling(history)
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for request in _of(history, "register"):
        pair = (request.token, request.key)
        if request.is_done:
            if told.setdefault(pair, _without_moving(request.body)) != _without_moving(request.body):
                yield Violation("a registration holds", f"the same pair was told something else: {request.name}")
        elif 400 <= request.status < 500 and request.ended < spoiled[request.token].get(request.key, FOREVER):
            if history.with_moved_clocks and request.body.get("code") == "TOKEN_EXPIRED" and pair not in told:
                continue
            what = "a repeat" if pair in told else "a good token"
            yield Violation("a registration holds", f"{what} was refused: {request.name}, {request.status}")


class _Spoiled(dict[str, float]):
    """When each key's pair may first be refused: when something else was done to the token, by any but this key."""

    def __init__(self) -> None:
        super().__init__()
        self.at_all = FOREVER

    def get(self, key: str, default: Any = None) -> float:
        return min([self.at_all, *(moment for other, moment in self.items() if other != key)])


def _spoiling(history: History) -> defaultdict[str, _Spoiled]:
    spoiled: defaultdict[str, _Spoiled] = defaultdict(_Spoiled)
    for request in history.requests:
        if request.act in {"revoke", "remove", "reissue"}:
            token = request.replaces if request.act == "reissue" else request.token
            spoiled[token].at_all = min(spoiled[token].at_all, request.began)
        elif request.act == "register":
            before = dict.get(spoiled[request.token], request.key, FOREVER)
            spoiled[request.token][request.key] = min(before, request.began)
    return spoiled


def _tokens_used_once(history: History) -> Iterator[Violation]:
    keys, created, fetched = defaultdict(set), Counter[str](), Counter[str]()
    ended = _first_by((request for request in _of(history, "revoke") if request.is_done), "token", when="ended")
    ended |= _first_by((request for request in _of(history, "reissue") if request.is_done), "replaces", when="ended")
    for request in history.requests:
        if not request.is_done or not request.token:
            continue
        if request.act == "register":
            keys[request.token].add(request.key)
            created[request.token] += request.status == 201
            if request.began > ended.get(request.token, FOREVER):
                yield Violation("no token used twice", f"{request.name} registered with a token that was revoked")
        fetched[request.token] += request.act == "fetch"
    yield from (Violation("no token used twice", f"two keys with one: {one}") for one in keys if len(keys[one]) > 1)
    yield from (Violation("no token used twice", f"201 twice: {one}") for one in created if created[one] > 1)
    yield from (Violation("no token used twice", f"two scripts of one: {one}") for one in fetched if fetched[one] > 1)


def _removed(history: History, ending: Ending) -> Iterator[Violation]:
    spokes = {spoke.id: spoke for spoke in ending.spokes}
    removed = _first_by((request for request in _of(history, "remove") if request.is_done), "spoke", when="ended")
    for spoke_id in removed:
        spoke = spokes.get(spoke_id)
        if spoke is None or not spoke.is_removed:
            yield Violation("removed stays removed", f"spoke {spoke_id} is not removed in the database")
    for spoke in ending.spokes:
        if spoke.is_removed and (spoke.is_peer_live or spoke.key in ending.interface):
            yield Violation("removed stays removed", f"{spoke.name} still has its peer")
    for request in _of(history, "register"):
        if request.is_done and request.began > removed.get(request.body["spokeId"], FOREVER):
            yield Violation("removed stays removed", f"{request.name} was let in again with its old token")


def _read_what_was_written(history: History) -> Iterator[Violation]:
    """A spoke is there from the answer to its registration until somebody asks for its removal, and never after."""
    told = [request for request in _of(history, "register") if request.is_done]
    there = _first_by(told, "spokeId", when="ended", in_body=True)
    asked = _first_by(_of(history, "remove"), "spoke")
    done = _first_by((request for request in _of(history, "remove") if request.is_done), "spoke", when="ended")
    for request in _of(history, "status", "remove"):
        is_there = there.get(request.spoke, FOREVER) < request.began
        if request.status == 404 and is_there and request.ended <= asked.get(request.spoke, FOREVER):
            yield Violation("no 201 lost", f"{request.name} is not found, right after it registered")
        if request.status == 404 and request.act == "remove" and asked[request.spoke] == request.began:
            yield Violation("no 201 lost", f"{request.name} could not be removed, for it was not there")
        if request.status == 200 and request.act == "status" and request.began > done.get(request.spoke, FOREVER):
            yield Violation("removed stays removed", f"{request.name} is read after it was removed")


# --- Addresses ------------------------------------------------------------------------------------------------------


def _addresses(history: History, ending: Ending) -> Iterator[Violation]:
    """No address is surely held by two at any time, nor leased twice in the end."""
    for address, spans in ({} if history.with_moved_clocks else _held(history)).items():
        spans.sort()
        for (_, until, one), (begins, _, other) in pairwise(spans):
            if begins < until:
                yield Violation("no address twice", f"{address} was {one}'s when {other} got it")
    for address, count in Counter(ending.peers.values()).items():
        if count > 1:
            yield Violation("no address twice", f"{count} live peers have {address}")


def _held(history: History) -> dict[str, list[tuple[float, float, str]]]:
    """By address, since when and until when it was surely held, and by whom."""
    let_go: dict[str, float] = {}
    for request in _of(history, "revoke", "remove", "reissue"):
        token = request.replaces if request.act == "reissue" else request.token
        let_go[token] = min(let_go.get(token, FOREVER), request.began)
    held: defaultdict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for request in _of(history, "issue", "reissue"):
        if request.is_done:
            held[_told_address(request)].append((request.ended, let_go.get(request.token, FOREVER), request.name))
    return held


def _leases(ending: Ending) -> Iterator[Violation]:
    """Who holds a lease may, who may does, and every host that was ever given out is leased or resting."""
    live = {spoke.token for spoke in ending.spokes if not spoke.is_removed}
    leased: set[int] = set()
    for row in ending.tokens:
        may_hold = row.state in {"issued", "claimed"} or (row.state == "redeemed" and row.id in live)
        if (row.lease_host is not None) != may_hold or (row.lease_name is not None) != may_hold:
            word = "has lost its lease" if may_hold else "holds a lease"
            yield Violation("no lease leaked", f"{row.name}, {row.state}, {word}")
        if row.lease_host is not None:
            leased.add(row.lease_host)
    if both := leased & ending.resting:
        yield Violation("no lease leaked", f"hosts leased and resting at once: {sorted(both)[:5]}")
    if gone := set(range(2, ending.next_host)) - leased - ending.resting:
        yield Violation("no lease leaked", f"{len(gone)} hosts neither leased nor resting: {sorted(gone)[:5]}")


# --- Database, interface, log ---------------------------------------------------------------------------------------


def _interface(history: History, ending: Ending) -> Iterator[Violation]:
    for key in ending.peers.keys() - ending.interface.keys():
        yield Violation("interface is database", f"{key[:8]}… is wanted and not there")
    for key in ending.interface.keys() - ending.peers.keys():
        yield Violation("interface is database", f"{key[:8]}… is there and not wanted")
    for key in ending.interface.keys() & ending.peers.keys():
        if ending.interface[key] != ending.peers[key]:
            yield Violation("interface is database", f"{key[:8]}… has {ending.interface[key]}, not {ending.peers[key]}")
    wanted = {spoke.key for spoke in ending.spokes if not spoke.is_removed} | set(history.planted)
    for key in wanted ^ ending.peers.keys():
        yield Violation("interface is database", f"{key[:8]}… is a peer without a spoke, or a spoke without its peer")


def _audit(ending: Ending) -> Iterator[Violation]:
    if ending.audit_breach:
        yield Violation("audit log", ending.audit_breach)
    due = Counter[tuple[str, str]]()
    for spoke in ending.spokes:
        due["spoke.registered", spoke.id] = 1
        due["spoke.removed", spoke.id] = int(spoke.is_removed)
    for row in ending.tokens:
        due["token.redeemed", row.id] = int(row.state == "redeemed")
    for (event, subject), times in due.items():
        if ending.events.get((event, subject), 0) != times:
            yield Violation("audit log", f"{event} {ending.events.get((event, subject), 0)} times for {subject}")


def _convergence(history: History, ending: Ending) -> Iterator[Violation]:
    if ending.converged_seconds is None:
        yield Violation("converged", "never, after the fault had ended")
    elif ending.converged_seconds > CONVERGED_WITHIN_SECONDS:
        yield Violation("converged", f"only {ending.converged_seconds:.0f} s after the fault had ended")
    calm = [
        request.body["peerApplied"]
        for request in _of(history, "register")
        if request.status == 201 and any(begins <= request.began < ends for begins, ends in history.calm)
    ]
    # Half of them: a busy machine may make one wait longer than the answer does.
    if calm and sum(calm) < len(calm) / 2:
        yield Violation("applied at once", f"only {sum(calm)} of {len(calm)} registrations in calm")


# --- Ways to read it ------------------------------------------------------------------------------------------------


def _of(history: History, *acts: str) -> Iterator[Request]:
    return (request for request in history.requests if request.act in acts)


def _first_by(
    requests: Iterable[Request], name: str, *, when: str = "began", in_body: bool = False
) -> dict[str, float]:
    """When each was first concerned."""
    first: dict[str, float] = {}
    for request in requests:
        subject = request.body[name] if in_body else getattr(request, name)
        first[subject] = min(first.get(subject, FOREVER), getattr(request, when))
    return first


def _told_address(request: Request) -> str:
    told = request.body.get("token", request.body)
    return str(told["allowedIPs"][0]).partition("/")[0]


def _without_moving(body: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in body.items() if name not in _MOVES}
    return kept | {"spoke": {name: value for name, value in body.get("spoke", {}).items() if name not in _MOVES}}
