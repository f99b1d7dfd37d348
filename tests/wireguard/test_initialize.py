"""Setting the hub up, once: by the REST call or by the command, with keys that web itself cannot open."""

import pytest
from django.core.management import call_command

from hubproject.errors import InvalidFields
from hubproject.models import AuditEvent
from tests.conftest import BY_TEST, JSON, NOW, assert_refused, everything, is_anywhere, refused_fields
from wireguard.errors import HubAlreadyInitialized
from wireguard.keys import generate_private_key, public_key_of
from wireguard.models import HubConfig
from wireguard.sealing import sealing_public_half
from wireguard.services import initialize_hub
from wireguard.wanted import wanted_interface

pytestmark = pytest.mark.django_db

BODY = {"networkCIDR": "10.0.1.0/24", "endpoint": "hub.example.com:51820"}
COMMAND = ["init_hub", "--network", "10.0.1.0/24", "--endpoint", "hub.example.com:51820"]


@pytest.fixture
def data_dir(settings, tmp_path):
    """A data directory in which no sealing key was ever made."""
    settings.HUB_DATA_DIR, settings.HUB_SEALING_KEY = tmp_path, ""
    return tmp_path


def initialize(client, **fields):
    return client.post("/api/hub/initialize", BODY | fields, content_type=JSON)


# --- The call -----------------------------------------------------------------------------------------------------


def test_it_answers_201_with_the_hub(admin):
    answer = initialize(admin)
    assert answer.status_code == 201
    hub = answer.json()["hubConfig"]
    assert answer.json() == {"success": True, "hubConfig": hub}
    assert {name: value for name, value in hub.items() if name != "publicKey"} == {
        "id": 1,
        "interfaceName": "wg0",
        "interfaceAddress": "10.0.1.1/24",
        "interfaceAddress6": None,
        "listenPort": 51820,
        "networkCIDR": "10.0.1.0/24",
        "networkCIDR6": None,
        "dns": [],
        "dnsDomains": [],
        "endpoint": "hub.example.com:51820",
        "mtu": 1420,
        "persistentKeepalive": 25,
        "spokeToSpoke": "isolated",
        "createdAt": "2026-03-01T12:00:00Z",
        "updatedAt": "2026-03-01T12:00:00Z",
    }
    assert admin.get("/api/hub/config").json() == hub


def test_it_takes_every_value_an_operator_may_choose(admin):
    chosen = {
        "networkCIDR": "172.16.0.0/16",
        "endpoint": "[2001:DB8::1]:443",
        "listenPort": 443,
        "dns": ["172.16.0.53", "2001:db8::53", "172.16.0.53"],
        "dnsDomains": ["Corp.Example.com"],
        "mtu": 1380,
        "persistentKeepalive": 0,
        "networkCIDR6": "FD12:3456:789A::/64",
        "spokeToSpoke": "cluster",
    }
    hub = initialize(admin, **chosen).json()["hubConfig"]
    assert {name: hub[name] for name in chosen} == chosen | {
        "endpoint": "[2001:db8::1]:443",
        "dns": ["172.16.0.53", "2001:db8::53"],
        "dnsDomains": ["corp.example.com"],
        "networkCIDR6": "fd12:3456:789a::/64",
    }
    assert hub["interfaceAddress"] == "172.16.0.1/16"
    assert hub["interfaceAddress6"] == "fd12:3456:789a::1/64"
    assert wanted_interface(HubConfig.objects.get()).addresses == ("172.16.0.1/16", "fd12:3456:789a::1/64")


def test_null_and_empty_optional_fields_are_absent(admin):
    absent = {"listenPort": None, "dns": None, "dnsDomains": "", "mtu": "", "persistentKeepalive": None}
    absent |= {"networkCIDR6": "", "spokeToSpoke": None}
    hub = initialize(admin, **absent).json()["hubConfig"]
    assert (hub["listenPort"], hub["dns"], hub["mtu"], hub["persistentKeepalive"]) == (51820, [], 1420, 25)


def test_it_is_recorded(admin):
    initialize(admin)
    event = AuditEvent.objects.get(event="hub.initialized")
    assert (event.actor, event.source_address) == ("api-key:admin of the tests", "127.0.0.1")
    assert event.details == {"network": "10.0.1.0/24", "endpoint": "hub.example.com:51820"}


def test_a_second_time_is_answered_409_and_changes_nothing(admin):
    initialize(admin)
    before = everything()
    answer = initialize(admin, networkCIDR="10.9.0.0/16")
    assert_refused(answer, 409, "HUB_ALREADY_INITIALIZED")
    assert everything() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("networkCIDR", "10.0.1.1/24"),
        ("networkCIDR", "10.0.1.0"),
        ("networkCIDR", "10.0.1.0/31"),
        ("networkCIDR", "10.0.1.0/32"),
        ("networkCIDR", "8.0.0.0/7"),
        ("networkCIDR", "0.0.0.0/0"),
        ("networkCIDR", "127.0.0.0/8"),
        ("networkCIDR", "169.254.0.0/16"),
        ("networkCIDR", "224.0.0.0/8"),
        ("networkCIDR", "240.0.0.0/8"),
        ("networkCIDR", "2001:db8::/64"),
        ("networkCIDR", "10.0.1.0/\u0662\u0664"),
        ("networkCIDR", "010.0.1.0/24"),
        ("networkCIDR", "10.0.1.0/24; reboot"),
        ("networkCIDR6", "10.0.2.0/24"),
        ("networkCIDR6", "fe80::/64"),
        ("networkCIDR6", "fd00::%eth0/64"),
        ("networkCIDR6", "fd00::1/64"),
        ("networkCIDR6", "fd00::/126"),
        ("spokeToSpoke", "Open"),
        ("spokeToSpoke", "mesh"),
        ("endpoint", "hub.example.com"),
        ("endpoint", "hub.example.com:0"),
        ("endpoint", "hub.example.com:65536"),
        ("endpoint", "https://hub.example.com:51820"),
        ("endpoint", "hub.example.com:51820/x"),
        ("endpoint", "hub_example.com:51820"),
        ("endpoint", "$(reboot):51820"),
        ("listenPort", 0),
        ("listenPort", 65536),
        ("listenPort", -1),
        ("listenPort", 10**30),
        ("dns", ["one.one.one.one"]),
        ("dns", ["1.1.1.1", "x"]),
        ("dns", [f"10.0.1.{number}" for number in range(10, 20)]),
        ("dnsDomains", ["not a domain"]),
        ("dnsDomains", ["x" * 64]),
        ("mtu", 1279),
        ("mtu", 65457),
        ("persistentKeepalive", -1),
        ("persistentKeepalive", 65536),
    ],
)
def test_a_value_that_no_hub_can_have_is_refused_by_name(admin, field, value):
    assert set(refused_fields(initialize(admin, **{field: value}))) == {field}
    assert not HubConfig.objects.exists()


def test_every_wrong_value_is_named_at_once(admin):
    wrong = {"networkCIDR": "x", "endpoint": "x", "listenPort": 0, "mtu": 1}
    assert set(refused_fields(initialize(admin, **wrong))) == set(wrong)


def test_an_ipv6_prefix_has_to_have_room_for_every_host_number(admin):
    small = initialize(admin, networkCIDR="10.0.0.0/8", networkCIDR6="fd00::/112")
    assert "at most a /104" in refused_fields(small)["networkCIDR6"][0]
    assert initialize(admin, networkCIDR="10.0.0.0/8", networkCIDR6="fd00::/104").status_code == 201


def test_the_sentence_names_the_network_that_was_meant(admin):
    assert "10.0.1.0/24" in refused_fields(initialize(admin, networkCIDR="10.0.1.77/24"))["networkCIDR"][0]


@pytest.mark.parametrize(
    "unknown",
    [
        {"interfaceAddress6": "fd00::1/64"},
        {"privateKey": "YAnz3TDZ5aXBcm0dFGLMqmpKHRh1Q0bIZ1gsTg2WEGY="},
        {"publicKey": "x"},
        {"interfaceName": "eth0"},
        {"id": 2},
    ],
)
def test_a_field_that_cannot_be_chosen_here_is_refused(admin, unknown):
    assert set(refused_fields(initialize(admin, **unknown))) == set(unknown)
    assert not HubConfig.objects.exists()


# --- The command --------------------------------------------------------------------------------------------------


def test_the_command_sets_the_hub_up(db, capsys):
    call_command(
        *COMMAND, "--listen-port", "443", "--dns", "10.0.1.53", "--interface", "wg7", "--network6", "fd00::/64"
    )
    hub = HubConfig.objects.get()
    assert (hub.interface_name, hub.interface_address, hub.listen_port, hub.dns) == (
        "wg7",
        "10.0.1.1/24",
        443,
        ["10.0.1.53"],
    )
    out = capsys.readouterr().out
    assert "10.0.1.1/24 and fd00::1/64 on wg7" in out
    assert hub.public_key in out
    assert AuditEvent.objects.get(event="hub.initialized").actor.startswith("command:")


def test_the_command_refuses_a_second_time(db, capsys):
    call_command(*COMMAND)
    with pytest.raises(HubAlreadyInitialized):
        call_command(*COMMAND)


@pytest.mark.parametrize("name", ["", "a" * 16, "wg 0", "../wg0", "-wg0", "wg0\n", "wg/0"])
def test_the_command_refuses_an_interface_name_no_kernel_takes(db, name):
    with pytest.raises(InvalidFields):
        call_command(*COMMAND, f"--interface={name}")


# --- The keys -----------------------------------------------------------------------------------------------------


def test_the_private_key_is_in_no_answer_and_in_no_column(admin, viewer):
    answers = [initialize(admin), viewer.get("/api/hub/config"), viewer.get("/api/hub/status")]
    hub = HubConfig.objects.get()
    private_key = wanted_interface(hub).private_key
    assert public_key_of(private_key) == hub.public_key
    assert not is_anywhere(private_key)
    for answer in answers:
        assert private_key not in answer.content.decode()
        assert hub.sealed_private_key not in answer.content.decode()
        assert "private" not in answer.content.decode().lower()


def test_the_sealing_files_are_made_with_the_first_hub(admin, data_dir):
    initialize(admin)
    assert sorted(path.name for path in data_dir.iterdir()) == ["sealing.key", "sealing.pub"]
    private_half = (data_dir / "sealing.key").read_text().strip()
    assert (data_dir / "sealing.pub").read_text().strip() == sealing_public_half(private_half)
    assert (data_dir / "sealing.key").stat().st_mode & 0o777 == 0o600


def test_no_sealing_file_is_made_once_there_is_a_hub(admin, data_dir):
    initialize(admin)
    for path in data_dir.iterdir():
        path.unlink()
    assert_refused(initialize(admin), 409, "HUB_ALREADY_INITIALIZED")
    assert list(data_dir.iterdir()) == []


def test_no_sealing_file_is_made_for_a_request_that_is_refused(admin, data_dir):
    initialize(admin, networkCIDR="x")
    assert list(data_dir.iterdir()) == []


def test_the_halves_that_are_there_are_used(admin, data_dir):
    private_half = generate_private_key()
    (data_dir / "sealing.key").write_text(private_half + "\n")
    (data_dir / "sealing.pub").write_text(sealing_public_half(private_half) + "\n")
    initialize(admin)
    assert (data_dir / "sealing.key").read_text().strip() == private_half
    assert wanted_interface(HubConfig.objects.get()).private_key


def test_the_public_half_alone_is_enough_for_web(admin, data_dir):
    private_half = generate_private_key()
    (data_dir / "sealing.pub").write_text(sealing_public_half(private_half) + "\n")
    assert initialize(admin).status_code == 201
    assert [path.name for path in data_dir.iterdir()] == ["sealing.pub"]
    (data_dir / "sealing.key").write_text(private_half + "\n")
    hub = HubConfig.objects.get()
    assert public_key_of(wanted_interface(hub).private_key) == hub.public_key


def test_a_private_half_from_the_environment_is_written_nowhere(admin, data_dir, settings):
    settings.HUB_SEALING_KEY = generate_private_key()
    assert initialize(admin).status_code == 201
    assert [path.name for path in data_dir.iterdir()] == ["sealing.pub"]
    assert not is_anywhere(settings.HUB_SEALING_KEY)


def test_two_hubs_never_have_the_same_key(db):
    keys = set()
    for _ in range(3):
        hub = initialize_hub(network_cidr="10.0.1.0/24", endpoint="hub.example.com:51820", by=BY_TEST, now=NOW)
        keys.add(hub.public_key)
        HubConfig.objects.all().delete()
    assert len(keys) == 3


def test_a_hub_that_could_not_be_recorded_does_not_exist(admin, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("hubproject.audit.record_all", lambda *args, **kwargs: 1 / 0)
        assert_refused(initialize(admin), 500, "INTERNAL_ERROR")
    assert not HubConfig.objects.exists()
    assert initialize(admin).status_code == 201
