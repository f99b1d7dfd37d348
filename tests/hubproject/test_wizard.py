"""The first run, step by step: what each page shows, what stays typed, which door opens when."""

import re
import socket
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from hubproject import host_checks
from hubproject.access import make_setup_code
from hubproject.accounts import create_admin
from hubproject.host_checks import checks_of, endpoint_warning, networks_of
from hubproject.models import Role
from hubproject.setup_forms import with_port
from tests.conftest import BY_TEST, NOW, agent_has_applied, is_anywhere
from tests.hubproject.conftest import PASSWORD, events, signed_in
from wireguard.models import AgentState, HubConfig
from wireguard.services import initialize_hub

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]

HOSTILE = "<script>alert(1)</script>"
NETWORK = {"network_cidr": "10.0.1.0/24", "listen_port": "51820", "endpoint": "vpn.example.com", "network_cidr6": "",
           "dns": "", "spoke_to_spoke": "isolated"}  # fmt: skip


@pytest.fixture
def code():
    return make_setup_code(by=BY_TEST, now=NOW)


@pytest.fixture
def chief():
    """An admin, signed in, while there is no hub."""
    return signed_in(create_admin(username="root", password=PASSWORD, by=BY_TEST, now=NOW))


def text_of(answer) -> str:
    return unescape(answer.content.decode())


def step_of(answer) -> str:
    """The step that the wizard says it is at."""
    found = re.search(r'aria-current="step">([^<]+)<', text_of(answer))
    return found[1] if found else ""


def send(client: Client, what: str = "review", **changes):
    return client.post("/setup", {**NETWORK, **changes, what: "1"})


def error_beside(answer, field: str) -> str:
    found = re.search(rf'id="id_{field}_error".*?<p>(.*?)</p>', text_of(answer), re.DOTALL)
    assert found, f"no error beside {field}"
    return found[1]


# --- From the code to the hub -------------------------------------------------------------------------------------


def test_the_whole_way(code):
    client = Client()
    assert step_of(client.get("/setup")) == "Setup code"
    second = client.post("/setup", {"code": code})
    assert step_of(second) == "Admin account"
    form = {"code": code, "username": "root", "password": PASSWORD, "password_again": PASSWORD}
    assert client.post("/setup", form)["Location"] == "/setup"
    assert step_of(client.get("/setup")) == "Network"
    assert step_of(send(client)) == "Review"
    assert not HubConfig.objects.exists()
    assert send(client, "create")["Location"] == "/admin/"
    assert "Add your first spoke" in text_of(client.get("/admin/"))
    hub = HubConfig.objects.get()
    assert (hub.network_cidr, hub.endpoint, hub.listen_port, hub.dns, hub.spoke_to_spoke, hub.network_cidr6) == (
        "10.0.1.0/24",
        "vpn.example.com:51820",
        51820,
        [],
        "isolated",
        None,
    )
    assert [event.actor for event in events("hub.initialized")] == ["root"]


def test_the_setup_code_is_kept_nowhere_between_the_steps(code):
    client = Client()
    client.post("/setup", {"code": code})
    assert not is_anywhere(code)
    assert code not in str(dict(client.session))


def test_whoever_comes_back_goes_on_where_it_was_left(code):
    create_admin(username="root", password=PASSWORD, by=BY_TEST, now=NOW)
    stranger = Client()
    assert stranger.get("/setup")["Location"] == "/account/sign-in?next=/setup"
    stranger.post("/account/sign-in?next=/setup", {"login": "root", "password": PASSWORD})
    assert step_of(stranger.get("/setup")) == "Network"


def test_a_hub_made_on_the_host_leaves_the_admin_to_be_made(code, hub):
    client = Client()
    client.post("/setup", {"code": code})
    form = {"code": code, "username": "root", "password": PASSWORD, "password_again": PASSWORD}
    client.post("/setup", form)
    assert client.get("/setup")["Location"] == "/admin/"


def test_a_wrong_code_goes_no_further(code):
    answer = Client().post("/setup", {"code": "0000"})
    assert step_of(answer) == "Setup code"
    assert error_beside(answer, "code").startswith("That setup code is wrong.")
    assert 'value="0000"' in text_of(answer)


def test_a_code_that_was_renewed_meanwhile_leads_back_to_the_first_step(code):
    client = Client()
    client.post("/setup", {"code": code})
    make_setup_code(by=BY_TEST, now=NOW)
    form = {"code": code, "username": "root", "password": PASSWORD, "password_again": PASSWORD}
    answer = client.post("/setup", form)
    assert step_of(answer) == "Setup code"
    assert error_beside(answer, "code").startswith("That setup code is wrong.")
    assert not User.objects.exists()


# --- Who may ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_admin_sets_the_hub_up(chief, person, role):
    other = signed_in(person("ada", role))
    assert other.get("/setup")["Location"] == "/admin/"
    assert send(other, "create")["Location"] == "/admin/"
    assert other.post("/setup/checks", NETWORK).status_code == 404
    assert not HubConfig.objects.exists()


def test_who_is_not_signed_in_sets_nothing_up(chief):
    assert send(Client(), "create").status_code == 404
    assert Client().post("/setup/checks", NETWORK).status_code == 404
    assert not HubConfig.objects.exists()


def test_sent_twice_it_makes_one_hub(chief):
    send(chief, "create")
    key = HubConfig.objects.get().public_key
    assert send(chief, "create", network_cidr="10.9.0.0/24")["Location"] == "/admin/"
    assert HubConfig.objects.get().public_key == key
    assert HubConfig.objects.get().network_cidr == "10.0.1.0/24"


def test_with_a_hub_the_door_is_shut(chief):
    send(chief, "create")
    assert chief.get("/setup")["Location"] == "/admin/"
    assert Client().get("/setup").status_code == 404
    assert chief.post("/setup/checks", NETWORK).status_code == 404


def test_the_network_step_needs_its_token(chief):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())
    assert strict.post("/setup", {**NETWORK, "create": "1"}).status_code == 403
    assert strict.post("/setup/checks", NETWORK).status_code == 403


# --- The network step ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"network_cidr": "10.0.1.5/24"}, "network_cidr", "10.0.1.5/24 is not a network address"),
        ({"network_cidr": ""}, "network_cidr", "This field is required."),
        ({"network_cidr": "192.168.0.0/31"}, "network_cidr", "The prefix length must be between 8 and 30"),
        ({"listen_port": "0"}, "listen_port", "Ensure this value is greater"),
        ({"listen_port": "x"}, "listen_port", "Enter a whole number."),
        ({"endpoint": ""}, "endpoint", "Give the name or address that machines connect to."),
        ({"endpoint": "two words"}, "endpoint", "'two words' is neither an address nor a host name."),
        ({"endpoint": HOSTILE}, "endpoint", f"'{HOSTILE}' is neither"),
        ({"endpoint": "vpn.example.com:99999"}, "endpoint", "Must be host:port"),
        ({"network_cidr6": "nonsense"}, "network_cidr6", "Must be an IPv6"),
        ({"dns": "1.1.1.1 resolver"}, "dns", "'resolver' is not the address of a DNS server."),
    ],
)
@pytest.mark.parametrize("what", ["review", "create"])
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(chief, what, changes, field, said):
    answer = send(chief, what, **changes)
    assert step_of(answer) == "Network"
    assert error_beside(answer, field).startswith(said)
    typed = next(iter(changes.values()))
    assert f'value="{typed}"' in text_of(answer) or not typed
    assert b"<script>alert" not in answer.content
    assert not HubConfig.objects.exists()


def test_back_from_the_review_everything_is_as_it_was_typed(chief):
    typed = {"network_cidr": "10.7.0.0/16", "dns": "9.9.9.9", "spoke_to_spoke": "open", "endpoint": "a.example.org"}
    reviewed = text_of(send(chief, **typed))
    for value in ("10.7.0.0/16", "9.9.9.9", "Open: Every machine reaches every other", "a.example.org:51820"):
        assert value in reviewed
    again = text_of(send(chief, "edit", **typed))
    for value in ("10.7.0.0/16", "9.9.9.9", "a.example.org"):
        assert f'value="{value}"' in again
    assert re.search(r'value="open"[^>]*checked', again)


def test_the_usual_dns_servers_are_a_button_with_its_consequence(chief):
    assert re.search(r'name="dns"(?! value)', text_of(chief.get("/setup")))
    filled = text_of(send(chief, "fill_dns", endpoint="typed.example.org"))
    assert 'value="1.1.1.1, 8.8.8.8"' in filled
    assert "every machine that can asks these two for every name" in filled
    assert 'value="typed.example.org"' in filled


def test_an_ipv6_prefix_and_a_mode_are_taken(chief):
    send(chief, "create", network_cidr6="fd5e:12a0:77::/64", spoke_to_spoke="cluster", dns="1.1.1.1, 8.8.8.8")
    hub = HubConfig.objects.get()
    assert (hub.network_cidr6, hub.spoke_to_spoke, hub.dns) == ("fd5e:12a0:77::/64", "cluster", ["1.1.1.1", "8.8.8.8"])


def test_the_endpoint_is_guessed_from_the_hubs_own_name(chief, settings):
    settings.HUB_PUBLIC_URL = "https://vpn.example.org"
    assert 'value="vpn.example.org"' in text_of(chief.get("/setup"))


def test_an_endpoint_of_this_machine_alone_is_not_guessed(chief, settings):
    settings.HUB_PUBLIC_URL = "http://127.0.0.1:8000"
    assert not re.search(
        r'id="id_endpoint"[^>]* value="[^"]', text_of(chief.get("/setup", headers={"Host": "localhost"}))
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("vpn.example.com", "vpn.example.com:51820"),
        (" vpn.example.com:443 ", "vpn.example.com:443"),
        ("203.0.113.5", "203.0.113.5:51820"),
        ("2001:db8::1", "[2001:db8::1]:51820"),
        ("[2001:db8::1]", "[2001:db8::1]:51820"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
    ],
)
def test_a_port_may_be_left_out(written, meant):
    assert with_port(written, 51820) == meant


# --- Checks -------------------------------------------------------------------------------------------------------

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t007100CB\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
bad line
eth1\tzz\t0\t0\t0\t0\t0\tyy
"""


def facts(**changes) -> dict[str, str]:
    given = {"network": "10.0.1.0/24", "port": None, "endpoint": "vpn.example.com:51820", "routes": ROUTES}
    return {check.fact: check.mark for check in checks_of(**{**given, **changes}, agent=AgentState.current(), now=NOW)}


def test_the_networks_of_this_machine_are_read_from_the_kernels_own_words():
    assert [(name, str(network)) for name, network in networks_of(ROUTES)] == [
        ("eth0", "203.0.113.0/24"),
        ("docker0", "172.17.0.0/16"),
    ]
    assert networks_of("") == networks_of("nonsense") == []


def test_a_network_that_overlaps_one_of_this_machines_is_told():
    assert facts()["No overlap"] == "ok"
    assert facts(network="172.17.5.0/24")["172.17.5.0/24 overlaps"] == "bad"
    assert facts(network="172.16.0.0/12")["172.16.0.0/12 overlaps"] == "bad"


@pytest.mark.parametrize("network", ["", "nonsense", "10.0.1.5/24", HOSTILE])
def test_a_network_half_typed_is_not_judged(network):
    assert list(facts(network=network)) == ["The agent has not reported"]


def test_a_port_that_is_taken_is_told():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        assert facts(port=port)[f"UDP {port} is taken"] == "bad"
    assert facts(port=port)[f"UDP {port} is free"] == "ok"


def test_a_port_that_may_not_be_tried_is_no_fault(monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "no")

    monkeypatch.setattr(host_checks.socket.socket, "bind", refuse)
    assert facts(port=53)["UDP 53 could not be tried"] == "warn"


@pytest.mark.parametrize(
    ("report", "fact", "mark"),
    [
        ({}, "The agent is alive", "ok"),
        ({"alive_at": NOW - timedelta(minutes=1)}, "The agent has not reported", "warn"),
        ({"is_managing": False}, "The agent may not make an interface", "bad"),
        ({"problem": "No nft."}, "The agent reports a problem", "bad"),
    ],
)
def test_what_only_the_agent_knows_it_says(report, fact, mark):
    agent_has_applied(**report)
    assert facts()[fact] == mark


@pytest.mark.parametrize(
    ("endpoint", "fact"),
    [
        ("vpn.example.com:51820", None),
        ("198.41.0.4:51820", "This is a bare address."),
        ("[2606:4700::1]:51820", "This is a bare address."),
        ("10.1.2.3:51820", "This is a private address."),
        ("[fd00::1]:51820", "This is a private address."),
        ("localhost:51820", "This name is known on your own network only."),
        ("hub.local:51820", "This name is known on your own network only."),
        ("", None),
        ("nonsense", None),
        (HOSTILE, None),
    ],
)
def test_an_endpoint_that_is_not_wise_is_warned_of(endpoint, fact):
    warning = endpoint_warning(endpoint)
    assert (warning and warning[0]) == fact


def test_a_warning_blocks_nothing(chief):
    assert "This is a private address." in text_of(send(chief, endpoint="10.1.2.3"))
    assert send(chief, "create", endpoint="10.1.2.3")["Location"] == "/admin/"


def test_the_checks_follow_what_is_typed(chief):
    agent_has_applied(problem=HOSTILE)
    answer = chief.post("/setup/checks", {**NETWORK, "endpoint": "10.1.2.3", "network_cidr": "0.0.0.0/0"})
    said = text_of(answer)
    assert "This is a private address." in said
    assert HOSTILE in said
    assert b"<script>alert" not in answer.content


@pytest.mark.parametrize("port", ["", "x", "-1", "99999999999", "٥١٨٢٠", "65536"])
def test_odd_ports_are_not_tried(chief, port):
    assert "UDP" not in text_of(chief.post("/setup/checks", {**NETWORK, "listen_port": port}))


def test_the_rest_interface_still_takes_the_setup_code(code):
    body = {"networkCIDR": "10.0.1.0/24", "endpoint": "vpn.example.com:51820"}
    answer = Client().post("/api/hub/initialize", body, content_type="application/json", headers={"X-Setup-Code": code})
    assert answer.status_code == 201


def test_of_two_admins_at_once_the_second_is_led_to_the_hub(chief, monkeypatch):
    initialize_hub(network_cidr="10.0.1.0/24", endpoint="first.example.com:51820", by=BY_TEST, now=NOW)
    monkeypatch.setattr("hubproject.setup_pages.HubConfig.objects.exists", lambda: False, raising=False)
    assert send(chief, "create")["Location"] == "/admin/"
    assert HubConfig.objects.get().endpoint == "first.example.com:51820"
