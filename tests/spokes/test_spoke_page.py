"""The page of one spoke: what is known of it, how it lives, and the rates the page has seen."""

import re
from datetime import timedelta
from html import unescape

import pytest

from hubproject.models import Role
from spokes.models import Spoke
from spokes.rates import MOST_LOOKS, RateHistory
from spokes.services import remove_spoke
from tests.conftest import BY_TEST, NOW, agent_has_applied, claim, enrol, issue, register, signed_in_as
from wireguard import repairs
from wireguard.drift import Drift, Kind
from wireguard.models import PeerStatus

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def viewing(now):
    return signed_in_as(Role.VIEWER)


@pytest.fixture
def operating(now):
    return signed_in_as(Role.OPERATOR)


def path_of(name: str, part: str = "change/") -> str:
    return f"/admin/spokes/spoke/{Spoke.objects.filter(name=name).latest('registered_at').pk}/{part}"


def page(client, name: str = "alpha", part: str = "change/") -> str:
    answer = client.get(path_of(name, part))
    assert answer.status_code == 200, answer
    return unescape(answer.content.decode())


def life(text: str) -> list[str]:
    """The bold facts of the time line, newest first."""
    return re.findall(r"<b>([^<]+)</b>", text.partition('<ol class="timeline">')[2].partition("</ol>")[0])


def heard(name: str, seconds_ago: float, **seen) -> None:
    at = NOW - timedelta(seconds=seconds_ago)
    PeerStatus.objects.create(peer=Spoke.objects.get(name=name).peer, latest_handshake_at=at, heard_at=at, **seen)


def test_it_shows_what_is_known(hub, viewing):
    node = {"os": "proxmox", "isProxmox": True, "proxmoxNodeName": "pve2", "proxmoxClusterName": "dc2"}
    spoke = enrol("alpha", proxmoxVersion="8.1.3", metadata={"kernelVersion": "6.5.11-7-pve"}, **node)["spoke"]
    heard("alpha", 900, endpoint="203.0.113.62:51820", transfer_rx=4_100_000_000, transfer_tx=1_200_000_000)
    text = page(viewing)
    for words in (
        "10.0.1.2",
        spoke["publicKey"],
        "203.0.113.62:51820",
        "10.0.1.2/32",
        "Proxmox VE 8.1.3",
        "dc2",
        "All Inactive",
        "pve2",
        "6.5.11-7-pve",
        "4.1 GB",
        "1.2 GB",
        "25 s",
        "15 min ago",
        "not confirmed",
    ):
        assert words in text, words


def test_its_life_is_told_newest_first(hub, viewing):
    issued = issue("alpha")
    claim(issued)
    register(issued.secret)
    assert life(page(viewing)) == [
        "Waiting for the first handshake",
        "alpha registered",
        "Script for alpha fetched",
        "Install command for alpha issued",
    ]


@pytest.mark.parametrize(("seconds", "now_it_is"), [(10, "Connected"), (181, "Went dark")])
def test_its_life_begins_with_how_it_is_now(hub, viewing, seconds, now_it_is):
    enrol("alpha")
    heard("alpha", seconds)
    assert life(page(viewing))[0] == now_it_is


def test_the_life_of_another_spoke_of_that_name_is_not_told(hub, viewing, clock):
    enrol("alpha")
    remove_spoke(spoke_id=Spoke.objects.get().pk, by=BY_TEST, now=NOW)
    clock.shift(60)
    enrol("alpha")
    assert "alpha removed" not in life(page(viewing))
    assert life(page(viewing)).count("alpha registered") == 1


def repaired(*public_keys: str, now=NOW) -> None:
    """What the agent records when it has put these peers back."""
    repairs.record("wg0", Kind.PEER_MISSING, [Drift(Kind.PEER_MISSING, key) for key in public_keys], now)


def test_repairs_of_its_peer_belong_to_its_life(hub, viewing):
    mine, other = (enrol(name)["spoke"]["publicKey"] for name in ("alpha", "beta"))
    repaired(other)
    assert not [line for line in life(page(viewing)) if line.endswith("repaired")]
    repaired(mine)
    repaired(other, mine)
    assert [line for line in life(page(viewing)) if line.endswith("repaired")] == ["wg0 repaired", "alpha repaired"]
    assert "Peers were missing" in page(viewing)


def test_of_a_removed_spoke_the_repair_that_took_its_key_off_again_is_told(hub, viewing, clock):
    key = enrol("alpha")["spoke"]["publicKey"]
    remove_spoke(spoke_id=Spoke.objects.get().pk, by=BY_TEST, now=NOW)
    later = NOW + timedelta(seconds=60)
    repairs.record("wg0", Kind.PEER_FOREIGN, [Drift(Kind.PEER_FOREIGN, key)], later)
    assert f"{key} repaired" in life(page(viewing))


def test_repairs_of_the_next_spoke_of_that_name_are_not_told(hub, viewing, clock):
    enrol("alpha")
    first = Spoke.objects.get()
    remove_spoke(spoke_id=first.pk, by=BY_TEST, now=NOW)
    clock.shift(60)
    repaired(enrol("alpha")["spoke"]["publicKey"], now=NOW + timedelta(seconds=120))
    assert "alpha repaired" in life(page(viewing))
    answer = viewing.get(f"/admin/spokes/spoke/{first.pk}/change/")
    assert "alpha repaired" not in life(unescape(answer.content.decode()))


def test_a_refused_second_use_of_its_command_is_told(hub, viewing):
    issued = issue("alpha")
    register(issued.secret)
    register(issued.secret)
    assert "Install command of alpha refused" in life(page(viewing))


def test_a_removed_spoke_is_shown_as_it_was_and_offers_nothing(hub, operating):
    enrol("alpha")
    remove_spoke(spoke_id=Spoke.objects.get().pk, by=BY_TEST, now=NOW)
    text = page(operating)
    assert ">Removed<" in text
    assert life(text)[0] == "alpha removed"
    assert "Remove…" not in text
    assert "data-live-url" not in text.partition("<main")[2]


def test_an_operator_takes_a_nodes_confirmation_back(hub, viewing, operating):
    spoke = enrol("alpha", os="proxmox", isProxmox=True, proxmoxNodeName="pve1", proxmoxClusterName="dc1")["spoke"]
    node = f"/admin/proxmox/cluster/{spoke['proxmoxClusterId']}/nodes/{spoke['id']}"
    operating.post(f"{node}/confirm/")
    assert "Take back" in page(operating)
    assert "Take back" not in page(viewing)
    assert viewing.post(f"{node}/unconfirm/").status_code == 403
    assert operating.post(f"{node}/unconfirm/")["Location"] == path_of("alpha")
    assert "alpha is not confirmed any more." in page(operating)
    assert not Spoke.objects.get().confirmed


def test_a_viewer_is_not_offered_to_remove_it(hub, viewing, operating):
    enrol("alpha")
    assert "/remove/" not in page(viewing)
    assert "/remove/" in page(operating)


@pytest.mark.parametrize("spoke_id", ["00000000-0000-4000-8000-000000000000", "1", "x" * 300])
def test_an_unknown_spoke_is_not_found(hub, viewing, spoke_id):
    assert viewing.get(f"/admin/spokes/spoke/{spoke_id}/change/").status_code == 404


def test_what_a_machine_sent_shows_as_text(hub, viewing):
    hostile = "<script>alert(1)</script>'\"&{{7*7}}"
    metadata = {"kernelVersion": hostile, "wireguardVersion": ["<b>", {"a": hostile}]}
    node = {"isProxmox": True, "proxmoxNodeName": hostile, "proxmoxClusterName": hostile, "proxmoxVersion": hostile}
    enrol("alpha", os="proxmox", metadata=metadata, **node)
    heard("alpha", 10, endpoint=hostile)
    for part in ("change/", "live/"):
        assert "<script>alert" not in viewing.get(path_of("alpha", part)).content.decode()


# --- Rates --------------------------------------------------------------------------------------------------------


def seconds_ago(number: int) -> int:
    return int(NOW.timestamp()) - number


def test_the_page_takes_along_the_rates_it_has_seen(hub, viewing, clock):
    enrol("alpha")
    heard("alpha", 1, rate_rx=750_000, rate_tx=1_000)
    agent_has_applied(synced_at=NOW)
    asked = re.search(r'data-live-url="([^"]+/live/\?rates=[^"]*)"', page(viewing))
    assert asked
    clock.shift(10)
    agent_has_applied(synced_at=NOW + timedelta(seconds=10))
    news = unescape(viewing.get(asked[1]).content.decode())
    assert f"rates={seconds_ago(0)}-750000-1000_{seconds_ago(-10)}-750000-1000" in news
    assert "750 kB/s" in news


def test_one_look_of_the_agent_is_one_point_however_often_it_is_asked(hub, viewing):
    enrol("alpha")
    agent_has_applied(synced_at=NOW)
    asked = f"{path_of('alpha', 'live/')}?rates={seconds_ago(0)}-5-6"
    assert f'rates={seconds_ago(0)}-5-6"' in unescape(viewing.get(asked).content.decode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1-2",
        "-1--2--3",
        "1-2-3",
        "9" * 9000,
        "\u0661-\u0661-\u0661",
        "1-2-3_" * 999,
        "<svg>",
        "4102444800-1-1",
        "0-0-0\n",
    ],
)
def test_points_that_no_page_was_given_are_left_out(text):
    assert RateHistory.read(text, NOW).looks == ()


def test_looks_that_follow_each_other_are_one_line_and_a_pause_is_a_gap():
    together = "_".join(f"{seconds_ago(number)}-1000-2000" for number in (40, 30, 19, 10))
    assert RateHistory.read(together, NOW).chart(NOW).received.count("M") == 1
    apart = "_".join(f"{seconds_ago(number)}-1000-2000" for number in (120, 110, 20, 10))
    assert RateHistory.read(apart, NOW).chart(NOW).received.count("M") == 2


def test_the_page_keeps_so_many_points_and_no_more():
    looks = "_".join(f"{seconds_ago(number)}-1-2" for number in range(MOST_LOOKS + 50, 0, -1))
    history = RateHistory.read(looks, NOW).with_look(NOW, 10**12, 10**12)
    assert len(history.looks) == MOST_LOOKS
    assert history.looks[-1] == (seconds_ago(0), 10**12, 10**12)
    assert len(str(history)) < 4000
