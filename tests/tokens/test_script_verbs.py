"""The saved script as a program: resume, status, a dry run, help, and the look for a hub that has moved."""

import re
import time

import pytest

from tests.tokens.machine import (
    CONNECTED,
    PROGRAM,
    SHELLS,
    STATE_HOME,
    accepted,
    last_line,
    linux_script,
    needs_machine,
)

pytestmark = needs_machine
NAMED = "hub.example.com:51820"


def ago(machine, seconds):
    """The hub was last heard so many seconds ago."""
    machine.put("record/handshake.wg0", f"hub\t{int(time.time()) - seconds}\n")


def enrol_with_a_name(machine):
    machine.put("run/systemd/system/.keep")
    machine.put_tool("getent", "cat /record/resolves 2>/dev/null")
    machine.put("record/resolves", "203.0.113.1     STREAM hub.example.com\n203.0.113.1     DGRAM\n")
    machine.put("record/endpoints", "hub\t203.0.113.1:51820\n")
    machine.answers(accepted(endpoint=NAMED))
    return machine.pipe(linux_script())


# ---- the program


@pytest.mark.parametrize("shell", SHELLS)
def test_the_program_finishes_what_a_run_left(build, shell):
    machine = build(shell)
    machine.answers(("000", ""), accepted())
    assert machine.pipe(linux_script(), environment={"WIREGUARD_HUB_RETRY_SECONDS": "0"}).returncode == 6
    assert last_line(machine.run(f"/{PROGRAM}", "resume").stdout) == CONNECTED
    assert last_line(machine.run(f"/{PROGRAM}", "resume").stdout).startswith("Already connected")


def test_the_program_holds_no_secret_and_anyone_may_see_it(machine):
    machine.pipe(linux_script())
    assert (machine.root / PROGRAM).stat().st_mode & 0o777 == 0o755
    assert STATE_HOME in machine.read(PROGRAM)
    assert machine.state.name not in machine.read(PROGRAM)


def test_a_user_is_told_that_the_program_needs_root(machine):
    machine.pipe(linux_script())
    done = machine.run(f"/{PROGRAM}", "status", user=65534)
    assert (done.returncode, done.stderr) == (3, "This needs root.\n")


def test_a_machine_whose_local_directory_cannot_be_written_says_what_to_use_instead(machine):
    machine.run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/usr/local/sbin")
    done = machine.pipe(linux_script())
    assert last_line(done.stdout) == CONNECTED
    assert f"could not be written; instead, use: sh /{machine.saved_copy}" in done.stdout


def test_the_program_without_a_spoke_says_so(machine):
    machine.pipe(linux_script())
    machine.run("rm", "-rf", f"/{STATE_HOME}")
    done = machine.run(f"/{PROGRAM}", "status")
    assert (done.returncode, done.stderr) == (1, "This machine is no spoke.\n")


@pytest.mark.parametrize("words", [["--help"], ["install", "--help"]])
def test_help_names_every_word(machine, words):
    machine.pipe(linux_script())
    done = machine.run("sh", f"/{machine.saved_copy}", *words)
    assert done.returncode == 0
    for word in ("install", "--dry-run", "resume", "status", "uninstall"):
        assert word in done.stdout


# ---- status


def test_status_says_in_a_few_lines_how_the_tunnel_is_and_changes_nothing(machine):
    enrol_with_a_name(machine)
    before, calls = machine.touched(), len(machine.calls("systemctl"))
    began = time.time()
    ago(machine, 12)
    done = machine.run(f"/{PROGRAM}", "status")
    assert (done.returncode, done.stderr) == (0, "")
    age = re.search(r"(\d+) seconds", done.stdout)[1]
    assert 12 <= int(age) <= 13 + time.time() - began
    lines = done.stdout.replace(f"{age} seconds", "12 seconds").splitlines()
    assert lines == [
        "Name:      web-1",
        "Address:   10.0.1.5",
        "Interface: wg0 (up)",
        "Endpoint:  hub.example.com:51820, now 203.0.113.1:51820",
        "Handshake: 12 seconds ago",
        "Connected.",
    ]
    assert (machine.touched(), len(machine.calls("systemctl"))) == (before, calls)


def test_status_of_a_machine_that_was_never_finished(machine):
    machine.answers(("000", ""))
    machine.pipe(linux_script(), environment={"WIREGUARD_HUB_RETRY_SECONDS": "0"})
    done = machine.run(f"/{PROGRAM}", "status")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == f"Not set up. To go on, run as root: sh /{machine.saved_copy} resume\n"


def test_status_of_a_tunnel_that_is_down(machine):
    machine.pipe(linux_script())
    machine.run("wg-quick", "down", "wg0")
    done = machine.run(f"/{PROGRAM}", "status")
    assert (done.returncode, done.stderr) == (7, "")
    assert "Interface: wg0 (down)\n" in done.stdout
    assert last_line(done.stdout) == "Not connected: wg0 is down; to start it, run: wireguard-hub-spoke resume."


def test_status_says_what_is_wrong(machine):
    machine.pipe(linux_script())
    ago(machine, 400)
    done = machine.run(f"/{PROGRAM}", "status")
    assert done.returncode == 7
    assert last_line(done.stdout) == (
        "Not connected: no handshake with 203.0.113.1:51820: look whether UDP to port 51820 is blocked on the way, "
        "and whether this is the hub."
    )


# ---- a dry run


@pytest.mark.parametrize("shell", SHELLS)
def test_a_dry_run_through_the_pipe_says_what_would_be_done_and_does_nothing(build, shell):
    machine = build(shell)
    before = machine.touched()
    done = machine.run("sh", "-s", "--", "--dry-run", text=linux_script())
    assert (done.returncode, done.stderr) == (0, "")
    assert "Would register as web-1 at https://hub.example.com/api/spoke/register\n" in done.stdout
    assert "Would write /etc/wireguard/wg0.conf for 10.0.1.5 and start it" in done.stdout
    copy = re.search(r"command is used up, so go on soon, as root, with: sh (\S+) install$", done.stdout.strip())[1]
    assert machine.requests() == machine.configs() == []
    made = {path for path in machine.touched() - before if not (machine.root / path[1:]).is_dir()}
    assert {path.rpartition("/")[0] for path in made} == {f"/{machine.state.relative_to(machine.root)}"}
    assert not (machine.state / "private.key").exists()
    assert last_line(machine.run("sh", copy, "install").stdout) == CONNECTED


def test_a_dry_run_names_the_packages_it_would_install(machine):
    for tool in ("wg", "wg-quick", "dnf", "yum", "zypper", "pacman", "apk"):
        machine.hide(tool)
    machine.put_tool("apt-get")
    done = machine.run("sh", "-s", "--", "--dry-run", text=linux_script())
    assert "Would install with apt-get: wireguard-tools\n" in done.stdout
    assert machine.calls("apt-get") == []


def test_a_dry_run_finds_what_does_not_fit(machine):
    machine.uses("10.0.1.77/24")
    done = machine.run("sh", "-s", "--", "--dry-run", text=linux_script())
    assert done.returncode == 3
    assert "overlaps 10.0.1.77/24 on eth0" in last_line(done.stderr)


# ---- a hub that moves


def refresh(machine):
    done = machine.run("sh", f"/{machine.saved_copy}", "refresh")
    assert (done.stdout, done.stderr) == ("", "")
    return machine.calls("wg set")


def test_a_named_endpoint_is_looked_at_again_by_a_timer(machine):
    assert last_line(enrol_with_a_name(machine).stdout).endswith(f"hub {NAMED}.")
    unit = f"wireguard-hub-spoke-{machine.state.name}"
    assert f"systemctl enable --now {unit}.timer" in machine.calls("systemctl")
    assert "OnUnitActiveSec=3min\n" in machine.read(f"etc/systemd/system/{unit}.timer")
    service = machine.read(f"etc/systemd/system/{unit}.service")
    assert f"ExecStart=/bin/sh /{machine.saved_copy} refresh\n" in service
    assert service.startswith(f"# wireguard-hub-spoke {machine.state.name}\n")


def test_an_endpoint_that_is_an_address_needs_no_timer(machine):
    machine.put("run/systemd/system/.keep")
    machine.pipe(linux_script())
    assert not [path for path in machine.touched() if path.endswith((".timer", ".service"))]


def test_a_hub_that_gets_an_address_for_its_name_loses_the_timer(machine):
    enrol_with_a_name(machine)
    ago(machine, 400)
    machine.answers(accepted())
    assert last_line(machine.run_again().stdout) == CONNECTED
    assert not [path for path in machine.touched() if path.endswith(".timer") and machine.exists(path[1:])]


def test_without_systemd_cron_looks(machine):
    (machine.root / "etc/cron.d").mkdir(exist_ok=True)
    machine.put_tool("getent", "echo 203.0.113.1")
    machine.answers(accepted(endpoint=NAMED))
    machine.pipe(linux_script())
    line = machine.read(f"etc/cron.d/wireguard-hub-spoke-{machine.state.name}").splitlines()[1]
    assert line == f"*/3 * * * * root /bin/sh /{machine.saved_copy} refresh >/dev/null 2>&1"


def test_a_machine_without_timer_and_cron_is_told(machine):
    machine.run("rm", "-rf", "/etc/cron.d", "/etc/periodic")
    machine.put_tool("getent", "echo 203.0.113.1")
    machine.answers(accepted(endpoint=NAMED))
    assert "if the hub moves, run: wireguard-hub-spoke resume" in machine.pipe(linux_script()).stdout


def test_a_hub_that_is_heard_is_left_alone(machine):
    enrol_with_a_name(machine)
    ago(machine, 60)
    machine.put("record/resolves", "198.51.100.7 STREAM hub.example.com\n")
    assert refresh(machine) == []


def test_a_silent_hub_that_has_moved_is_followed(machine):
    enrol_with_a_name(machine)
    ago(machine, 400)
    assert refresh(machine) == []
    machine.put("record/resolves", "198.51.100.7 STREAM hub.example.com\n")
    (call,) = refresh(machine)
    assert re.fullmatch(r"wg set wg0 peer \S{44} endpoint hub\.example\.com:51820", call)


def test_a_service_that_failed_for_want_of_a_name_is_started_again(machine):
    enrol_with_a_name(machine)
    machine.run("wg-quick", "down", "wg0")
    refresh(machine)
    assert not machine.exists("record/link.wg0")
    machine.put("record/failed-unit")
    refresh(machine)
    assert machine.exists("record/link.wg0")
