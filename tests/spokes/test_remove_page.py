"""Removing in the dashboard: it asks first, says what will happen, does it once, and says whether the hub confirmed."""

from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hubproject.audit import verify_audit
from hubproject.models import AuditEvent, Role
from spokes import services
from spokes.models import Spoke
from tests.conftest import agent_has_applied, enrol, signed_in_as
from tests.fleet import seed_fleet
from wireguard.models import HubConfig

pytestmark = pytest.mark.django_db

LIST, REMOVE = "/admin/spokes/spoke/", "/admin/spokes/spoke/remove/"


@pytest.fixture
def viewing(now):
    return signed_in_as(Role.VIEWER)


@pytest.fixture
def operating(now):
    return signed_in_as(Role.OPERATOR)


def one(name: str) -> str:
    return f"{LIST}{Spoke.objects.get(name=name).pk}/remove/"


def peers_of(*names: str) -> str:
    return ",".join(str(Spoke.objects.get(name=name).peer_id) for name in names)


def live() -> list[str]:
    return list(Spoke.objects.live().values_list("name", flat=True))


def text_of(answer) -> str:
    return unescape(answer.content.decode())


def said_after(client, answer) -> str:
    """What the page one is led to says."""
    assert answer.status_code == 302, answer.content
    return text_of(client.get(answer["Location"]))


def removals() -> int:
    return AuditEvent.objects.filter(event="spoke.removed").count()


def test_asking_removes_nothing_and_says_what_will_happen(hub, operating):
    enrol("laptop-001")
    agent_has_applied()
    text = text_of(operating.get(one("laptop-001")))
    for words in ("Remove laptop-001?", "cut within seconds", "10.0.1.2 rests", "only with a new install command"):
        assert words in text
    assert live() == ["laptop-001"]


def test_it_does_not_promise_what_a_silent_agent_cannot_do(hub, operating):
    enrol("laptop-001")
    assert "as soon as it is back" in text_of(operating.get(one("laptop-001")))


def test_it_removes_and_says_that_the_hub_has_confirmed(hub, operating):
    enrol("laptop-001")
    agent_has_applied()
    answer = operating.post(REMOVE, {"peers": peers_of("laptop-001")})
    assert "laptop-001 removed. The hub has cut its tunnel." in said_after(operating, answer)
    assert live() == []


def test_it_says_so_when_the_hub_has_not_confirmed(hub, operating):
    enrol("laptop-001")
    answer = operating.post(REMOVE, {"peers": peers_of("laptop-001")})
    assert "laptop-001 removed. The hub has not confirmed yet." in said_after(operating, answer)


def test_the_page_of_one_spoke_removes_it_by_itself(hub, operating):
    for name in ("alpha", "beta"):
        enrol(name)
    assert operating.post(one("alpha")).status_code == 302
    assert live() == ["beta"]


def test_a_second_click_changes_nothing_more(hub, operating):
    enrol("alpha")
    form = {"peers": peers_of("alpha")}
    operating.post(REMOVE, form)
    assert "removed already" in said_after(operating, operating.post(REMOVE, form))
    assert removals() == 1


def test_several_are_named_and_removed_with_one_wait(hub, operating, monkeypatch):
    for name in ("alpha", "beta", "gamma"):
        enrol(name)
    waits = []
    monkeypatch.setattr(services, "wait_until_applied", lambda generation, seconds: waits.append(generation))
    query = "&".join(f"_selected_action={peer}" for peer in peers_of("alpha", "gamma").split(","))
    text = text_of(operating.get(f"{REMOVE}?{query}"))
    assert "Remove 2 spokes?" in text
    assert "<b>alpha</b>, <b>gamma</b>" in text
    operating.post(REMOVE, {"peers": peers_of("alpha", "gamma")})
    assert live() == ["beta"]
    assert len(waits) == 1


def test_many_go_a_batch_a_transaction_and_all_of_them_go(now, operating, monkeypatch):
    seed_fleet(12, now)
    waits = []
    monkeypatch.setattr(services, "wait_until_applied", lambda generation, seconds: waits.append(generation))
    monkeypatch.setattr(services, "REMOVED_AT_ONCE", 5)
    every = ",".join(map(str, Spoke.objects.values_list("peer_id", flat=True)))
    operating.post(REMOVE, {"peers": every, "number": "12"})
    assert live() == []
    assert removals() == 12
    assert waits == [HubConfig.objects.get().generation]


def test_a_batch_moves_the_head_of_the_audit_log_once(now, operating, monkeypatch):
    seed_fleet(12, now)
    monkeypatch.setattr(services, "wait_until_applied", lambda generation, seconds: True)
    every = ",".join(map(str, Spoke.objects.values_list("peer_id", flat=True)))
    with CaptureQueriesContext(connection) as queries:
        operating.post(REMOVE, {"peers": every, "number": "12"})
    assert len([query for query in queries if query["sql"].startswith("UPDATE audit_head")]) == 1
    assert removals() == 12
    assert verify_audit() is None


@pytest.mark.parametrize("typed", ["", "11", "12 ", "twelve", "012"])
def test_more_than_ten_take_their_number(now, operating, typed):
    seed_fleet(12, now)
    every = ",".join(map(str, Spoke.objects.values_list("peer_id", flat=True)))
    answer = operating.post(REMOVE, {"peers": every, "number": typed})
    if typed.strip() == "12":
        assert live() == []
    else:
        assert answer.status_code == 200
        assert "Type 12 to remove 12 spokes." in text_of(answer)
        assert len(live()) == 12


def test_all_that_match_are_those_that_were_asked_about_whatever_matches_later(now, operating):
    seed_fleet(30, now)
    macs = Spoke.objects.filter(os="macos")
    text = text_of(operating.get(f"{REMOVE}?select_across=1&os=macos&_selected_action={Spoke.objects.first().peer_id}"))
    assert f"Remove {macs.count()} spokes?" in text
    asked = text.partition('name="peers" value="')[2].partition('"')[0]
    assert set(asked.split(",")) == {str(spoke.peer_id) for spoke in macs}


def test_nothing_chosen_is_nothing_removed(hub, operating):
    enrol("alpha")
    assert "nothing to remove" in said_after(operating, operating.get(REMOVE))
    for form in ({}, {"peers": "x,-1,9999,"}):
        assert "nothing to remove" in said_after(operating, operating.post(REMOVE, form))
    assert live() == ["alpha"]


def test_it_leads_back_to_where_one_was(hub, operating):
    enrol("alpha")
    query = f"_selected_action={peers_of('alpha')}&search=al&page=2&csrfmiddlewaretoken=x"
    assert 'name="back" value="search=al&page=2"' in text_of(operating.get(f"{REMOVE}?{query}"))
    answer = operating.post(REMOVE, {"peers": peers_of("alpha"), "back": "search=al&page=2"})
    assert answer["Location"] == f"{LIST}?search=al&page=2"


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "\r\nX: y", "%0d%0aX: y"])
def test_it_leads_nowhere_else(hub, operating, back):
    enrol("alpha")
    answer = operating.post(REMOVE, {"peers": peers_of("alpha"), "back": back})
    assert answer["Location"].startswith(f"{LIST}?")
    assert "\n" not in answer["Location"]


def test_a_viewer_is_refused(hub, viewing):
    enrol("alpha")
    for path in (one("alpha"), REMOVE):
        assert viewing.get(path).status_code == 403
        assert viewing.post(path, {"peers": peers_of("alpha")}).status_code == 403
    assert live() == ["alpha"]


def test_another_sites_form_is_refused(hub, operating):
    enrol("alpha")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operating.cookies
    for path in (one("alpha"), REMOVE):
        assert strict.post(path, {"peers": peers_of("alpha")}).status_code == 403
    assert live() == ["alpha"]


def test_an_unknown_spoke_is_not_found(hub, operating):
    assert operating.get(f"{LIST}00000000-0000-4000-8000-000000000000/remove/").status_code == 404
