"""All further ways of the macOS script on throw-away Macs; they take minutes, so `make scripts` runs them."""

import plistlib
import re
import shlex

import pytest

from tests.tokens.mac import DAEMONS, PROGRAM, SHELLS, USER, mac_script
from tests.tokens.machine import CONNECTED, HUB_KEY, STATE_HOME, TOKEN, accepted, last_line, needs_machine, wait_until
from tests.tokens.test_linux_script import finish, serve_script
from tests.tokens.test_macos_script import UNINSTALL, mode, refused
from tokens.scripts import checked_commands, install_commands, script_sha256

pytestmark = [needs_machine, pytest.mark.scripts_full]
URL = "https://hub.example.com"
NAMED = "hub.example.com:51820"


# ---- the good path


def test_the_hub_is_sent_what_it_needs(mac):
    mac.pipe(mac_script())
    (request,) = mac.requests()
    assert (request["token"], request["os"]) == (TOKEN, "macos")
    assert request["metadata"] == {"wireguardVersion": "v1.0.20210914", "kernelVersion": "22.6.0"}


def test_configuration_and_state_are_for_root_alone(mac):
    mac.pipe(mac_script())
    key = (mac.state / "private.key").read_text().strip()
    config = mac.root / "etc/wireguard/wg0.conf"
    assert config.read_text().split("\n", 1)[1] == (
        f"[Interface]\nAddress = 10.0.1.5/24\nPrivateKey = {key}\nMTU = 1420\n\n"
        f"[Peer]\nPublicKey = {HUB_KEY}\nEndpoint = 203.0.113.1:51820\n"
        "AllowedIPs = 10.0.1.0/24\nPersistentKeepalive = 25\n"
    )
    assert mode(config) == 0o600
    assert mode(mac.root / STATE_HOME) == mode(mac.state) == 0o700


def test_a_second_run_changes_nothing(mac):
    mac.pipe(mac_script())
    before, calls = mac.touched(), mac.calls("launchctl")
    done = mac.run_again()
    assert last_line(done.stdout).startswith("Already connected: web-1 is 10.0.1.5 on wg0")
    assert (mac.touched(), mac.calls("launchctl"), len(mac.requests())) == (before, calls, 1)


def test_a_tunnel_that_is_down_is_brought_back(mac):
    mac.pipe(mac_script())
    mac.take_down()
    assert not mac.has_tunnel()
    assert last_line(mac.run(f"/{PROGRAM}", "resume").stdout) == CONNECTED
    assert mac.has_tunnel()


def test_a_silent_tunnel_is_taken_down_before_it_is_started_afresh(mac):
    mac.pipe(mac_script())
    (mac.root / "record/handshake.utun7").unlink()
    assert last_line(mac.run_again().stdout) == CONNECTED
    assert mac.calls("wg-quick") == ["wg-quick up wg0", "wg-quick down wg0", "wg-quick up wg0"]


# ---- what launchd is told


def test_a_hub_with_a_name_is_looked_for_every_three_minutes_and_when_the_network_changes(mac):
    mac.answers(accepted(endpoint=NAMED))
    mac.pipe(mac_script())
    assert plistlib.loads(mac.plist(".refresh")) == {
        "Label": f"wireguard-hub-spoke.{mac.state.name}.refresh",
        "ProgramArguments": ["/bin/sh", f"/{STATE_HOME}/{mac.state.name}/install.sh", "refresh"],
        "StartInterval": 180,
        "WatchPaths": ["/private/var/run/resolv.conf"],
    }


def test_a_hub_that_gets_an_address_for_its_name_is_looked_for_no_more(mac):
    mac.answers(accepted(endpoint=NAMED))
    mac.pipe(mac_script())
    (mac.root / "record/handshake.utun7").unlink()
    mac.answers(accepted())
    assert last_line(mac.run_again().stdout) == CONNECTED
    assert len(list((mac.root / DAEMONS).iterdir())) == 1
    assert [path.name for path in (mac.root / "record").glob("loaded.*")] == [
        f"loaded.wireguard-hub-spoke.{mac.state.name}"
    ]


def test_a_job_that_somebody_disabled_is_enabled_again(mac):
    state = "681785c58b2d2407"
    mac.put(f"record/disabled.wireguard-hub-spoke.{state}")
    assert last_line(mac.pipe(mac_script()).stdout) == CONNECTED
    assert mac.state.name == state


def test_a_tunnel_that_launchd_cannot_start_is_said_and_its_words_are_in_the_log(mac):
    mac.put("record/broken-tunnel")
    done = mac.pipe(mac_script())
    assert (done.returncode, last_line(done.stderr)) == (
        7,
        "Stopped: This machine is registered, but wg0 did not start.",
    )
    assert "wg-quick: no tunnel" in (mac.state / "install.log").read_text()
    (mac.root / "record/broken-tunnel").unlink()
    assert last_line(mac.run_again().stdout) == CONNECTED


# ---- Homebrew


def test_who_asked_but_may_not_install_is_not_made_to(mac):
    mac.unbrew()
    mac.add_user("guest", 1777)
    assert last_line(mac.pipe(mac_script(), environment={"SUDO_USER": "guest"}).stdout) == CONNECTED
    assert mac.read("record/became").splitlines()[-1] == USER
    assert len(mac.calls("brew")) == 1


def test_a_brew_of_root_is_not_run(mac):
    mac.unbrew()
    mac.run("chown", "-R", "0:0", "/opt/homebrew/bin")
    assert refused(mac, 5).startswith("No user of this Mac may install with /opt/homebrew/bin/brew, and root must not")
    assert mac.calls("brew") == []


def test_a_mac_with_all_tools_does_not_call_brew(mac):
    mac.put_brewed("brew", "exit 1")
    assert last_line(mac.pipe(mac_script()).stdout) == CONNECTED
    assert mac.calls("brew") == []


BROKEN = {
    "Error: No developer tools installed.": " (Error: No developer tools installed.)",
    "Warning: macOS 12.\nError: Permission denied @ apply2files": " (Error: Permission denied @ apply2files)",
}


@pytest.mark.parametrize(("says", "reason"), BROKEN.items())
def test_a_broken_brew_is_told_in_its_own_words_before_the_hub_hears(mac, says, reason):
    mac.unbrew()
    mac.put("record/broken-brew", f"{says}\n")
    assert refused(mac, 5) == (
        f"brew could not install wireguard-tools wireguard-go bash{reason}: install them by hand as {USER}, "
        "then try again."
    )
    assert len(mac.calls("brew")) == 2


@pytest.mark.parametrize("also", ["", "Error: Another active Homebrew update process is already in progress.\n"])
def test_a_lock_that_brew_may_not_open_is_not_waited_for(mac, also):
    mac.unbrew()
    mac.put(
        "record/broken-brew",
        f"{also}Error: Permission denied @ rb_sysopen - /opt/homebrew/var/homebrew/locks/bash.formula.lock\n",
    )
    done = mac.pipe(mac_script())
    assert (done.returncode, len(mac.calls("brew"))) == (5, 2)
    assert "is at work" not in done.stdout


def test_another_brew_at_work_is_waited_for(mac):
    mac.unbrew()
    says = "Error: A `brew upgrade` process has already locked /opt/homebrew/Cellar/bash."
    mac.put("record/broken-brew", says)
    done = mac.pipe(mac_script(), environment={"WIREGUARD_HUB_LOCK_SECONDS": "4"})
    assert done.returncode == 5
    assert done.stdout.count("Another package manager is at work; waiting for it.") == 1
    assert "has already locked" in last_line(done.stderr)


@pytest.mark.parametrize("broken", ["an old bash", "no bash", "a wg that does not run", "no wireguard-go"])
def test_tools_that_do_not_work_are_as_good_as_none(mac, broken):
    if broken == "an old bash":
        mac.put_brewed("bash", "exit 1")
    elif broken == "a wg that does not run":
        mac.put("record/broken-wg")
    else:
        (mac.root / "opt/homebrew/bin" / broken.split()[1]).unlink()
    assert refused(mac, 5).startswith("Homebrew is not on this Mac")


# ---- machines that are not fit


@pytest.mark.parametrize("version", ["12.7.6", "10.15", ""])
def test_an_older_macos_is_told_so_and_joins_all_the_same(mac, version):
    mac.put("record/macos-version", version)
    done = mac.pipe(mac_script())
    assert "13 and newer" in done.stdout
    assert last_line(done.stdout) == CONNECTED


def test_the_macos_command_on_linux_stops(mac):
    mac.put_tool("uname", "echo Linux")
    assert refused(mac, 3) == "This script is for macOS."


FOREIGN = ["etc/wireguard/wg0.conf", "usr/local/etc/wireguard/wg0.conf", "opt/homebrew/etc/wireguard/wg0.conf"]


@pytest.mark.parametrize("place", FOREIGN)
def test_a_tunnel_of_that_name_is_left_alone_wherever_wg_quick_would_find_it(mac, place):
    mac.put(place, "[Interface]\n# somebody's\n")
    assert last_line(mac.pipe(mac_script()).stdout) == CONNECTED.replace("wg0", "wg1")
    assert mac.read(place) == "[Interface]\n# somebody's\n"
    mac.pipe(UNINSTALL)
    assert mac.read(place) == "[Interface]\n# somebody's\n"


def test_a_tunnel_without_a_file_is_left_alone_too(mac):
    mac.run("sh", "-c", "mkdir -p /var/run/wireguard && cp -R /gnu/socket /var/run/wireguard/utun3.sock")
    mac.put("record/link.utun3", "utun3: flags=8051<UP> mtu 1420\n\tinet 10.77.0.2 --> 10.77.0.2 netmask 0xff000000\n")
    mac.run("sh", "-c", "echo utun3 >/var/run/wireguard/wg0.name; touch /var/run/wireguard/*")
    assert " on wg0, " not in mac.pipe(mac_script()).stdout
    assert mac.exists("record/link.utun3")


def test_a_name_that_a_crash_left_is_nobodys_device(mac):
    mac.run("sh", "-c", "mkdir -p /var/run/wireguard && cp -R /gnu/socket /var/run/wireguard/utun3.sock")
    mac.put("record/link.utun3")
    mac.run("sh", "-c", "echo utun3 >/var/run/wireguard/wg9.name; touch -d '1 hour ago' /var/run/wireguard/wg9.name")
    for number in range(9):
        mac.put(f"etc/wireguard/wg{number}.conf")
    assert " on wg9, " in last_line(mac.pipe(mac_script()).stdout)


def test_a_mac_whose_networks_cannot_be_read_is_refused(mac):
    mac.put_tool("netstat", "exit 1")
    assert refused(mac, 3) == "The addresses and routes of this machine could not be read."


# ---- DNS


def dns_lines(mac):
    return [line for line in mac.read("etc/wireguard/wg0.conf").splitlines() if line.startswith(("DNS", "Post", "Pre"))]


def test_without_dns_none_is_touched(mac):
    mac.pipe(mac_script())
    assert dns_lines(mac) == []
    # Only what an earlier tunnel of ours may have left.
    key = f"State:/Network/Service/wireguard-hub-spoke-{mac.state.name}/DNS"
    assert set(mac.read("record/scutil").splitlines()) == {f"remove {key}"}


def test_dns_that_the_hub_no_longer_has_goes_even_when_wireguard_died(mac):
    mac.answers(accepted(dns=["10.0.1.1"]))
    mac.pipe(mac_script())
    mac.lose_wireguard()
    mac.answers(accepted())
    before = len(mac.calls())
    assert last_line(mac.run_again().stdout) == CONNECTED
    assert last_line(mac.read("record/scutil")).startswith("remove ")
    # The hub is asked by its name.
    order = [call.split()[0] for call in mac.calls()[before:]]
    assert order.index("scutil") < order.index("curl")


# ---- the truth at the end, status, a hub that moves


def verdict(mac):
    done = mac.pipe(mac_script())
    assert (done.returncode, "Connected" in done.stdout) == (7, False)
    return last_line(done.stderr)


def test_silence_is_said_and_the_tunnel_stays_up(mac):
    mac.put("record/silent-hub")
    assert "no handshake with 203.0.113.1:51820: look whether UDP to port 51820 is blocked" in verdict(mac)
    assert mac.has_tunnel()


def test_a_mac_without_a_way_to_the_hub_is_named(mac):
    mac.put("record/silent-hub")
    mac.put("record/no-route")
    assert "this machine has no route to the hub at 203.0.113.1" in verdict(mac)


def test_a_name_that_does_not_resolve_is_named(mac):
    mac.put("record/silent-hub")
    mac.answers(accepted(endpoint=NAMED))
    assert "the hub's name hub.example.com does not resolve on this machine" in verdict(mac)


def test_a_handshake_without_an_answer_is_not_connected(mac):
    mac.put("record/no-ping")
    assert "the hub shook hands but 10.0.1.1 does not answer a ping" in verdict(mac)


def test_a_link_that_wg_quick_took_away_again_is_not_said_to_stay_up(mac):
    says = f"for log in /{STATE_HOME}/*/tunnel.log; do echo 'wg-quick: no route' >>\"$log\"; done"
    mac.put_tool("ping", f"rm -f /record/link.utun7; {says}; exit 1")
    assert verdict(mac) == "Stopped: This machine is registered, but wg0 did not start."
    assert "wg-quick: no route" in (mac.state / "install.log").read_text()


def test_large_packets_that_do_not_pass_are_the_mtu(mac):
    mac.put("record/largest-ping", "1200")
    assert "only small packets reach the hub" in verdict(mac)


def named(mac):
    mac.put("record/resolves", "name: hub.example.com\nip_address: 203.0.113.1\n\nname: x\nipv6_address: 2001:db8::1\n")
    mac.put("record/endpoints", "hub\t203.0.113.1:51820\n")
    mac.answers(accepted(endpoint=NAMED))
    assert last_line(mac.pipe(mac_script()).stdout) == CONNECTED.replace("203.0.113.1:51820", NAMED)


def test_status_tells_how_the_tunnel_is(mac):
    named(mac)
    done = mac.run(f"/{PROGRAM}", "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Interface: wg0 (up)\nEndpoint:  hub.example.com:51820, now 203.0.113.1:51820\n" in done.stdout
    mac.take_down()
    assert mac.run(f"/{PROGRAM}", "status").returncode == 7


def refresh(mac):
    done = mac.run("sh", f"/{mac.saved_copy}", "refresh")
    assert (done.stdout, done.stderr) == ("", "")
    return mac.calls("wg set")


def test_a_silent_hub_that_has_moved_is_followed(mac):
    named(mac)
    (mac.root / "record/handshake.utun7").unlink()
    assert refresh(mac) == []
    mac.put("record/resolves", "name: hub.example.com\nip_address: 198.51.100.7\n")
    assert refresh(mac) == [f"wg set utun7 peer {HUB_KEY} endpoint {NAMED}"]


def test_a_tunnel_that_found_no_name_at_boot_is_started_again_but_not_one_that_was_taken_down(mac):
    named(mac)
    mac.take_down()
    refresh(mac)
    assert not mac.has_tunnel()
    mac.put(f"record/exit.wireguard-hub-spoke.{mac.state.name}", "1\n")
    refresh(mac)
    assert mac.has_tunnel()


@pytest.mark.parametrize("brewed", [True, False])
def test_a_dry_run_says_what_would_be_done_and_does_nothing(mac, brewed):
    if not brewed:
        mac.unbrew()
    done = mac.run("sh", "-s", "--", "--dry-run", text=mac_script())
    assert (done.returncode, done.stderr) == (0, "")
    assert ("Would install with brew: wireguard-tools wireguard-go bash\n" in done.stdout) is not brewed
    assert "Would write /etc/wireguard/wg0.conf for 10.0.1.5 and start it" in done.stdout
    assert (mac.requests(), mac.calls("brew"), mac.calls("launchctl")) == ([], [], [])


# ---- interrupted, and started by a user


@pytest.mark.parametrize(("signal", "code"), [("TERM", 143), ("INT", 130)])
def test_an_interrupted_run_takes_back_what_it_made_and_can_be_run_again(mac, signal, code):
    mac.put("record/silent-hub")
    mac.answers(accepted(endpoint=NAMED, dns=["10.0.1.1"]))
    mac.put("record/resolves", "ip_address: 203.0.113.1\n")
    running = mac.start("sh", environment={"WIREGUARD_HUB_HANDSHAKE_SECONDS": "20"})
    running.stdin.write(mac_script())
    running.stdin.close()
    wait_until(lambda: mac.calls("wg show"))
    mac.run("kill", f"-{signal}", str(running.pid))
    ended, _output, errors = finish(running)
    assert (ended, last_line(errors)) == (code, "Stopped: Interrupted; what this run made is undone.")
    assert not mac.has_tunnel()
    assert list((mac.root / DAEMONS).iterdir()) == list((mac.root / "record").glob("loaded.*")) == []
    assert not mac.exists("etc/wireguard/wg0.conf")
    (mac.root / "record/silent-hub").unlink()
    assert last_line(mac.run_again().stdout).startswith("Connected")
    assert len({request["publicKey"] for request in mac.requests()}) == 1


@pytest.mark.parametrize("place", ["/Users/Zo\u00eb O'Neil/T/", "/var/folders/zz/x_y+z/T/"])
def test_a_user_who_may_not_become_root_is_told_how_to_finish(mac, place):
    mac.run("sh", "-c", f"mkdir -p {shlex.quote(place)} && chmod 777 {shlex.quote(place)}")
    mac.run("sh", "-c", "cd /record && touch calls environments gnu && chmod 666 calls environments gnu && chmod 777 .")
    mac.put_tool("sudo", "exit 1")
    done = mac.pipe(mac_script(), user=1777, environment={"TMPDIR": place, "HOME": place})
    assert done.returncode == 3
    command = re.search(r"become root and finish with: (sh /tmp/\S+/install.sh install)$", last_line(done.stderr))[1]
    assert last_line(mac.run(*command.split()).stdout) == CONNECTED
    assert mac.read("record/gnu") == ""


# ---- uninstalling


@pytest.mark.parametrize("way", ["served", "program"])
@pytest.mark.parametrize("kind", ["whole", "little"])
def test_not_a_file_is_left_of_all_that_was_made(mac, kind, way):
    if kind == "little":
        mac.run("rm", "-rf", "/etc/wireguard", "/usr/local/bin")
    before = mac.touched()
    named(mac)
    assert mac.touched() - before > {"/etc/wireguard/wg0.conf", f"/{STATE_HOME}", f"/{PROGRAM}"}
    done = mac.pipe(UNINSTALL) if way == "served" else mac.run(f"/{PROGRAM}", "uninstall")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Taking wg0 down\nRemoved from this machine.")
    left = {path for path in mac.touched() - before if not (mac.root / path[1:]).is_dir()}
    assert left == set()
    assert not mac.has_tunnel()
    assert not list((mac.root / "record").glob("loaded.*"))
    assert mac.exists("usr/local/bin") == mac.exists("etc/wireguard") == (kind == "whole")
    assert not mac.exists("record/gnu")


def test_a_tunnel_is_taken_down_even_where_brew_is_gone(mac):
    mac.pipe(mac_script())
    mac.run("rm", "-rf", "/opt/homebrew")
    mac.run("sh", "-c", "(sleep 0.3; rm -f /record/link.utun7) >/dev/null 2>&1 &")
    assert mac.pipe(UNINSTALL).returncode == 0
    assert list((mac.root / "run/wireguard").iterdir()) == []


def test_a_job_is_taken_away_even_when_its_file_or_all_else_is_gone(mac):
    named(mac)
    jobs = {f"wireguard-hub-spoke.{mac.state.name}{kind}" for kind in ("", ".refresh")}
    mac.run("rm", f"/{DAEMONS}/wireguard-hub-spoke.{mac.state.name}.refresh.plist")
    mac.run("rm", "-rf", f"/{STATE_HOME}", "/etc/wireguard/wg0.conf")
    mac.put("record/scutil", "set by an earlier configuration\n")
    assert mac.pipe(UNINSTALL).returncode == 0
    assert not list((mac.root / "record").glob("loaded.*"))
    assert not list((mac.root / DAEMONS).iterdir())
    assert {call.split("/")[-1] for call in mac.calls("launchctl bootout")} == jobs
    assert last_line(mac.read("record/scutil")).startswith("remove ")


def test_a_run_in_progress_is_not_disturbed(mac):
    mac.pipe(mac_script())
    started = mac.run("sh", "-c", "TZ=UTC0 ps -o lstart= -p 1 | tr -cd A-Za-z0-9").stdout.strip()
    (mac.root / STATE_HOME / "lock.0").symlink_to(f"1-{started}")
    done = mac.pipe(UNINSTALL, environment={"TZ": "Asia/Tokyo"})
    assert (done.returncode, mac.configs()) == (4, ["wg0.conf"])


# ---- the pasted commands


@pytest.mark.parametrize("shell", SHELLS)
def test_the_commands_work_as_printed(build_mac, shell):
    for commands in (
        install_commands(URL, TOKEN),
        checked_commands(URL, TOKEN, {"macos": script_sha256(mac_script())}),
    ):
        mac = build_mac(shell)
        serve_script(mac, mac_script())
        done = mac.run("sh", "-c", commands["macos"])
        assert (last_line(done.stdout), done.stderr) == (CONNECTED, "")
        assert "platform=macos" in mac.read("record/urls")
        assert list((mac.root / "tmp").iterdir()) == []
        assert not mac.exists("record/gnu")


def test_the_checked_command_runs_nothing_when_one_byte_differs(mac):
    serve_script(mac, mac_script().replace("mkdir", "mkdiR", 1))
    done = mac.run("sh", "-c", checked_commands(URL, TOKEN, {"macos": script_sha256(mac_script())})["macos"])
    assert done.returncode != 0
    assert not mac.exists(STATE_HOME)
