"""Many clients at once against the real server: what may happen once happens once, whoever is first."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.live import LiveHub
from wireguard.keys import generate_private_key, public_key_of

CLIENTS = 48


@dataclass(frozen=True)
class Issued:
    """A token as the operator got it."""

    id: str
    secret: str
    address: str


def issue(hub: LiveHub, name: str) -> Issued:
    status, answer = hub.call("POST", "/api/installation/token", {"spokeName": name}, role="operator")
    assert status == 201, answer
    token = answer["token"]
    return Issued(token["id"], token["token"], token["allowedIPs"][0])


def fetch(hub: LiveHub, token: Issued) -> int:
    return hub.call("GET", f"/api/installation/script/{token.secret}?platform=linux")[0]


def register(hub: LiveHub, token: Issued, key: str) -> tuple[int, Any]:
    return hub.call("POST", "/api/spoke/register", {"token": token.secret, "publicKey": key, "os": "linux"})


def revoke(hub: LiveHub, token: Issued) -> int:
    return hub.call("DELETE", f"/api/installation/token/{token.id}", role="operator")[0]


def new_key() -> str:
    return public_key_of(generate_private_key())


def all_at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of all acts, done by many clients in random order."""
    shuffled = random.sample(list(acts), len(acts))
    with ThreadPoolExecutor(CLIENTS) as pool:
        return [future.result() for future in [pool.submit(act) for act in shuffled]]


def fetches(hub: LiveHub, tokens: int, each: int) -> str:
    issued = [issue(hub, f"fetch-{number}") for number in range(tokens)]
    counts = Counter(all_at_once([partial(fetch, hub, token) for token in issued for _ in range(each)]))
    assert counts == {200: tokens, 410: tokens * (each - 1)}, counts
    return f"{tokens * each} fetches of {tokens} tokens: {dict(counts)}"


def registrations(hub: LiveHub, tokens: int, keys: int) -> str:
    issued = [issue(hub, f"register-{number}") for number in range(tokens)]
    assert {fetch(hub, token) for token in issued} == {200}
    answers = all_at_once([partial(register, hub, token, new_key()) for token in issued for _ in range(keys)])
    counts = Counter(status for status, _ in answers)
    assert counts == {201: tokens, 410: tokens * (keys - 1)}, counts
    told = [answer["spoke"] for status, answer in answers if status == 201]
    listed = hub.call("GET", "/api/spoke/list?search=register-", role="viewer")[1]["spokes"]
    for column in ("id", "publicKey"):
        assert {spoke[column] for spoke in told} == {spoke[column] for spoke in listed}
    addresses = {spoke["allowedIPs"][0] for spoke in listed}
    assert addresses == {token.address for token in issued}
    assert len(addresses) == tokens
    return f"{tokens * keys} registrations of {tokens} tokens: {len(listed)} spokes, {len(addresses)} addresses"


def issues(hub: LiveHub, tokens: int) -> str:
    issued = all_at_once([partial(issue, hub, f"issue-{number}") for number in range(tokens)])
    assert len({token.id for token in issued}) == len({token.address for token in issued}) == tokens
    return f"{tokens} issues at once: {tokens} tokens, {tokens} addresses"


def register_against_revoke(hub: LiveHub, races: int) -> str:
    """Of a registration and a revocation of the same token exactly one succeeds."""
    outcomes: Counter[str] = Counter()
    for number in range(races):
        token = issue(hub, f"either-{number}")
        (registered, _), revoked = _race(partial(register, hub, token, new_key()), partial(revoke, hub, token))
        assert (registered, revoked) in {(201, 400), (410, 200)}, (registered, revoked)
        outcomes["registered" if registered == 201 else "revoked"] += 1
    return f"{races} registrations against revocations: {dict(outcomes)}, never both"


def claim_against_revoke(hub: LiveHub, races: int) -> str:
    """A revocation always wins in the end: whether the script was fetched before it or not, nobody registers."""
    outcomes: Counter[str] = Counter()
    for number in range(races):
        token = issue(hub, f"stopped-{number}")
        fetched, revoked = _race(partial(fetch, hub, token), partial(revoke, hub, token))
        assert revoked == 200
        assert fetched in {200, 410}
        assert fetch(hub, token) == 410
        assert register(hub, token, new_key())[0] == 410
        outcomes["fetched before" if fetched == 200 else "never fetched"] += 1
    return f"{races} fetches against revocations: {dict(outcomes)}, no token good afterwards"


def _race(one: Callable[[], Any], other: Callable[[], Any]) -> tuple[Any, Any]:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(one), pool.submit(other)
        return first.result(), second.result()
