"""The true client address: the peer's own, or what our own proxies, and nobody else, have appended."""

import pytest
from django.test import RequestFactory

from hubproject.api import client_address

REMOTE = "198.51.100.7"


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "address"),
    [
        pytest.param(0, REMOTE, None, REMOTE, id="no proxy"),
        pytest.param(0, REMOTE, "1.2.3.4", REMOTE, id="no proxy, a header that lies"),
        pytest.param(0, "::ffff:198.51.100.7", None, REMOTE, id="IPv4 mapped into IPv6"),
        pytest.param(0, "2001:DB8::1", None, "2001:db8::1", id="IPv6"),
        pytest.param(0, "fe80::1%eth0", None, "fe80::1", id="IPv6 with a scope"),
        pytest.param(0, "", None, None, id="a unix socket"),
        pytest.param(0, "unknown", None, None, id="rubbish"),
        pytest.param(1, "10.0.0.1", "1.2.3.4", "1.2.3.4", id="one proxy"),
        pytest.param(1, "", "1.2.3.4", "1.2.3.4", id="one proxy by a unix socket"),
        pytest.param(1, "10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4", id="one proxy, a client that lies"),
        pytest.param(1, "10.0.0.1", "6.6.6.6,1.2.3.4", "1.2.3.4", id="one proxy, no space"),
        pytest.param(1, "10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4", id="one proxy, mapped"),
        pytest.param(1, "10.0.0.1", None, None, id="one proxy that says nothing"),
        pytest.param(1, "10.0.0.1", "", None, id="one proxy, empty"),
        pytest.param(1, "10.0.0.1", "1.2.3.4, evil", None, id="one proxy, rubbish last"),
        pytest.param(1, "10.0.0.1", "1.2.3.4\x00", None, id="one proxy, NUL"),
        pytest.param(2, "10.0.0.1", "1.2.3.4, 10.0.0.2", "1.2.3.4", id="two proxies"),
        pytest.param(2, "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4", id="two proxies, a client that lies"),
        pytest.param(2, "10.0.0.1", "10.0.0.2", None, id="two proxies, one missing"),
    ],
)
def test_it_is_found(settings, proxies, remote, forwarded, address):
    settings.HUB_TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    request = RequestFactory().get("/", REMOTE_ADDR=remote, **headers)
    assert client_address(request) == address


def test_a_request_without_any_address_has_none(settings):
    settings.HUB_TRUSTED_PROXIES = 0
    request = RequestFactory().get("/")
    del request.META["REMOTE_ADDR"]
    assert client_address(request) is None
