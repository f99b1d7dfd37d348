"""The list of tokens and one token: what they show, how they filter, count and page."""

from datetime import timedelta

import pytest

from tests.conftest import BY_TEST, NOW, assert_refused, claim, enrol, issue, refused_fields
from tokens.services import purge_tokens, revoke_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def lives(hub, clock):
    """One token in each state, and one whose time ran out without anybody having noticed."""
    lapsed = issue("lapsed", expires_in_hours=1)
    recorded = issue("recorded", expires_in_hours=1)
    clock.move_to(NOW + timedelta(hours=1))
    purge_tokens(by=BY_TEST, now=NOW + timedelta(hours=1)) if recorded else None
    lapsed = issue("unnoticed", expires_in_hours=1)
    clock.move_to(NOW + timedelta(hours=2))
    issue("waiting")
    claim(issue("fetched"))
    enrol("joined")
    revoked = issue("stopped")
    revoke_token(token_id=revoked.row.id, by=BY_TEST, now=NOW)
    return lapsed


def listed(client, query=""):
    answer = client.get(f"/api/installation/tokens?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def names(body):
    return {token["spokeName"] for token in body["tokens"]}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("unused", {"waiting"}),
        ("used", {"fetched", "joined"}),
        ("expired", {"lapsed", "recorded", "unnoticed"}),
        ("revoked", {"stopped"}),
    ],
)
def test_each_status_lists_its_tokens(lives, viewer, status, expected):
    body = listed(viewer, f"status={status}")
    assert names(body) == expected
    assert body["totalCount"] == len(expected)


def test_the_counts_add_up_and_do_not_depend_on_the_status_asked_for(lives, viewer):
    whole, part = listed(viewer), listed(viewer, "status=used")
    counts = ["unusedCount", "usedCount", "expiredCount", "revokedCount"]
    assert [whole[name] for name in counts] == [part[name] for name in counts] == [1, 2, 3, 1]
    assert whole["totalCount"] == 7


def test_no_secret_is_listed(lives, viewer):
    assert "token" not in listed(viewer)["tokens"][0]
    assert lives.secret not in str(listed(viewer))


def test_search_finds_names_addresses_and_prefixes(lives, viewer):
    assert names(listed(viewer, "search=FETCH")) == {"fetched"}
    assert "unnoticed" in names(listed(viewer, f"search={lives.row.address}"))
    assert names(listed(viewer, f"search={lives.row.token_prefix}")) == {"unnoticed"}


def test_pages_hold_every_token_once_newest_first(lives, viewer):
    first, second = listed(viewer, "pageSize=4"), listed(viewer, "pageSize=4&page=2")
    assert (first["nextPage"], second["nextPage"]) == (2, None)
    assert len(names(first) | names(second)) == 7
    dates = [token["createdAt"] for token in first["tokens"] + second["tokens"]]
    assert dates == sorted(dates, reverse=True)


def test_a_page_beyond_the_last_is_empty(lives, viewer):
    assert listed(viewer, "page=99999999")["tokens"] == []


@pytest.mark.parametrize(
    "query", ["status=fine", "page=0", "page=-1", "page=x", "pageSize=1001", "sort=name", "page=1&page=2"]
)
def test_a_parameter_that_is_not_offered_is_refused(hub, viewer, query):
    assert refused_fields(viewer.get(f"/api/installation/tokens?{query}"))


def test_the_number_of_queries_does_not_grow(hub, viewer, count_queries):
    issue("one")
    listed(viewer)  # notes the key's first use
    few = count_queries(lambda: listed(viewer))
    for number in range(20):
        issue(f"more-{number}")
    assert count_queries(lambda: listed(viewer)) == few


def test_one_token_tells_its_state_as_time_goes_by(hub, viewer, clock):
    issued = issue("alpha")
    path = f"/api/installation/token/{issued.row.id}"
    assert viewer.get(path).json()["state"] == "issued"
    claim(issued)
    body = viewer.get(path).json()
    assert (body["state"], body["used"], body["claimedFrom"]) == ("claimed", True, "192.0.2.1")
    clock.move_to(NOW + timedelta(hours=24))
    assert viewer.get(path).json()["state"] == "expired"


def test_an_unknown_token_is_not_found(hub, viewer):
    assert_refused(viewer.get("/api/installation/token/00000000-0000-4000-8000-000000000000"), 404, "NOT_FOUND")
    assert_refused(viewer.get("/api/installation/token/rubbish"), 404, "NOT_FOUND")
