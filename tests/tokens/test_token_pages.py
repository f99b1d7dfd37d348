"""What the dashboard says of a token: its page at every step of its life, and the list of them."""

import re
from datetime import timedelta

import pytest

from hubproject.models import Role
from spokes.models import Spoke
from tests.conftest import BY_TEST, NOW, agent_has_applied, claim, issue, register
from tests.tokens.test_add_spoke_page import ADD, somebody, text_of
from tokens.models import InstallationToken
from tokens.services import revoke_token
from wireguard.models import PeerStatus

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hub")]

LIST = "/admin/tokens/installationtoken/"
HOSTILE = "<script>alert(1)</script>'\"&"


@pytest.fixture
def operating():
    return somebody(Role.OPERATOR)


def page_of(token) -> str:
    return f"{LIST}{token.pk}/change/"


def part_of(client, token) -> str:
    """What an open page is given, again and again."""
    answer = client.get(page_of(token), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    return text_of(answer)


def steps(page: str) -> list[tuple[str, str]]:
    """Mark and name of each step."""
    told = re.search(r'<ol class="progress".*?</ol>', page, re.DOTALL)[0]
    return re.findall(r'<li(?: class="(\w+)")?><b>([^<]+)</b>', told)


def seconds(page: str) -> int:
    return int(re.search(r'id="install" data-live="(\d+)"', page)[1])


def enrol(**fields):
    issued = issue()
    claim(issued)
    agent_has_applied()
    assert register(issued.secret, **fields).status_code == 201
    return issued.row


def hear(row, **columns):
    peer = Spoke.objects.get(token=row).peer
    PeerStatus.objects.create(peer=peer, latest_handshake_at=NOW, heard_at=NOW, **columns)


# --- The life of a token, as its page tells it --------------------------------------------------------------------


def test_waiting(operating):
    page = part_of(operating, issue().row)
    assert steps(page) == [
        ("now", "Waiting for the machine"),
        ("", "Script fetched"),
        ("", "Registered"),
        ("", "Connected"),
    ]
    assert "Command expires in" in page
    assert "Still waiting after you ran it?" in page
    assert seconds(page) == 1


def test_while_it_waits_the_part_leaves_the_command_alone(operating):
    """The page that shows the secret keeps it: the answer cannot have it, so it must not have its place either."""
    issued = issue()
    assert 'data-cell="command"' not in part_of(operating, issued.row)
    claim(issued)
    assert 'data-cell="command"' in part_of(operating, issued.row)


def test_fetched(operating, clock):
    issued = issue()
    clock.shift(60)
    claim(issued)
    page = part_of(operating, issued.row)
    assert steps(page) == [
        ("done", "Command issued"),
        ("done", "Script fetched"),
        ("now", "Registering"),
        ("", "Connected"),
    ]
    assert "From 192.0.2.1" in page
    assert "revoke it now" in page
    assert "Time left to register" in page


def test_fetched_and_stopped_half_way(operating, clock):
    issued = issue()
    claim(issued)
    clock.shift(10 * 60)
    page = part_of(operating, issued.row)
    assert steps(page)[-1] == ("stopped", "Never registered")
    assert "A new command keeps the name and 10.0.1.2." in page
    assert "Reissue" in page
    assert seconds(page) == 5


def test_fetched_and_over(operating, clock):
    issued = issue(expires_in_hours=1)
    claim(issued)
    clock.shift(61 * 60)
    page = part_of(operating, issued.row)
    assert "The time to register is over." in page
    assert seconds(page) == 0


def test_registered(operating):
    page = part_of(operating, enrol(metadata={"kernelVersion": "6.1.0-28-amd64"}))
    assert steps(page)[2:] == [("done", "Registered"), ("now", "Connecting")]
    assert "Linux, kernel 6.1.0-28-amd64" in page
    assert seconds(page) == 1


def test_connected(operating):
    row = enrol()
    hear(row, endpoint="198.51.100.7:41820")
    page = part_of(operating, row)
    assert [mark for mark, _ in steps(page)] == ["done"] * 4
    assert "alpha is connected as 10.0.1.2" in page
    assert "Handshake from 198.51.100.7:41820" in page
    assert seconds(page) == 0


def test_registered_without_a_script(operating):
    issued = issue()
    agent_has_applied()
    register(issued.secret)
    assert [name for _, name in steps(part_of(operating, issued.row))] == ["Command issued", "Registered", "Connecting"]


def test_expired_unfetched(operating, clock):
    row = issue(expires_in_hours=1).row
    clock.shift(timedelta(hours=2))
    page = part_of(operating, row)
    assert steps(page) == [("done", "Command issued"), ("stopped", "Expired")]
    assert "Reissue" in page


def test_revoked(operating):
    row = issue().row
    revoke_token(token_id=row.pk, by=BY_TEST, now=NOW)
    assert steps(part_of(operating, row))[-1] == ("stopped", "Revoked")


def test_removed(operating):
    row = enrol()
    Spoke.objects.update(removed_at=NOW)
    page = part_of(operating, row)
    assert steps(page)[-1] == ("stopped", "Removed")
    assert ">Reissue<" not in page


def test_after_ten_minutes_it_is_asked_for_less_often(operating, clock):
    row = issue().row
    clock.shift(10 * 60)
    assert seconds(part_of(operating, row)) == 5


def test_the_whole_page_says_what_is_known_of_the_token(operating):
    row = issue().row
    page = text_of(operating.get(page_of(row)))
    assert "The command was shown when it was issued, and only then." in page
    assert f"{row.token_prefix}…" in page
    assert row.token_hash not in page


def test_what_a_machine_sent_is_text(operating):
    row = enrol(metadata={"kernelVersion": HOSTILE})
    hear(row, endpoint=HOSTILE)
    for answer in (operating.get(page_of(row)), operating.get(page_of(row), headers={"HX-Request": "true"})):
        assert b"<script>alert" not in answer.content
        assert HOSTILE in text_of(answer)


@pytest.mark.parametrize("kernel", [None, 5, ["x"], {"a": 1}, "x" * 5000])
def test_odd_metadata_breaks_nothing(operating, kernel):
    page = part_of(operating, enrol(metadata={"kernelVersion": kernel}))
    assert steps(page)[2] == ("done", "Registered")
    assert "x" * 100 not in page


def test_asking_how_far_it_is_takes_few_queries(operating, count_queries):
    row = enrol()
    hear(row, endpoint="198.51.100.7:41820")
    assert count_queries(lambda: part_of(operating, row)) <= 6


# --- The table of several -----------------------------------------------------------------------------------------


def test_the_table_of_several_is_told_how_far_each_is(operating):
    waiting, gone = issue("one").row, enrol()
    answer = operating.get(f"{ADD}/progress?token={waiting.pk}&token={gone.pk}")
    rows = dict(re.findall(r'data-row="([^"]+)">.*?</svg>(\w+)', text_of(answer)))
    assert rows == {str(waiting.pk): "Waiting", str(gone.pk): "Registered"}


@pytest.mark.parametrize("query", ["?token=x", "?token="])
def test_what_is_no_id_is_no_page(operating, query):
    assert operating.get(f"{ADD}/progress{query}").status_code == 404


# --- The list -----------------------------------------------------------------------------------------------------


@pytest.fixture
def one_of_each(hub, clock):
    """A token in each state, named for it."""
    issue("expired", expires_in_hours=1)
    claim(issue("stopped"))
    clock.shift(2 * 3600)
    issue("waiting")
    claim(issue("fetched"))
    revoke_token(token_id=issue("revoked").row.pk, by=BY_TEST, now=NOW)
    agent_has_applied()
    register(issue("registered").secret)


def listed(client, query: str = "") -> dict[str, str]:
    """State by name, as the list has them."""
    page = text_of(client.get(LIST + query))
    return dict(re.findall(r'class="name"><a[^>]*>([^<]+)</a></td>\s*<td[^>]*class="status">.*?</svg>(\w+)', page))


@pytest.mark.usefixtures("one_of_each")
def test_the_list_tells_the_state_of_each_in_words(operating):
    assert {name: state.lower() for name, state in listed(operating).items()} == {
        name: name for name in ("expired", "stopped", "waiting", "fetched", "revoked", "registered")
    }


@pytest.mark.usefixtures("one_of_each")
@pytest.mark.parametrize(
    ("state", "name"),
    [
        ("issued", "waiting"),
        ("claimed", "fetched"),
        ("redeemed", "registered"),
        ("expired", "expired"),
        ("revoked", "revoked"),
        ("stopped", "stopped"),
    ],
)
def test_the_filter_finds_each_state_and_the_search_each_name(operating, state, name):
    assert list(listed(operating, f"?state={state}")) == [name]
    assert list(listed(operating, f"?q={name}")) == [name]


@pytest.mark.usefixtures("one_of_each")
def test_a_row_offers_what_can_be_done_with_it(operating):
    page = text_of(operating.get(LIST))
    rows = {re.search(r">([a-z]+)</a>", row)[1]: row for row in page.split("<tr ")[2:]}
    assert {name for name, row in rows.items() if "Revoke…" in row} == {"waiting", "fetched"}
    assert {name for name, row in rows.items() if "Reissue" in row} == {"expired", "stopped", "revoked"}


def test_a_token_that_was_reissued_offers_nothing_more(operating):
    row = issue().row
    operating.post(f"{ADD}/{row.pk}/reissue")
    page = text_of(operating.get(LIST))
    assert "Reissue the command" not in page
    assert page.count("Revoke the command") == 1


@pytest.mark.usefixtures("one_of_each")
def test_a_viewer_sees_the_list_and_no_button():
    page = text_of(somebody(Role.VIEWER).get(LIST))
    assert "waiting" in page
    assert not re.search(r"Reissue|Revoke…|Add spoke", page)


def test_the_list_takes_as_many_queries_for_many_as_for_one(operating, count_queries):
    issue("first")
    few = count_queries(lambda: operating.get(LIST))
    for number in range(20):
        issue(f"more{number}")
    assert count_queries(lambda: operating.get(LIST)) == few


def test_an_unknown_state_filters_nothing(operating):
    issue()
    assert listed(operating, "?state=%3Cb%3E") == {"alpha": "Waiting"}


def test_no_page_changes_a_token(operating):
    row = issue().row
    operating.post(page_of(row), {"spoke_name": "other", "state": "redeemed"})
    operating.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})
    operating.post(LIST, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    found = InstallationToken.objects.get()
    assert (found.spoke_name, found.state) == ("alpha", "issued")
