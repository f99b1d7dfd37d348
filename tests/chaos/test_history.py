"""The checker of histories: a kept promise is nobody's fault, and each broken one is called by its name."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.history import Ending, History, Request, SpokeRow, TokenRow, violations

TOKEN = {"token": {"id": "t1", "allowedIPs": ["10.0.0.2/16"], "spokeName": "one"}}
SPOKE = {
    "spokeId": "s1",
    "allowedIPs": ["10.0.0.2/16"],
    "peerApplied": True,
    "status": "pending",
    "spoke": {"os": "linux"},
}

ISSUED = Request("issue", "one", 1, 2, 201, TOKEN, token="h1")
REGISTERED = Request("register", "one", 3, 4, 201, SPOKE, token="h1", key="k1")
READ = Request("status", "one", 5, 6, 200, spoke="s1")
REMOVED = Request("remove", "one", 7, 8, 200, token="h1", spoke="s1")
GOOD = [ISSUED, REGISTERED, READ]

ENDING = Ending(
    tokens=[TokenRow("t1", "h1", "one", "10.0.0.2", 2, 2, "one", "redeemed")],
    spokes=[SpokeRow("s1", "t1", "one", "k1", "10.0.0.2/32", is_removed=False, is_peer_live=True)],
    peers={"k1": "10.0.0.2/32"},
    interface={"k1": "10.0.0.2/32"},
    next_host=3,
    events={("spoke.registered", "s1"): 1, ("token.redeemed", "t1"): 1},
)
WITHOUT = replace(
    ENDING,
    tokens=[replace(ENDING.tokens[0], lease_host=None, lease_name=None)],
    spokes=[replace(ENDING.spokes[0], is_removed=True, is_peer_live=False)],
    peers={},
    interface={},
    resting=frozenset({2}),
    events={**ENDING.events, ("spoke.removed", "s1"): 1},
)


def register(at: float, status: int = 200, key: str = "k1", **more: Any) -> Request:
    body = {**SPOKE, **more} if status < 300 else {"code": "TOKEN_ALREADY_USED", **more}
    return Request("register", "one", at, at + 0.5, status, body, token="h1", key=key)


def broken(*requests: Request, ending: Ending = ENDING, **history: Any) -> set[str]:
    return {violation.promise for violation in violations(History(requests, **history), ending)}


@pytest.mark.parametrize(
    ("requests", "ending"),
    [
        (GOOD, ENDING),
        ([*GOOD, register(6, peerApplied=False, status=200), register(7, 410, key="k2")], ENDING),
        ([ISSUED, replace(REGISTERED, status=0, body={}), register(5), READ], ENDING),
        ([ISSUED, replace(REGISTERED, status=503, body={}), register(5)], ENDING),
        ([*GOOD, REMOVED, register(9, 410), replace(READ, began=9, ended=10, status=404)], WITHOUT),
        ([*GOOD, replace(REMOVED, status=0), replace(REMOVED, began=9, ended=10, status=404)], WITHOUT),
        ([replace(ISSUED, status=0, body={}, token=""), replace(ISSUED, began=2, ended=3), REGISTERED], ENDING),
    ],
    ids=["plain", "repeated and another key", "reply lost", "503 first", "removed", "reply to removal lost", "retry"],
)
def test_a_history_without_fault_breaks_no_promise(requests, ending):
    assert broken(*requests, ending=ending) == set()


SECOND = replace(ISSUED, name="two", began=5, ended=6, token="h2")
SECOND_ROW = TokenRow("t2", "h2", "two", "10.0.0.2", 3, 3, "two", "issued")


@pytest.mark.parametrize(
    ("promise", "requests", "ending"),
    [
        ("no 5xx but 503", [*GOOD, register(6, 500)], ENDING),
        ("an answer of the contract", [*GOOD, register(6, 401)], ENDING),
        ("an answer of the contract", [replace(ISSUED, status=409, body={}), *GOOD], ENDING),
        ("no 201 lost", GOOD, replace(ENDING, spokes=[])),
        ("no 201 lost", GOOD, replace(ENDING, tokens=[])),
        ("no 201 lost", GOOD, WITHOUT),
        ("no 201 lost", [ISSUED, REGISTERED, replace(READ, status=404)], ENDING),
        ("no 201 lost", [*GOOD, replace(REMOVED, status=404)], WITHOUT),
        ("nothing nobody asked for", [], ENDING),
        ("a registration holds", [*GOOD, register(6, 410)], ENDING),
        ("a registration holds", [ISSUED, register(3, 410)], ENDING),
        ("a registration holds", [*GOOD, register(6, allowedIPs=["10.0.0.2/24"])], ENDING),
        ("no token used twice", [*GOOD, register(6, 201, key="k2")], ENDING),
        ("no token used twice", [*GOOD, register(6, 201)], ENDING),
        ("no token used twice", [ISSUED, Request("revoke", "one", 2, 2.5, 200, token="h1"), REGISTERED], ENDING),
        ("no token used twice", [*GOOD] + 2 * [Request("fetch", "one", 2, 3, 200, token="h1")], ENDING),
        (
            "no token used twice",
            [ISSUED, Request("reissue", "one", 2, 2.5, 201, TOKEN, token="h3", replaces="h1"), REGISTERED],
            ENDING,
        ),
        ("removed stays removed", [*GOOD, REMOVED], ENDING),
        ("removed stays removed", [*GOOD, REMOVED, register(9)], WITHOUT),
        ("removed stays removed", [*GOOD, REMOVED, replace(READ, began=9, ended=10)], WITHOUT),
        ("removed stays removed", [*GOOD, REMOVED], replace(WITHOUT, interface={"k1": "10.0.0.2/32"})),
        ("no address twice", [*GOOD, SECOND], replace(ENDING, tokens=[*ENDING.tokens, SECOND_ROW], next_host=4)),
        ("no address twice", GOOD, replace(ENDING, peers={**ENDING.peers, "k2": "10.0.0.2/32"})),
        ("no lease leaked", GOOD, replace(ENDING, next_host=5)),
        ("no lease leaked", GOOD, replace(ENDING, resting=frozenset({2}))),
        ("no lease leaked", [*GOOD, REMOVED], replace(WITHOUT, tokens=ENDING.tokens)),
        ("interface is database", GOOD, replace(ENDING, interface={})),
        ("interface is database", GOOD, replace(ENDING, interface={**ENDING.interface, "k9": "10.0.0.9/32"})),
        ("interface is database", GOOD, replace(ENDING, interface={"k1": ""})),
        ("audit log", GOOD, replace(ENDING, audit_breach="Event 3 is missing.")),
        ("audit log", GOOD, replace(ENDING, events={**ENDING.events, ("spoke.registered", "s1"): 2})),
        ("audit log", GOOD, replace(ENDING, events={})),
        ("converged", GOOD, replace(ENDING, converged_seconds=21)),
        ("converged", GOOD, replace(ENDING, converged_seconds=None)),
    ],
)
def test_a_broken_promise_is_called_by_its_name(promise, requests, ending):
    assert promise in broken(*requests, ending=ending)


def test_an_address_may_be_had_by_the_next_once_its_holder_was_to_be_removed():
    rows = [WITHOUT.tokens[0], replace(SECOND_ROW, host=2, lease_host=2)]
    ending = replace(WITHOUT, tokens=rows, resting=frozenset())
    assert broken(*GOOD, REMOVED, replace(SECOND, began=8, ended=9), ending=ending) == set()


def test_registrations_in_calm_have_their_peer_at_once():
    late = replace(REGISTERED, body={**SPOKE, "peerApplied": False})
    assert broken(ISSUED, late, READ, calm=[(0, 10)]) == {"applied at once"}
    assert broken(ISSUED, late, READ, calm=[(4, 10)]) == set()


def test_a_token_may_have_expired_where_clocks_were_moved():
    refused = register(3, 410, code="TOKEN_EXPIRED")
    ending = Ending(tokens=[replace(SECOND_ROW, id="t1", hash="h1", name="one", host=2, lease_host=2)], next_host=3)
    assert broken(ISSUED, refused, ending=ending, with_moved_clocks=True) == set()
    assert broken(ISSUED, refused, ending=ending) == {"a registration holds"}
