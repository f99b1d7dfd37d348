"""How often something may be asked, by whom, and that nobody pays for his neighbours."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from django.core.cache import cache
from django.test import Client
from django_ratelimit.core import _get_window

from hubproject import settings as product
from hubproject.limits import GUESSES_PER_MINUTE
from tests.conftest import assert_refused, issue, register
from tests.live import live_hub
from tests.prove.__main__ import redis_server

pytestmark = pytest.mark.django_db
UNKNOWN = "A" * 43


@pytest.fixture(autouse=True)
def _limits_as_they_come(settings):
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = product.RATE_LIMIT_MAX_TOKENS_PER_HOUR
    cache.clear()
    yield
    cache.clear()


def issue_over_rest(client, name, address="192.0.2.1"):
    return client.post(
        "/api/installation/token", {"spokeName": name}, content_type="application/json", REMOTE_ADDR=address
    )


def guess(address="192.0.2.1", secret=UNKNOWN):
    return Client().get(f"/api/installation/script/{secret}?platform=linux", REMOTE_ADDR=address)


def use_up_guesses(address):
    for _ in range(GUESSES_PER_MINUTE):
        assert guess(address).status_code == 404


# --- Issuing --------------------------------------------------------------------------------------------------------


def test_an_operator_issues_ten_an_hour(hub, operator):
    assert {issue_over_rest(operator, f"s{number}").status_code for number in range(10)} == {201}
    refused = issue_over_rest(operator, "s10")
    body = assert_refused(refused, 429, "RATE_LIMITED")
    assert 1 <= int(refused["Retry-After"]) <= 3600
    assert "RATE_LIMIT_MAX_TOKENS_PER_HOUR" in body["recoveryHint"]


def test_the_hour_ends(hub, operator, clock):
    for number in range(10):
        issue_over_rest(operator, f"s{number}")
    refused = issue_over_rest(operator, "s10")
    clock.shift(int(refused["Retry-After"]) + 1)
    assert issue_over_rest(operator, "s10").status_code == 201


def test_an_admin_has_ten_times_as_many(hub, admin, settings):
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = 1
    statuses = [issue_over_rest(admin, f"s{number}").status_code for number in range(11)]
    assert statuses == [201] * 10 + [429]


def test_reissuing_counts(hub, operator, settings):
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = 2
    issued = issue_over_rest(operator, "alpha").json()["token"]
    again = operator.post(f"/api/installation/token/{issued['id']}/reissue", REMOTE_ADDR="192.0.2.1")
    assert again.status_code == 201
    assert issue_over_rest(operator, "beta").status_code == 429


def test_the_setting_raises_it(hub, operator, settings):
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = 12
    assert [issue_over_rest(operator, f"s{number}").status_code for number in range(13)] == [201] * 12 + [429]


def test_it_counts_by_user_and_address(hub, operator, admin, settings):
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = 1
    assert issue_over_rest(operator, "a").status_code == 201
    assert issue_over_rest(operator, "b").status_code == 429
    assert issue_over_rest(operator, "b", address="192.0.2.2").status_code == 201
    assert issue_over_rest(admin, "c").status_code == 201


# --- Guessing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [UNKNOWN, "short"])
def test_unknown_and_malformed_tokens_are_limited_by_address(hub, secret):
    statuses = [guess(secret=secret).status_code for _ in range(GUESSES_PER_MINUTE + 1)]
    assert statuses[-1] == 429
    assert 429 not in statuses[:-1]
    assert guess("192.0.2.2").status_code == 404


def test_guesses_at_registering_are_limited_too(hub):
    use_up_guesses("127.0.0.1")
    refused = register(UNKNOWN)
    assert_refused(refused, 429, "RATE_LIMITED")
    assert 1 <= int(refused["Retry-After"]) <= 60


def test_a_valid_token_is_never_refused_because_of_its_neighbours(hub):
    use_up_guesses("127.0.0.1")
    issued = issue("alpha")
    assert guess("127.0.0.1", issued.secret).status_code == 200
    assert register(issued.secret).status_code == 201


def test_a_used_token_proves_possession_and_never_counts(hub):
    issued = issue("alpha")
    guess(secret=issued.secret)
    assert {guess(secret=issued.secret).status_code for _ in range(GUESSES_PER_MINUTE + 5)} == {410}
    assert guess().status_code == 404


def test_a_mapped_address_shares_the_counter_of_its_ipv4_address(hub):
    use_up_guesses("::ffff:192.0.2.1")
    assert guess("192.0.2.1").status_code == 429
    assert guess("::ffff:192.0.2.2").status_code == 404


def test_a_64_of_ipv6_is_one_customer(hub):
    use_up_guesses("2001:db8::1")
    assert guess("2001:db8::ffff").status_code == 429
    assert guess("2001:db8:0:1::1").status_code == 404


def test_a_forged_forwarding_header_is_not_believed(hub):
    use_up_guesses("192.0.2.1")
    forged = Client().get(
        f"/api/installation/script/{UNKNOWN}?platform=linux",
        REMOTE_ADDR="192.0.2.1",
        HTTP_X_FORWARDED_FOR="203.0.113.9",
    )
    assert forged.status_code == 429


def test_behind_one_proxy_the_entry_that_it_appended_counts(hub, settings):
    settings.HUB_TRUSTED_PROXIES = 1

    def through_proxy(forwarded):
        return (
            Client()
            .get(f"/api/installation/script/{UNKNOWN}?platform=linux", REMOTE_ADDR="", HTTP_X_FORWARDED_FOR=forwarded)
            .status_code
        )

    for number in range(GUESSES_PER_MINUTE):
        assert through_proxy(f"203.0.113.{number}, 192.0.2.1") == 404
    assert through_proxy("198.51.100.1, 192.0.2.1") == 429
    assert through_proxy("198.51.100.1, 192.0.2.2") == 404


def test_an_empty_address_is_no_error(hub):
    assert guess("").status_code == 404


# --- Redis ----------------------------------------------------------------------------------------------------------


def name_whose_hour_lasts() -> str:
    """Of a key. The hours of each begin at another minute, and one that ended amid a test would count anew."""
    ends = ((f"key-{number}", _get_window(f"api-key:key-{number}|127.0.0.1/32", 3600)) for number in count())
    return next(name for name, end in ends if end - time.time() > 1800)


def test_with_redis_the_count_is_exact_across_processes(tmp_path):
    with redis_server() as redis_url:
        settings = {"REDIS_URL": redis_url, "HUB_WORKERS": "3", "RATE_LIMIT_MAX_TOKENS_PER_HOUR": "20"}
        with live_hub(tmp_path, **settings) as hub:
            name = name_whose_hour_lasts()
            hub.keys["limited"] = hub.manage("create_api_key", "--role", "operator", "--name", name)
            hub.start_web()

            def post(number):
                return hub.call("POST", "/api/installation/token", {"spokeName": f"s{number}"}, role="limited")[0]

            with ThreadPoolExecutor(16) as pool:
                statuses = list(pool.map(post, range(60)))
    assert sorted(statuses) == [201] * 20 + [429] * 40


def test_with_redis_out_of_reach_nothing_is_limited_and_nothing_fails(tmp_path):
    with live_hub(tmp_path, REDIS_URL="unix:///nowhere/socket") as hub:
        hub.start_web()
        path = f"/api/installation/script/{UNKNOWN}?platform=linux"
        assert {hub.call("GET", path)[0] for _ in range(GUESSES_PER_MINUTE + 2)} == {404}
        assert hub.call("POST", "/api/installation/token", {"spokeName": "a"}, role="operator")[0] == 201
        assert "out of reach" in (tmp_path / "log").read_text()
