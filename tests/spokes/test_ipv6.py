"""A hub with an IPv6 prefix: one lease gives a spoke an address in each network, with the same host number."""

import pytest
from django.core.management import call_command

from tests.conftest import BY_TEST, enrol, issue, register
from tokens import scripts
from tokens.services import reissue_token, revoke_token
from wireguard.models import Peer
from wireguard.services import initialize_hub
from wireguard.wanted import wanted_interface

pytestmark = pytest.mark.django_db


@pytest.fixture
def hub(db, now):
    """A hub with both networks: 10.0.1.0/24 and fd00::/64."""
    values = {"network_cidr": "10.0.1.0/24", "network_cidr6": "fd00::/64", "endpoint": "hub.example.com:51820"}
    return initialize_hub(**values, by=BY_TEST, now=now)


@pytest.fixture
def values(monkeypatch):
    """What the script is rendered from."""
    seen = []
    render = scripts.render_script

    def render_and_keep(platform, values):
        seen.append(values)
        return render(platform, values)

    monkeypatch.setattr(scripts, "render_script", render_and_keep)
    return seen


def test_the_hub_has_the_first_host_of_both_networks(hub):
    assert wanted_interface(hub).addresses == ("10.0.1.1/24", "fd00::1/64")


def test_a_token_has_the_same_host_number_in_both_networks(hub, viewer):
    issued = issue("alpha", custom_ip="10.0.1.200")
    shown = viewer.get(f"/api/installation/token/{issued.row.id}").json()
    assert shown["allowedIPs"] == ["10.0.1.200/24", "fd00::c8/64"]


def test_the_script_is_told_both(hub, values):
    issue("alpha")
    assert (values[0].spoke_ip, values[0].spoke_ip6) == ("10.0.1.2/24", "fd00::2/64")
    assert values[0].network_cidr6 == "fd00::/64"


def test_a_spoke_is_told_both_networks_and_both_addresses(hub):
    answer = register(issue("alpha").secret).json()
    assert answer["allowedIPs"] == answer["spoke"]["allowedIPs"] == ["10.0.1.2/24", "fd00::2/64"]
    assert (answer["hub"]["networkCIDR"], answer["hub"]["networkCIDR6"]) == ("10.0.1.0/24", "fd00::/64")


def test_its_peer_is_routed_its_two_addresses_and_no_other(hub, viewer):
    enrol("alpha")
    assert Peer.objects.get().allowed_ips == "10.0.1.2/32,fd00::2/128"
    (peer,) = viewer.get("/api/hub/status").json()["peers"]
    assert peer["allowedIPs"] == ["10.0.1.2/32", "fd00::2/128"]


def test_the_exported_file_has_both_of_everything(hub, capsys):
    enrol("alpha")
    call_command("export_config")
    out = capsys.readouterr().out
    assert "Address = 10.0.1.1/24, fd00::1/64\n" in out
    assert "AllowedIPs = 10.0.1.2/32, fd00::2/128\n" in out


def test_a_reissued_token_keeps_both_addresses(hub, now):
    old = issue("alpha").row
    new = reissue_token(token_id=old.id, by=BY_TEST, now=now).row
    assert new.allowed_ips == old.allowed_ips == ["10.0.1.2/24", "fd00::2/64"]


def test_an_address_that_comes_back_comes_back_in_both_networks(hub, now):
    revoke_token(token_id=issue("alpha", custom_ip="10.0.1.9").row.id, by=BY_TEST, now=now)
    assert issue("beta", custom_ip="10.0.1.9").row.allowed_ips == ["10.0.1.9/24", "fd00::9/64"]


@pytest.mark.parametrize(("text", "tokens"), [("fd00::2", 1), ("FD00::2", 1), ("10.0.1.2", 1), ("fd00:", 2)])
def test_spokes_and_tokens_are_found_by_either_address(hub, viewer, text, tokens):
    enrol("alpha")
    issue("beta", custom_ip="10.0.1.77")
    assert viewer.get("/api/spoke/list", {"search": text}).json()["totalCount"] == 1
    assert viewer.get("/api/installation/tokens", {"search": text}).json()["totalCount"] == (
        2 if text == "fd00:" else 1
    )


def test_without_a_prefix_there_is_no_second_address(db, now, values):
    initialize_hub(network_cidr="10.0.1.0/24", endpoint="hub.example.com:51820", by=BY_TEST, now=now)
    answer = register(issue("alpha").secret).json()
    assert (answer["allowedIPs"], answer["hub"]["networkCIDR6"]) == (["10.0.1.2/24"], None)
    assert (values[0].spoke_ip6, values[0].network_cidr6) == ("", "")
    assert Peer.objects.get().allowed_ips == "10.0.1.2/32"
