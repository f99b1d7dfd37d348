"""The units: how little each service may do, whom it runs as, what is secret and stays so."""

import re
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
# The most that `systemd-analyze security` may find, of 10.
EXPOSURE = {"wireguard-hub-api": 2.0, "wireguard-hub-agent": 2.5, "wireguard-hub-userspace": 2.0}
OF_ERRANDS = 2.0
CAPABILITIES = {
    "wireguard-hub-agent": "CAP_NET_ADMIN",
    "wireguard-hub-userspace": "CAP_NET_ADMIN",
    "wireguard-hub-certificate-check": "CAP_DAC_READ_SEARCH",
}
# Who can open the hub's private key.
OPENERS = {"wireguard-hub-agent", "wireguard-hub-backup", "wireguard-hub-backup-check"}

services = pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)


def values(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


@services
def test_no_service_is_exposed_more_than_it_has_to_be(unit):
    most = EXPOSURE.get(unit.stem, OF_ERRANDS)
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={round(most * 10)}", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


@services
def test_a_service_runs_as_one_of_the_two_users_with_the_capability_it_needs_alone(unit):
    assert values(unit, "User")[0] in {"wireguard-hub", "wireguard-hub-agent"}
    assert values(unit, "Group") == ["wireguard-hub"]
    expected = [CAPABILITIES.get(unit.stem, "")]
    assert values(unit, "CapabilityBoundingSet") == values(unit, "AmbientCapabilities") == expected


@services
def test_secrets_come_as_credentials_and_never_by_the_environment(unit):
    assert values(unit, "Environment") == ["PYTHONDONTWRITEBYTECODE=1"]
    assert values(unit, "EnvironmentFile") == ["/etc/wireguard-hub/hub.env"]
    loaded = dict(value.split(":") for value in values(unit, "LoadCredential"))
    assert all(path == f"/etc/wireguard-hub/credentials/{name}" for name, path in loaded.items())
    assert "secret_key" in loaded
    assert ("hub_sealing_key" in loaded) == (unit.stem in OPENERS)
    # Empty where the file is missing, and nothing else: a default in a unit is for everybody to read.
    assert set(values(unit, "SetCredential")) <= {rf"{name}:\n" for name in loaded}


@services
def test_systemd_understands_every_line(unit):
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    of_ours = [line for line in done.stderr.splitlines() if str(UNITS) in line]
    assert of_ours == []


@pytest.mark.parametrize("timer", sorted(UNITS.glob("*.timer")), ids=lambda timer: timer.stem)
def test_every_timer_has_its_service_and_a_time_that_systemd_reads(timer):
    assert timer.with_suffix(".service") in SERVICES
    times = values(timer, "OnCalendar")
    subprocess.run(["systemd-analyze", "calendar", *times], capture_output=True, check=True)


@pytest.mark.parametrize("name", ["wireguard-hub-api", "wireguard-hub-agent"])
def test_what_serves_tells_systemd_that_it_lives(name):
    unit = UNITS / f"{name}.service"
    assert values(unit, "Type") == ["notify"]
    assert int(values(unit, "WatchdogSec")[0]) >= 60
    assert values(unit, "Restart") == ["on-failure"]
    assert values(unit, "StartLimitBurst")


def test_web_has_nothing_of_the_machine_and_starts_after_what_it_needs():
    unit = UNITS / "wireguard-hub-api.service"
    assert values(unit, "PrivateDevices") == values(unit, "PrivateUsers") == ["yes"]
    assert "AF_NETLINK" not in unit.read_text()
    assert {"network-online.target", "postgresql.service"} <= set(values(unit, "After")[0].split())


def test_of_the_kernels_tunables_the_agent_writes_those_of_the_network_alone():
    unit = UNITS / "wireguard-hub-agent.service"
    assert values(unit, "ProtectKernelTunables") == ["yes"]
    assert [path for path in values(unit, "ReadWritePaths") if path.startswith("/proc")] == ["/proc/sys/net"]
    assert "ProcSubset" not in unit.read_text()  # it would hide them


def test_wireguard_go_is_started_again_whatever_ends_it_and_belongs_to_the_agents_user():
    unit = UNITS / "wireguard-hub-userspace.service"
    assert (values(unit, "Restart"), values(unit, "StartLimitIntervalSec")) == (["always"], ["0"])
    assert values(unit, "User") == values(UNITS / "wireguard-hub-agent.service", "User")
    agent = (UNITS / "wireguard-hub-agent.service").read_text()
    assert not re.search(r"^(Requires|BindsTo|PartOf)=", agent, re.MULTILINE)  # neither ends with the other
