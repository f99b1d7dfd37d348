"""Registering turns a token and a public key into a spoke, once, and says the same again to whoever asks again."""

import base64
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from hubproject.models import AuditEvent
from spokes.models import Spoke
from tests.conftest import (
    BY_TEST,
    JSON,
    NOW,
    agent_has_applied,
    assert_refused,
    claim,
    enrol,
    everything,
    is_anywhere,
    issue,
    new_key,
    register,
)
from tokens.errors import TokenRefused
from tokens.models import InstallationToken
from tokens.services import redeem_token, revoke_token
from wireguard.models import HubConfig, Peer

pytestmark = pytest.mark.django_db

DAY = timedelta(hours=24)
MILLISECOND = timedelta(milliseconds=1)
PRIME = 2**255 - 19
LIVE = {"status", "peerApplied"}


def spelled(value: int) -> str:
    return base64.b64encode(value.to_bytes(32, "little")).decode()


def alias_of(key: str) -> str:
    """Another spelling of the same 32 bytes: the last two bits of the last character are not used."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return key[:42] + alphabet[alphabet.index(key[42]) + 1] + "="


def without_live(body: dict) -> dict:
    spoke = {name: value for name, value in body["spoke"].items() if name not in {"status", "lastHandshake"}}
    return {**{name: value for name, value in body.items() if name not in LIVE}, "spoke": spoke}


# --- The answer ---------------------------------------------------------------------------------------------------


def test_it_answers_201_with_the_spoke_and_the_hub(hub):
    issued, key = issue(), new_key()
    answer = register(issued.secret, key)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    body = answer.json()
    assert body == {
        "success": True,
        "spoke": body["spoke"],
        "spokeId": str(issued.row.spoke_id),
        "spokeName": "alpha",
        "allowedIPs": ["10.0.1.2/24"],
        "status": "pending",
        "hub": {
            "publicKey": hub.public_key,
            "endpoint": "hub.example.com:51820",
            "networkCIDR": "10.0.1.0/24",
            "networkCIDR6": None,
            "dns": [],
            "dnsDomains": [],
            "mtu": 1420,
            "persistentKeepalive": 25,
        },
        "peerApplied": False,
    }
    assert body["spoke"] == {
        "id": str(issued.row.spoke_id),
        "tokenId": str(issued.row.pk),
        "name": "alpha",
        "publicKey": key,
        "allowedIPs": ["10.0.1.2/24"],
        "registeredAt": "2026-03-01T12:00:00Z",
        "lastHandshake": None,
        "status": "pending",
        "os": "linux",
        "isProxmox": False,
        "proxmoxClusterId": None,
        "proxmoxNodeName": None,
        "proxmoxVersion": None,
        "metadata": {},
    }


def test_it_answers_with_what_the_hub_says_now(hub):
    issued = issue()
    HubConfig.objects.update(endpoint="moved.example.com:51820", dns=["10.0.1.53"], persistent_keepalive=15)
    told = register(issued.secret).json()["hub"]
    assert (told["endpoint"], told["dns"], told["persistentKeepalive"]) == (
        "moved.example.com:51820",
        ["10.0.1.53"],
        15,
    )


def test_it_wants_the_peer_and_bumps_the_generation_once(hub):
    key = new_key()
    register(issue().secret, key)
    peer = Peer.objects.get()
    generation = HubConfig.objects.get().generation
    assert generation == hub.generation + 1
    assert (peer.public_key, peer.live_key, peer.allowed_ips, peer.generation, peer.removed_at) == (
        key,
        key,
        "10.0.1.2/32",
        generation,
        None,
    )


def test_it_redeems_the_token_which_keeps_its_lease(hub):
    issued = issue()
    register(issued.secret)
    issued.row.refresh_from_db()
    assert (issued.row.state, issued.row.redeemed_at, issued.row.used_at) == ("redeemed", NOW, NOW)
    assert (issued.row.lease_host, issued.row.lease_name) == (2, "alpha")


def test_it_is_recorded_with_address_key_and_platform(hub):
    key = new_key()
    body = {"token": issue().secret, "publicKey": key, "os": "linux"}
    Client().post("/api/spoke/register", body, content_type=JSON, REMOTE_ADDR="198.51.100.7")
    event = AuditEvent.objects.get(event="spoke.registered")
    assert (event.object, event.actor, event.source_address) == ("alpha", "spoke", "198.51.100.7")
    assert (event.details["address"], event.details["publicKey"], event.details["os"]) == ("10.0.1.2", key, "linux")
    assert Spoke.objects.get().registered_from == "198.51.100.7"


def test_neither_token_nor_private_key_is_in_the_answer_or_the_database(hub):
    issued = issue()
    assert issued.secret.encode() not in register(issued.secret).content
    assert not is_anywhere(issued.secret)


@pytest.mark.parametrize(("ahead", "applied"), [(0, False), (1, True), (2, True)])
def test_it_says_whether_the_agent_has_let_the_peer_in(hub, ahead, applied):
    agent_has_applied(hub.generation + ahead, alive_at=None)
    assert register(issue().secret).json()["peerApplied"] is applied


def test_it_waits_for_an_agent_that_is_at_work(hub, monkeypatch):
    agent_has_applied(hub.generation)
    naps = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            agent_has_applied(hub.generation + 1)

    monkeypatch.setattr("wireguard.waiting.time.sleep", nap)
    monkeypatch.setattr("wireguard.waiting.READING_HOLDS_SECONDS", 0)  # nobody really sleeps here
    assert register(issue().secret).json()["peerApplied"] is True
    assert naps == [0.005] * 3


# --- Again --------------------------------------------------------------------------------------------------------


def test_the_same_pair_again_is_answered_200_with_the_same_body(hub, clock):
    issued, key = issue(), new_key()
    first = register(issued.secret, key, metadata={"kernelVersion": "6.1"})
    clock.shift(60)
    again = register(issued.secret, key, metadata={"kernelVersion": "6.2"}, os="windows")
    assert (first.status_code, again.status_code) == (201, 200)
    assert without_live(again.json()) == without_live(first.json())


def test_the_same_pair_again_changes_no_spoke_no_peer_and_no_generation(hub):
    issued, key = issue(), new_key()
    register(issued.secret, key)
    before = everything()
    register(issued.secret, key)
    after = everything()
    assert {name for name in before if before[name] != after[name]} <= {"audit_events", "audit_head"}
    assert AuditEvent.objects.filter(event="spoke.replayed").count() == 1


def test_the_same_pair_works_for_as_long_as_the_spoke_lives(hub, clock):
    issued, key = issue(), new_key()
    register(issued.secret, key)
    clock.shift(timedelta(days=1000))
    assert register(issued.secret, key).status_code == 200


def test_another_key_is_answered_410_and_the_record_names_both_addresses(hub):
    enrol("registered-elsewhere")
    issued = issue("beta")
    Client().get(f"/api/installation/script/{issued.secret}?platform=linux", REMOTE_ADDR="192.0.2.10")
    body = {"token": issued.secret, "publicKey": new_key(), "os": "linux"}
    Client().post("/api/spoke/register", body, content_type=JSON, REMOTE_ADDR="192.0.2.11")
    other = {**body, "publicKey": new_key()}
    answer = Client().post("/api/spoke/register", other, content_type=JSON, REMOTE_ADDR="198.51.100.66")
    assert_refused(answer, 410, "TOKEN_ALREADY_USED")
    event = AuditEvent.objects.get(event="token.refused")
    assert event.source_address == "198.51.100.66"
    assert (event.details["claimedFrom"], event.details["registeredFrom"]) == ("192.0.2.10", "192.0.2.11")
    assert Spoke.objects.get(name="beta").peer.public_key == body["publicKey"]


@pytest.mark.parametrize("ending", ["redeemed", "revoked"])
def test_a_row_that_was_read_before_another_ended_it_redeems_nothing(hub, ending):
    """The hub's lock keeps such a row away; if it ever failed to, the database decides."""
    issued = issue()
    early = InstallationToken.objects.get()
    if ending == "redeemed":
        register(issued.secret, new_key())
    else:
        revoke_token(token_id=early.pk, by=BY_TEST, now=NOW)
    with transaction.atomic(), pytest.raises(TokenRefused):
        redeem_token(row=early, by=BY_TEST, now=NOW)


def test_after_removal_the_same_pair_is_answered_410(hub, operator):
    issued, key = issue(), new_key()
    spoke = register(issued.secret, key).json()
    operator.delete(f"/api/spoke/{spoke['spokeId']}")
    assert_refused(register(issued.secret, key), 410, "TOKEN_ALREADY_USED")
    assert_refused(register(issued.secret), 410, "TOKEN_ALREADY_USED")
    assert not Spoke.objects.live().exists()


# --- While the token is good --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("milliseconds", "status"), [(-1, 201), (0, 410), (1, 410)])
def test_an_issued_token_expires_on_the_millisecond(hub, clock, milliseconds, status):
    issued = issue()
    clock.move_to(NOW + DAY + milliseconds * MILLISECOND)
    answer = register(issued.secret)
    assert answer.status_code == status
    if status == 410:
        assert assert_refused(answer, 410, "TOKEN_EXPIRED")["expiresAt"] == "2026-03-02T12:00:00Z"


@pytest.mark.parametrize(("milliseconds", "status"), [(-1, 201), (0, 410), (1, 410)])
def test_a_claimed_token_may_register_within_60_minutes_of_its_claim(hub, clock, milliseconds, status):
    issued = issue()
    clock.move_to(NOW + DAY - MILLISECOND)
    claim(issued)
    clock.shift(timedelta(minutes=60) + milliseconds * MILLISECOND)
    answer = register(issued.secret)
    assert answer.status_code == status
    if status == 410:
        assert_refused(answer, 410, "TOKEN_EXPIRED")


def test_a_token_claimed_long_ago_may_register_until_its_day_is_over(hub, clock):
    issued = issue()
    claim(issued)
    clock.move_to(NOW + DAY - MILLISECOND)
    assert register(issued.secret).status_code == 201


def test_the_minutes_after_the_claim_are_a_setting(hub, clock, settings):
    settings.TOKEN_REGISTRATION_MINUTES = 5
    issued = issue(expires_in_hours=1)
    clock.shift(timedelta(minutes=59))
    claim(issued)
    clock.shift(timedelta(minutes=5))
    assert_refused(register(issued.secret), 410, "TOKEN_EXPIRED")


def test_an_unknown_token_is_answered_404(hub):
    assert_refused(register("t" * 43), 404, "TOKEN_NOT_FOUND")


@pytest.mark.parametrize("malformed", ["x", "t" * 42, "t" * 44, "t" * 43 + "\n", " " + "t" * 43, "t" * 42 + "é"])
def test_a_malformed_token_is_answered_400(hub, malformed):
    assert_refused(register(malformed), 400, "INVALID_TOKEN_FORMAT")


def register_refused(issued, public_key=None):
    body = {"token": issued.secret, "publicKey": public_key or new_key(), "os": "linux"}
    Client().post("/api/spoke/register", body, content_type=JSON, REMOTE_ADDR="198.51.100.7")
    return AuditEvent.objects.filter(event="token.refused").first()


def revoked(issued):
    revoke_token(token_id=issued.row.pk, by=BY_TEST, now=NOW)


def lapsed(issued):
    InstallationToken.objects.update(expires_at=NOW)


def redeemed(issued):
    assert register(issued.secret).status_code == 201


@pytest.mark.parametrize(
    ("spoil", "reason"), [(revoked, "TOKEN_REVOKED"), (lapsed, "TOKEN_EXPIRED"), (redeemed, "TOKEN_ALREADY_USED")]
)
def test_a_refused_registration_of_a_token_that_exists_is_recorded(hub, spoil, reason):
    issued = issue()
    spoil(issued)
    event = register_refused(issued)
    assert event is not None
    assert (event.source_address, event.details["reason"]) == ("198.51.100.7", reason)


@pytest.mark.parametrize(
    ("key_of", "reason"),
    [
        pytest.param(lambda hub: hub.public_key, "INVALID_PUBLIC_KEY", id="the hub's own"),
        pytest.param(lambda _: enrol("beta")["spoke"]["publicKey"], "PUBLIC_KEY_IN_USE", id="another spoke's"),
    ],
)
def test_a_good_token_with_a_stolen_key_is_recorded(hub, key_of, reason):
    issued = issue()
    event = register_refused(issued, key_of(hub))
    assert event is not None
    assert (event.source_address, event.details["reason"]) == ("198.51.100.7", reason)


# --- The key ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param("x", id="short"),
        pytest.param("a" * 44, id="no padding"),
        pytest.param(spelled(9)[:-1], id="padding cut off"),
        pytest.param(spelled(9) + "=", id="padding doubled"),
        pytest.param(spelled(9) + "\n", id="newline"),
        pytest.param(" " + spelled(9), id="space"),
        pytest.param(base64.b64encode(b"x" * 31).decode(), id="31 bytes"),
        pytest.param(base64.b64encode(b"x" * 33).decode(), id="33 bytes"),
        pytest.param(spelled(9).replace("A", "-"), id="the other alphabet"),
        pytest.param(spelled(9).replace("A", "\u0410"), id="Cyrillic"),
        pytest.param(alias_of(spelled(9)), id="alias"),
        pytest.param(spelled(2**255 + 9), id="high bit"),
        pytest.param(spelled(PRIME + 9), id="not reduced"),
        pytest.param(spelled(0), id="zero"),
        pytest.param(spelled(1), id="one"),
        pytest.param(spelled(PRIME - 1), id="minus one"),
        pytest.param(spelled(PRIME), id="the prime"),
        pytest.param(
            spelled(325606250916557431795983626356110631294008115727848805560023387167927233504), id="low order"
        ),
        pytest.param(
            spelled(39382357235489614581723060781553021112529911719440698176882885853963445705823), id="low order too"
        ),
        pytest.param("$(reboot)" + "A" * 34 + "=", id="shell"),
    ],
)
def test_a_bad_key_is_refused_and_burns_nothing(hub, bad):
    issued = issue()
    before = everything()
    assert_refused(register(issued.secret, bad), 400, "INVALID_PUBLIC_KEY")
    assert everything() == before
    assert register(issued.secret).status_code == 201


def test_the_hubs_own_key_is_refused_and_burns_nothing(hub):
    issued = issue()
    assert_refused(register(issued.secret, hub.public_key), 400, "INVALID_PUBLIC_KEY")
    assert not Peer.objects.exists()
    assert register(issued.secret).status_code == 201


def test_the_key_of_another_live_spoke_is_refused_and_burns_nothing(hub):
    key = enrol("alpha")["spoke"]["publicKey"]
    issued = issue("beta")
    assert_refused(register(issued.secret, key), 409, "PUBLIC_KEY_IN_USE")
    assert Peer.objects.count() == 1
    assert register(issued.secret).status_code == 201


@pytest.mark.parametrize("model_and_column", [(Peer, "live_key"), (Spoke, "token_id"), (Spoke, "peer_id")])
def test_the_database_itself_keeps_keys_tokens_and_peers_unique(hub, model_and_column):
    enrol("alpha")
    enrol("beta")
    model, column = model_and_column
    first, second = model.objects.all()
    setattr(second, column, getattr(first, column))
    with pytest.raises(IntegrityError), transaction.atomic():
        second.save()


def test_a_bad_request_with_a_claimed_token_leaves_it_claimed(hub):
    issued = issue()
    claim(issued)
    register(issued.secret, "x")
    register(issued.secret, os="beos")
    issued.row.refresh_from_db()
    assert issued.row.state == "claimed"
    assert register(issued.secret).status_code == 201


def test_a_registration_that_could_not_be_recorded_did_not_happen(hub, monkeypatch):
    issued = issue()
    before = everything()
    with monkeypatch.context() as broken:
        broken.setattr("hubproject.audit.record_all", lambda *args, **kwargs: 1 / 0)
        assert_refused(register(issued.secret), 500, "INTERNAL_ERROR")
    assert everything() == before
    assert register(issued.secret).status_code == 201
