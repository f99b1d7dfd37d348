"""Registering turns a token and a public key into a spoke, once, and says the same again to whoever asks again."""

import base64
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from hubproject.models import AuditEvent
from proxmox.models import Cluster
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
    refused_fields,
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
FINGERPRINT = ":".join(["AB"] * 32)
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
    issued = issue()
    Client().get(f"/api/installation/script/{issued.secret}?platform=linux", REMOTE_ADDR="192.0.2.10")
    body = {"token": issued.secret, "publicKey": new_key(), "os": "linux"}
    Client().post("/api/spoke/register", body, content_type=JSON, REMOTE_ADDR="192.0.2.11")
    other = {**body, "publicKey": new_key()}
    answer = Client().post("/api/spoke/register", other, content_type=JSON, REMOTE_ADDR="198.51.100.66")
    assert_refused(answer, 410, "TOKEN_ALREADY_USED")
    event = AuditEvent.objects.get(event="token.refused")
    assert event.source_address == "198.51.100.66"
    assert (event.details["claimedFrom"], event.details["registeredFrom"]) == ("192.0.2.10", "192.0.2.11")
    assert Spoke.objects.get().peer.public_key == body["publicKey"]


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


# --- What a machine says of itself --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "kept"), [("linux", "linux"), ("Linux", "linux"), ("MACOS", "macos"), ("Windows", "windows")]
)
def test_the_platform_is_taken_in_any_case(hub, told, kept):
    assert register(issue().secret, os=told).json()["spoke"]["os"] == kept


@pytest.mark.parametrize("told", ["beos", "linux2", "lin ux", "l\u0131nux", "x" * 5000])
def test_an_unknown_platform_is_refused(hub, told):
    assert set(refused_fields(register(issue().secret, os=told))) == {"os"}


def test_null_and_empty_optional_fields_are_absent(hub):
    optional = ["isProxmox", "proxmoxNodeName", "proxmoxClusterName", "proxmoxClusterFingerprint", "proxmoxVersion"]
    for number, absent in enumerate([None, ""]):
        spoke = enrol(f"spoke{number}", **dict.fromkeys([*optional, "metadata"], absent))["spoke"]
        assert (spoke["isProxmox"], spoke["proxmoxNodeName"], spoke["metadata"]) == (False, None, {})


def test_metadata_is_kept_as_it_was_sent(hub, viewer):
    metadata = {
        "wireguardVersion": "1.0.20210914",
        "kernelVersion": "6.1.0-18-amd64",
        "quorate": True,
        "load": [0.5, 1, -3],
        "name": 'Zürich "1" \u540d\u524d \U0001f600',
        "nothing": None,
        "": "",
    }
    spoke = enrol(metadata=metadata)
    assert spoke["spoke"]["metadata"] == metadata
    assert viewer.get(f"/api/spoke/{spoke['spokeId']}/status").json()["spoke"]["metadata"] == metadata


def nested(depth: int) -> dict:
    value: dict = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        pytest.param({"a": "x" * (8192 - 9)}, 201, id="8 KiB"),
        pytest.param({"a": "x" * (8192 - 8)}, 400, id="one byte more"),
        pytest.param({"a": "é" * 4000}, 201, id="8 KiB in UTF-8"),
        pytest.param({f"k{number}": number for number in range(2000)}, 400, id="many keys"),
        pytest.param(nested(4), 201, id="4 levels"),
        pytest.param(nested(5), 400, id="5 levels"),
        pytest.param({"a": [[[1]]]}, 201, id="4 levels of lists"),
        pytest.param({"a": [[[[]]]]}, 400, id="5 levels of lists"),
    ],
)
def test_metadata_has_its_limits(hub, metadata, status):
    answer = register(issue().secret, metadata=metadata)
    assert answer.status_code == status
    if status == 400:
        assert set(refused_fields(answer)) == {"metadata"}


@pytest.mark.parametrize("field", ["proxmoxNodeName", "proxmoxClusterName", "proxmoxVersion"])
@pytest.mark.parametrize("text", ["x" * 64, "two\nlines", "bell\u0007", "a\u2028b", "a\u202eb"])
def test_names_are_one_printable_line_of_63_characters(hub, field, text):
    assert set(refused_fields(register(issue().secret, **{field: text}))) == {field}


@pytest.mark.parametrize("text", ["x", "AB" * 31, "AB" * 33, "GG" * 32, ":" * 95, "\u0661" * 64])
def test_a_fingerprint_is_64_hex_digits(hub, text):
    assert set(refused_fields(register(issue().secret, proxmoxClusterFingerprint=text))) == {
        "proxmoxClusterFingerprint"
    }


# --- Proxmox ------------------------------------------------------------------------------------------------------


def node(name: str, cluster: str = "pve", fingerprint: str | None = None, **fields) -> dict:
    told = {"os": "proxmox", "isProxmox": True, "proxmoxNodeName": name, "proxmoxClusterName": cluster, **fields}
    return enrol(name, proxmoxClusterFingerprint=fingerprint, **told)["spoke"]


def cluster_of(spoke: dict) -> Cluster:
    return Cluster.objects.get(id=spoke["proxmoxClusterId"])


def test_a_node_makes_its_cluster_known(hub):
    spoke = node("pve1", fingerprint=FINGERPRINT, proxmoxVersion="8.1.4", metadata={"clusterNodes": ["pve1", "pve2"]})
    assert (spoke["isProxmox"], spoke["proxmoxNodeName"], spoke["proxmoxVersion"]) == (True, "pve1", "8.1.4")
    cluster = cluster_of(spoke)
    assert (cluster.cluster_name, cluster.fingerprint, cluster.known_nodes) == ("pve", "ab" * 32, ["pve1", "pve2"])


def test_the_platform_alone_makes_a_proxmox_node(hub):
    spoke = enrol("pve1", os="proxmox", proxmoxClusterName="pve")["spoke"]
    assert (spoke["isProxmox"], spoke["proxmoxClusterId"] is not None) == (True, True)


def test_a_machine_that_is_no_node_joins_no_cluster(hub):
    for name, told in {"a": {"os": "linux"}, "b": {"os": "proxmox", "isProxmox": False}}.items():
        assert enrol(name, proxmoxClusterName="pve", **told)["spoke"]["proxmoxClusterId"] is None
    assert enrol("c", os="proxmox")["spoke"]["proxmoxClusterId"] is None
    assert not Cluster.objects.exists()


def test_nodes_with_one_fingerprint_share_a_cluster_however_it_is_written(hub):
    first, second = node("pve1", fingerprint=FINGERPRINT), node("pve2", fingerprint="ab" * 32)
    assert first["proxmoxClusterId"] == second["proxmoxClusterId"]


def test_a_renamed_cluster_is_known_by_its_fingerprint(hub):
    first, second = node("pve1", "old", FINGERPRINT), node("pve2", "new", FINGERPRINT)
    assert first["proxmoxClusterId"] == second["proxmoxClusterId"]


def test_two_clusters_may_bear_one_name(hub):
    first, second = node("pve1", "pve", "a" * 64), node("pve2", "pve", "b" * 64)
    assert first["proxmoxClusterId"] != second["proxmoxClusterId"]
    assert Cluster.objects.filter(cluster_name="pve").count() == 2


def test_without_a_fingerprint_a_node_joins_the_only_cluster_of_that_name(hub):
    first, second = node("pve1", "pve", FINGERPRINT), node("pve2", "pve")
    assert first["proxmoxClusterId"] == second["proxmoxClusterId"]
    assert cluster_of(second).fingerprint == "ab" * 32


def test_the_first_fingerprint_seen_sticks(hub):
    first, second, third = node("pve1", "pve"), node("pve2", "pve", "a" * 64), node("pve3", "pve", "b" * 64)
    assert first["proxmoxClusterId"] == second["proxmoxClusterId"] != third["proxmoxClusterId"]
    assert cluster_of(first).fingerprint == "a" * 64


def test_without_a_fingerprint_a_node_joins_none_of_two_proven_clusters(hub):
    proven = {node("pve1", "pve", "a" * 64)["proxmoxClusterId"], node("pve2", "pve", "b" * 64)["proxmoxClusterId"]}
    third, fourth = node("pve3", "pve"), node("pve4", "pve")
    assert third["proxmoxClusterId"] not in proven
    assert third["proxmoxClusterId"] == fourth["proxmoxClusterId"]


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (["pve1", "pve2"], ["pve1", "pve2"]),
        ("pve1,pve2", ["pve1", "pve2"]),
        (" pve1 , pve2 ,", ["pve1", "pve2"]),
        ([" pve1 ", ""], ["pve1"]),
        (["pve1", 5, None, ["x"]], ["pve1"]),
        ([], []),
        ("", []),
        (None, []),
    ],
)
def test_the_member_nodes_come_as_a_list_or_as_text(hub, told, known):
    assert cluster_of(node("pve1", metadata={"clusterNodes": told})).known_nodes == known


@pytest.mark.parametrize("told", [5, 1.5, True, {"pve1": {}}])
def test_member_nodes_that_are_none_are_no_reason_to_fail(hub, told):
    assert cluster_of(node("pve1", metadata={"clusterNodes": told})).known_nodes == []


def test_the_latest_report_of_member_nodes_is_kept(hub):
    node("pve1", metadata={"clusterNodes": ["pve1"]})
    spoke = node("pve2", metadata={"clusterNodes": ["pve1", "pve2"]})
    node("pve3")
    assert cluster_of(spoke).known_nodes == ["pve1", "pve2"]


def test_a_node_is_not_confirmed_by_its_own_word(hub):
    node("pve1", fingerprint=FINGERPRINT)
    assert not Spoke.objects.get().confirmed


def test_a_refused_registration_makes_no_cluster(hub):
    issued = issue()
    revoke_token(token_id=issued.row.pk, by=BY_TEST, now=timezone.now())
    assert register(issued.secret, os="proxmox", proxmoxClusterName="pve").status_code == 410
    assert not Cluster.objects.exists()
