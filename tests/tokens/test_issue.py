"""Issuing a token: the address and the name it leases, what is shown once, what is kept."""

import hashlib
import random
import re
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from hubproject.models import AuditEvent
from tests.conftest import (
    BY_TEST,
    JSON,
    NOW,
    assert_refused,
    claim,
    enrol,
    everything,
    is_anywhere,
    issue,
    refused_fields,
    register,
)
from tokens.errors import PoolExhausted, SpokeNameInUse
from tokens.models import InstallationToken, RestingAddress
from tokens.services import IssuedToken, purge_tokens, revoke_token
from wireguard.models import HubConfig
from wireguard.services import initialize_hub

pytestmark = pytest.mark.django_db

DAY = timedelta(hours=24)


def ask(client, name="alpha", **fields):
    return client.post("/api/installation/token", {"spokeName": name, **fields}, content_type=JSON)


def address_of(answer) -> str:
    assert answer.status_code == 201, answer.content
    return str(answer.json()["token"]["allowedIPs"][0])


def revoke(issued) -> None:
    revoke_token(token_id=issued.row.pk, by=BY_TEST, now=datetime.now(NOW.tzinfo))


# --- The answer ---------------------------------------------------------------------------------------------------


def test_it_answers_with_the_token_and_the_commands(hub, operator):
    answer = ask(operator)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    body = answer.json()
    assert list(body) == ["success", "token", "installCommands", "checkedCommands"]
    token = body["token"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token["token"])
    assert {name: token[name] for name in ("spokeName", "allowedIPs", "state", "used", "usedAt", "claimedFrom")} == {
        "spokeName": "alpha",
        "allowedIPs": ["10.0.1.2/24"],
        "state": "issued",
        "used": False,
        "usedAt": None,
        "claimedFrom": None,
    }
    assert (token["createdAt"], token["expiresAt"]) == ("2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z")
    assert (token["hubEndpoint"], token["hubPublicKey"]) == (hub.endpoint, hub.public_key)
    assert (token["networkCIDR"], token["dns"], token["persistentKeepalive"]) == ("10.0.1.0/24", [], 25)
    assert token["tokenPrefix"] == token["token"][:6]


def test_the_commands_hold_the_public_url_and_the_token(hub, operator):
    body = ask(operator).json()
    secret, sums = body["token"]["token"], body["token"]["scriptSha256"]
    url = f"https://hub.example.com/api/installation/script/{secret}?platform=linux"
    assert body["installCommands"]["linux"] == f"curl -fsS --proto '=https' '{url}' | sh"
    assert f"{url}&sha256={sums['linux']}" in body["checkedCommands"]["linux"]
    assert f'echo "{sums["linux"]}  $f" | sha256sum -c -' in body["checkedCommands"]["linux"]


@pytest.mark.parametrize("hours", [1, 23, 24])
def test_it_is_valid_for_as_long_as_asked(hub, operator, hours):
    ask(operator, expiresInHours=hours)
    assert InstallationToken.objects.get().expires_at == NOW + timedelta(hours=hours)


@pytest.mark.parametrize("hours", [0, -1, 25, 10**30])
def test_it_refuses_a_validity_out_of_bounds(hub, operator, hours):
    assert set(refused_fields(ask(operator, expiresInHours=hours))) == {"expiresInHours"}


def test_null_and_empty_optional_fields_are_absent(hub, operator):
    assert address_of(ask(operator, customIP=None, expiresInHours=None, platform=None)) == "10.0.1.2/24"
    assert address_of(ask(operator, "beta", customIP="", platform="")) == "10.0.1.3/24"


@pytest.mark.parametrize("platform", ["beos", "LINUX", "linux\n", "../linux"])
def test_it_refuses_a_platform_there_is_not(hub, operator, platform):
    assert set(refused_fields(ask(operator, platform=platform))) == {"platform"}


def test_it_is_recorded_with_the_true_address_of_whoever_asked(hub, operator):
    operator.post(
        "/api/installation/token",
        {"spokeName": "alpha"},
        content_type=JSON,
        REMOTE_ADDR="::ffff:198.51.100.7",
        headers={"User-Agent": "ci\x00\n/1", "X-Forwarded-For": "6.6.6.6"},
    )
    event = AuditEvent.objects.get(event="token.issued")
    assert (event.actor, event.source_address) == ("api-key:operator of the tests", "198.51.100.7")
    assert event.user_agent == "ci\ufffd\ufffd/1"
    assert event.details["address"] == "10.0.1.2"


# --- What is kept -------------------------------------------------------------------------------------------------


def test_only_its_hash_and_a_prefix_are_kept(hub, operator):
    secret = ask(operator).json()["token"]["token"]
    row = InstallationToken.objects.get()
    assert row.token_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert row.token_prefix == secret[:6]


def test_no_column_of_any_table_holds_it_after_a_whole_life(hub, operator):
    issued = issue()
    claim(issued)
    register(issued.secret)
    for answer in (register(issued.secret), operator.get(f"/api/installation/script/{issued.secret}?platform=linux")):
        assert answer.status_code == 410
    assert AuditEvent.objects.filter(event="token.refused").count() == 2
    assert not is_anywhere(issued.secret)
    assert not is_anywhere(issued.secret[6:])


def test_two_tokens_are_never_the_same(hub):
    assert len({issue(f"spoke{number}").secret for number in range(20)}) == 20


# --- The name -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "7", "web-1.example.com", "A_b.C-d", "x" * 63, "9" * 63, "a.", "a-"])
def test_it_takes_a_plain_name(hub, operator, name):
    assert ask(operator, name).json()["token"]["spokeName"] == name


@pytest.mark.parametrize(
    "name",
    [
        "x" * 64,
        " ",
        " alpha",
        "alpha ",
        "alpha\n",
        "al\npha",
        "alpha\r",
        "alpha\t",
        "two words",
        "it's",
        'say "hi"',
        "$(reboot)",
        "`reboot`",
        "a;reboot",
        "a|b",
        "a&b",
        "a/b",
        "..",
        ".hidden",
        "-rf",
        "_alpha",
        "<b>",
        "{{ token }}",
        "名前",
        "ａｌｐｈａ",  # noqa: RUF001 - full-width letters are the point
        "alph\u0430",
        "spoke\u0661",
        "caf\u00e9",
        "a\u200bb",
        "\u212aelvin",
    ],
)
def test_it_refuses_a_name_that_is_not_plain(hub, operator, name):
    assert set(refused_fields(ask(operator, name))) == {"spokeName"}
    assert not InstallationToken.objects.exists()


@pytest.mark.parametrize("again", ["alpha", "Alpha", "ALPHA"])
def test_a_name_is_unique_without_regard_to_case_among_open_tokens(hub, operator, again):
    ask(operator, "Alpha")
    assert "Alpha".lower() in assert_refused(ask(operator, again), 409, "SPOKE_NAME_IN_USE")["error"].lower()


def test_who_asks_again_because_the_answer_was_lost_is_told_how_to_have_the_command(hub, operator):
    lost = ask(operator, "alpha").json()["token"]
    refusal = assert_refused(ask(operator, "alpha"), 409, "SPOKE_NAME_IN_USE")
    assert lost["tokenPrefix"] in refusal["error"]
    assert lost["token"] not in str(refusal)
    way = f"/api/installation/token/{lost['id']}/reissue"
    assert way in refusal["recoveryHint"]
    assert operator.post(way, content_type=JSON).json()["token"]["allowedIPs"] == lost["allowedIPs"]


def test_a_name_is_unique_among_live_spokes(hub, operator):
    enrol("alpha")
    refusal = assert_refused(ask(operator, "ALPHA"), 409, "SPOKE_NAME_IN_USE")
    assert "reissue" not in refusal["recoveryHint"]


def test_a_name_is_free_again_after_a_revocation(hub, operator):
    revoke(issue("alpha"))
    assert ask(operator, "alpha").status_code == 201


def test_a_name_is_free_again_when_its_token_has_lapsed(hub, operator, clock):
    issued = issue("alpha")
    clock.move_to(NOW + DAY - timedelta(milliseconds=1))
    assert_refused(ask(operator), 409, "SPOKE_NAME_IN_USE")
    clock.move_to(NOW + DAY)
    assert ask(operator).status_code == 201
    issued.row.refresh_from_db()
    assert (issued.row.state, issued.row.lease_name, issued.row.ended_at) == ("expired", None, NOW + DAY)


# --- The chosen address -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["10.0.1.2", "10.0.1.254", "10.0.1.77/24", "10.0.1.77/32"])
def test_it_takes_a_chosen_address_with_or_without_a_prefix_length(hub, operator, address):
    assert address_of(ask(operator, customIP=address)) == f"{address.partition('/')[0]}/24"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.0.2.5", "outside"),
        ("192.0.2.1", "outside"),
        ("10.0.1.0", "network address"),
        ("10.0.1.255", "broadcast"),
        ("10.0.1.1", "hub's own"),
        ("10.0.1.1/24", "hub's own"),
        ("10.0.1.5/16", "prefix length"),
        ("10.0.1.5/", "prefix length"),
        ("10.0.1.5/024", "prefix length"),
        ("10.0.1.5/\u0662\u0664", "prefix length"),
        ("10.0.1.5/24/24", "prefix length"),
        ("10.0.1.5/255.255.255.0", "prefix length"),
        ("10.0.1.05", "IPv4 address"),
        ("010.0.1.5", "IPv4 address"),
        ("10.0.1.\u0665", "IPv4 address"),
        ("10.0.1", "IPv4 address"),
        ("10.0.1.256", "IPv4 address"),
        ("0x0a000105", "IPv4 address"),
        ("167772421", "IPv4 address"),
        ("10.0.1.-5", "IPv4 address"),
        ("::ffff:10.0.1.5", "IPv4 address"),
        ("2001:db8::5", "IPv4 address"),
        ("10.0.1.5 10.0.1.6", "IPv4 address"),
        ("$(reboot)", "IPv4 address"),
    ],
)
def test_it_refuses_an_address_no_spoke_can_have(hub, operator, address, words):
    assert words in refused_fields(ask(operator, customIP=address))["customIP"][0]
    assert not InstallationToken.objects.exists()


def test_a_chosen_address_that_is_leased_is_refused(hub, operator):
    issue("alpha", custom_ip="10.0.1.9")
    assert (
        "10.0.1.9" in assert_refused(ask(operator, "beta", customIP="10.0.1.9"), 409, "IP_ALREADY_ALLOCATED")["error"]
    )


def test_the_address_of_a_live_spoke_is_refused(hub, operator):
    enrol("alpha")
    assert_refused(ask(operator, "beta", customIP="10.0.1.2"), 409, "IP_ALREADY_ALLOCATED")


def test_a_chosen_address_may_be_a_resting_one(hub, operator):
    revoke(issue("alpha"))
    assert address_of(ask(operator, "beta", customIP="10.0.1.2")) == "10.0.1.2/24"
    assert not RestingAddress.objects.exists()


def test_a_chosen_address_is_free_again_when_its_token_has_lapsed(hub, operator, clock):
    issue("alpha", custom_ip="10.0.1.9")
    clock.shift(DAY)
    assert address_of(ask(operator, "beta", customIP="10.0.1.9")) == "10.0.1.9/24"


def test_a_refused_address_leaves_the_name_free(hub, operator):
    issue("alpha", custom_ip="10.0.1.9")
    assert_refused(ask(operator, "beta", customIP="10.0.1.9"), 409, "IP_ALREADY_ALLOCATED")
    assert ask(operator, "beta").status_code == 201


# --- The next address ---------------------------------------------------------------------------------------------


def test_hosts_never_used_come_first_in_order(hub, operator):
    revoke(issue("first"))
    assert [address_of(ask(operator, f"spoke{number}")) for number in range(3)] == [
        "10.0.1.3/24",
        "10.0.1.4/24",
        "10.0.1.5/24",
    ]


def test_the_counter_jumps_over_chosen_addresses(hub, operator):
    for number in (2, 3, 5):
        issue(f"chosen{number}", custom_ip=f"10.0.1.{number}")
    assert [address_of(ask(operator, f"spoke{number}")) for number in range(2)] == ["10.0.1.4/24", "10.0.1.6/24"]


def test_a_chosen_address_that_was_given_back_rests_like_any_other(hub, operator):
    revoke(issue("chosen", custom_ip="10.0.1.2"))
    assert address_of(ask(operator)) == "10.0.1.3/24"


def test_the_counter_jumps_over_any_number_of_used_hosts(db, operator, now):
    initialize_hub(network_cidr="10.8.0.0/16", endpoint="hub.example.com:51820", by=BY_TEST, now=now)
    RestingAddress.objects.bulk_create(RestingAddress(host=host, released_at=NOW) for host in range(2, 700))
    assert address_of(ask(operator)) == "10.8.2.188/16"
    assert HubConfig.objects.get().next_host == 701


def test_after_that_the_one_that_rested_longest_comes_first(small_hub, clock):
    rows = [issue(f"spoke{number}") for number in range(5)]
    order = [3, 0, 4]
    for number in order:
        clock.shift(timedelta(seconds=1))
        revoke(rows[number])
    assert [issue(f"next{number}").row.host for number in range(3)] == [rows[number].row.host for number in order]


def test_an_exhausted_pool_is_answered_503_and_changes_nothing(small_hub, operator):
    for number in range(5):
        issue(f"spoke{number}")
    ask(operator, "sixth")
    before = everything()
    assert_refused(ask(operator, "sixth"), 503, "POOL_EXHAUSTED")
    assert everything() == before


def test_an_exhausted_pool_says_when_time_gives_an_address_back(small_hub, operator):
    for number in range(5):
        issue(f"spoke{number}", expires_in_hours=10 - number)
    assert "expires at 2026-03-01 18:00 UTC" in ask(operator, "sixth").json()["error"]


def test_an_exhausted_pool_of_spokes_names_no_time(small_hub, operator):
    for number in range(5):
        enrol(f"spoke{number}")
    assert ask(operator, "sixth").json()["error"] == "No address is free."


def test_a_network_of_two_hosts_has_room_for_one_spoke(db, operator, admin):
    body = {"networkCIDR": "10.0.1.0/30", "endpoint": "hub.example.com:51820"}
    assert admin.post("/api/hub/initialize", body, content_type=JSON).status_code == 201
    assert address_of(ask(operator)) == "10.0.1.2/30"
    assert_refused(ask(operator, "beta"), 503, "POOL_EXHAUSTED")


def test_an_exhausted_pool_takes_back_the_lease_that_lapsed_first(small_hub, operator, clock):
    for number in range(5):
        issue(f"spoke{number}", expires_in_hours=10 - number)
    clock.shift(timedelta(hours=8))
    assert address_of(ask(operator, "next")) == "10.0.1.6/29"
    assert address_of(ask(operator, "another")) == "10.0.1.5/29"
    clock.shift(timedelta(hours=2))
    assert InstallationToken.objects.filter(state="expired").count() == 2


def test_an_exhausted_pool_leaves_claimed_tokens_their_hour(small_hub, operator, clock):
    rows = [issue(f"spoke{number}", expires_in_hours=1) for number in range(5)]
    clock.shift(timedelta(minutes=59))
    for row in rows:
        claim(row)
    clock.shift(timedelta(minutes=59))
    assert_refused(ask(operator, "next"), 503, "POOL_EXHAUSTED")
    clock.shift(timedelta(minutes=1))
    assert ask(operator, "next").status_code == 201


def test_a_removed_spoke_gives_its_address_back(small_hub, operator):
    spokes = [enrol(f"spoke{number}") for number in range(5)]
    operator.delete(f"/api/spoke/{spokes[2]['spokeId']}")
    assert address_of(ask(operator, "next")) == spokes[2]["allowedIPs"][0]


@pytest.mark.parametrize("seed", range(5))
def test_no_history_leases_an_address_twice_or_wakes_one_that_may_rest(small_hub, clock, seed):
    """Random issues, revocations and lapses against a model of the pool."""
    choose = random.Random(seed)  # noqa: S311 - a test that can be repeated
    never_used, resting = list(range(2, 7)), list[int]()
    held: dict[int, IssuedToken] = {}
    for number in range(60):
        clock.shift(timedelta(seconds=1))
        if held and choose.random() < 0.5:
            host = choose.choice(sorted(held))
            revoke(held.pop(host))
            resting.append(host)
        elif never_used or resting:
            host = never_used.pop(0) if never_used else resting.pop(0)
            issued = issue(f"spoke{number}")
            assert issued.row.host == host
            held[host] = issued
        else:
            with pytest.raises(PoolExhausted):
                issue(f"spoke{number}")
    leased = InstallationToken.objects.exclude(lease_host=None).values_list("lease_host", flat=True)
    assert set(leased) == set(held)


def test_what_it_costs_does_not_grow_with_the_pool(db, now, count_queries):
    initialize_hub(network_cidr="10.8.0.0/16", endpoint="hub.example.com:51820", by=BY_TEST, now=now)
    few = count_queries(lambda: issue("first"))
    RestingAddress.objects.bulk_create(RestingAddress(host=host, released_at=NOW) for host in range(3, 2000))
    HubConfig.objects.update(next_host=2000)
    assert count_queries(lambda: issue("second")) == few


@pytest.mark.parametrize("column", ["lease_host", "lease_name", "token_hash"])
def test_the_database_itself_keeps_addresses_names_and_tokens_unique(hub, column):
    first, second = issue("alpha").row, issue("beta").row
    setattr(second, column, getattr(first, column))
    with pytest.raises(IntegrityError), transaction.atomic():
        second.save()


def test_the_database_itself_lets_any_number_of_tokens_have_ended(hub):
    for number in range(3):
        revoke(issue(f"spoke{number}"))
    assert InstallationToken.objects.filter(lease_host=None, lease_name=None).count() == 3


def test_the_service_refuses_what_the_call_refuses(hub):
    issue("alpha")
    with pytest.raises(SpokeNameInUse):
        issue("ALPHA")


def test_purging_in_between_frees_what_lapsed(small_hub, clock):
    rows = [issue(f"spoke{number}") for number in range(5)]
    clock.shift(DAY)
    purge_tokens(by=BY_TEST, now=NOW + DAY)
    assert issue("next").row.host == min(issued.row.host for issued in rows)
