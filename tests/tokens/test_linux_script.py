"""The Linux script, run for real as root, on throw-away machines whose network tools are stand-ins."""

import json
import re
import shlex
import shutil
import stat
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.tokens.machine import (
    CONNECTED,
    HUB_KEY,
    SHELLS,
    STATE_HOME,
    TOKEN,
    accepted,
    body_of,
    last_line,
    linux_script,
    needs_machine,
)
from tokens.scripts import checked_commands, install_commands, script_sha256

pytestmark = needs_machine
URL = "https://hub.example.com"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


# ---- the good path


@pytest.mark.parametrize("shell", SHELLS)
def test_one_pasted_line_connects_a_machine(build, shell):
    machine = build(shell)
    done = machine.pipe(linux_script())
    assert (done.returncode, done.stderr, last_line(done.stdout)) == (0, "", CONNECTED)
    steps = re.findall(r"^\[(\d)/7\] ", done.stdout, re.MULTILINE)
    assert steps == list("1234567")


def test_the_configuration_is_what_the_hub_wants_and_only_root_reads_it(machine):
    machine.pipe(linux_script())
    key = (machine.state / "private.key").read_text().strip()
    config = machine.root / "etc/wireguard/wg0.conf"
    mark, rest = config.read_text().split("\n", 1)
    assert re.fullmatch(r"# wireguard-hub-spoke [0-9a-f]{16}: web-1", mark)
    assert rest == (
        f"[Interface]\nAddress = 10.0.1.5/24\nPrivateKey = {key}\nMTU = 1420\n\n"
        f"[Peer]\nPublicKey = {HUB_KEY}\nEndpoint = 203.0.113.1:51820\n"
        "AllowedIPs = 10.0.1.0/24\nPersistentKeepalive = 25\n"
    )
    assert mode(config) == 0o600
    assert machine.configs() == ["wg0.conf"]


def test_everything_kept_is_readable_by_root_alone(machine):
    machine.pipe(linux_script())
    assert mode(machine.root / STATE_HOME) == mode(machine.state) == 0o700
    assert {mode(path) for path in machine.state.iterdir()} == {0o600}


def test_nothing_is_left_but_state_and_configuration(machine):
    machine.pipe(linux_script())
    changed = machine.run("find", "/etc", "/var", "/tmp", "/home", "-newer", "/record/routes", "-type", "f")
    assert {path.rpartition("/")[0] for path in changed.stdout.split()} == {
        "/etc/wireguard",
        "/" + str(machine.state.relative_to(machine.root)),
    }
    assert not (machine.state / "request.json").exists()


def test_the_hub_is_sent_the_token_the_public_key_and_the_versions(machine):
    machine.pipe(linux_script())
    (request,) = machine.requests()
    private = (machine.state / "private.key").read_text()
    public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True).stdout
    assert request["token"] == TOKEN
    assert request["publicKey"] == public.strip()
    assert request["os"] == "linux"
    assert set(request["metadata"]) == {"wireguardVersion", "kernelVersion"}
    assert all(request["metadata"].values())


def test_the_request_goes_to_the_hub_by_its_own_scheme_and_follows_no_redirect(machine):
    machine.pipe(linux_script(callback_url="http://203.0.113.1:8000/api/spoke/register"))
    (call,) = machine.calls("curl")
    assert "--proto =http " in call
    assert call.endswith("--url http://203.0.113.1:8000/api/spoke/register")
    assert not re.search(r" -\w*L|--location", call)


def test_under_systemd_the_tunnel_is_a_service(machine):
    machine.put("run/systemd/system/.keep")
    done = machine.pipe(linux_script())
    assert last_line(done.stdout) == CONNECTED
    assert machine.calls("systemctl") == ["systemctl enable wg-quick@wg0", "systemctl restart wg-quick@wg0"]


def test_without_a_service_manager_it_says_what_a_restart_means(machine):
    done = machine.pipe(linux_script())
    assert "after a restart of this machine, run: wg-quick up wg0" in done.stdout


def test_under_openrc_the_tunnel_is_a_service(machine):
    machine.put("run/openrc/softlevel")
    machine.put("etc/init.d/wg-quick")
    (machine.root / "etc/init.d/wg-quick").chmod(0o755)
    machine.put_tool("rc-update")
    machine.put_tool("rc-service", 'wg-quick up "${1#*.}"')
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED
    assert machine.calls("rc-") == ["rc-update add wg-quick.wg0 default", "rc-service wg-quick.wg0 restart"]


def test_what_the_hub_says_now_wins_over_what_the_script_was_issued_with(machine):
    answer = accepted(endpoint="hub.example.org:443", publicKey=HUB_KEY.lower(), mtu=1280, persistentKeepalive=0)
    machine.answers(json.dumps(answer, indent=3))
    done = machine.pipe(linux_script())
    config = machine.read("etc/wireguard/wg0.conf")
    assert "Endpoint = hub.example.org:443\n" in config
    assert f"PublicKey = {HUB_KEY.lower()}\n" in config
    assert "MTU = 1280\n" in config
    assert "PersistentKeepalive = 0\n" in config
    assert last_line(done.stdout).endswith("hub hub.example.org:443.")


def test_the_order_of_the_answers_keys_does_not_matter(machine):
    answer = accepted()
    machine.answers(dict(reversed(answer.items())) | {"hub": dict(reversed(answer["hub"].items()))})
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED


def test_a_proxmox_node_joins_as_one_by_the_linux_command_too(machine):
    machine.put_tool("pveversion", "echo pve-manager/8.2.4/faa83925c9641325")
    done = machine.pipe(linux_script())
    assert "This is a Proxmox VE node and joins as one." in done.stdout
    assert machine.requests()[0]["os"] == "proxmox"


# ---- nothing happens by halves


@pytest.mark.parametrize("shell", SHELLS)
def test_a_download_cut_at_any_place_does_nothing(build, shell):
    machine = build(shell)
    script = linux_script()
    machine.put("script", script)
    before = machine.touched()
    cuts = [*range(0, len(script), 2500), *range(len(script) - 50, len(script) - 1)]
    loop = f"for cut in {' '.join(map(str, cuts))}; do head -c $cut /script | sh; done >/dev/null 2>&1"
    machine.run("sh", "-c", loop)
    assert machine.touched() == before
    assert machine.calls() == []
    machine.run("sh", "-c", "sh </script")
    assert machine.touched() - before > {"/etc/wireguard/wg0.conf"}


def test_a_wrong_word_gets_the_usage_and_keeps_the_script(machine):
    done = machine.run("sh", "-s", "remove", text=linux_script())
    assert done.returncode == 2
    saved = re.match(r"Usage: sh (\S+) install ", done.stderr)[1]
    assert last_line(machine.run("sh", saved, "install").stdout) == CONNECTED


# ---- machines that are not fit


def test_a_network_that_the_machine_already_uses_is_refused_by_name(machine):
    machine.uses("10.9.9.9/24", "10.0.0.0/16 via 10.9.9.1 dev tun0 metric 50")
    done = machine.pipe(linux_script())
    assert done.returncode == 3
    assert last_line(done.stderr) == (
        "Stopped: The hub's network 10.0.1.0/24 overlaps 10.0.0.0/16 on tun0, which this machine already uses."
    )
    assert machine.calls("curl") == machine.configs() == []


def test_a_machine_whose_networks_cannot_be_read_is_refused(machine):
    machine.put_tool("ip", "case $* in *route* | 'link show'*) exit 1 ;; esac")
    done = machine.pipe(linux_script())
    assert (done.returncode, machine.calls("curl")) == (3, [])
    assert last_line(done.stderr) == "Stopped: The addresses and routes of this machine could not be read."


def test_a_foreign_configuration_is_left_alone_and_the_next_interface_taken(machine):
    machine.put("etc/wireguard/wg0.conf", "[Interface]\n# somebody else's\n")
    done = machine.pipe(linux_script())
    assert last_line(done.stdout) == "Connected: web-1 is 10.0.1.5 on wg1, hub 203.0.113.1:51820."
    assert machine.read("etc/wireguard/wg0.conf") == "[Interface]\n# somebody else's\n"


def test_a_foreign_interface_without_a_file_is_left_alone_too(machine):
    machine.put("record/link.wg0")
    assert " on wg1, " in last_line(machine.pipe(linux_script()).stdout)
    assert machine.exists("record/link.wg0")


def test_a_spoke_of_another_hub_is_foreign(machine):
    machine.pipe(linux_script())
    before = machine.read("etc/wireguard/wg0.conf")
    machine.answers(accepted(networkCIDR="10.7.0.0/16") | {"allowedIPs": ["10.7.0.9/16"]})
    another = HUB_KEY.swapcase()
    done = machine.pipe(linux_script(token=TOKEN[::-1], network_cidr="10.7.0.0/16", hub_public_key=another))
    assert last_line(done.stdout) == "Connected: web-1 is 10.7.0.9 on wg1, hub 203.0.113.1:51820."
    assert machine.read("etc/wireguard/wg0.conf") == before


def test_ten_taken_interfaces_are_one_clear_line(machine):
    for number in range(10):
        machine.put(f"etc/wireguard/wg{number}.conf")
    done = machine.pipe(linux_script())
    assert (done.returncode, last_line(done.stderr)) == (3, "Stopped: wg0 to wg9 are all taken on this machine.")


def test_a_kernel_without_wireguard_is_found_out_before_the_hub_hears_of_the_machine(machine):
    machine.put("record/old-kernel")
    machine.put_tool("uname", "case $1 in -s) echo Linux ;; *) echo 4.19.0-27-amd64 ;; esac")
    machine.hide("wireguard-go")
    done = machine.pipe(linux_script())
    assert done.returncode == 3
    assert "This kernel has no WireGuard (4.19.0-27-amd64): update it" in last_line(done.stderr)
    assert machine.calls("curl") == []


def test_wireguard_in_user_space_is_good_enough(machine):
    machine.put("record/old-kernel")
    machine.put_tool("wireguard-go")
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED


@pytest.mark.parametrize("network", ["10.0.1.0", "$(reboot)"])
def test_a_network_that_is_none_is_refused(machine, network):
    done = machine.pipe(linux_script(network_cidr=network))
    assert done.returncode == 3
    assert "is not an IPv4 network" in last_line(done.stderr)


# ---- packages

TOOLS_ARRIVE = "mv /later/* /usr/sbin/"


def without_wireguard(machine):
    machine.run("sh", "-c", "mkdir /later && cp /usr/sbin/wg /usr/sbin/wg-quick /later/ && cp /usr/bin/wg /bin/real-wg")
    machine.run("sed", "-i", "s|/usr/bin/wg|/bin/real-wg|", "/later/wg")
    machine.hide("wg")
    machine.hide("wg-quick")
    for manager in ("apt-get", "dnf", "yum", "zypper", "pacman", "apk"):
        machine.hide(manager)


@pytest.mark.parametrize("manager", ["apt-get", "dnf", "yum", "zypper", "pacman", "apk"])
def test_missing_tools_are_installed_and_nothing_else_is_touched(machine, manager):
    without_wireguard(machine)
    machine.put_tool(manager, f"case $* in --version) ;; *) {TOOLS_ARRIVE} ;; esac")
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED
    (call,) = (call for call in machine.calls(manager) if "--version" not in call)
    assert call.endswith(" wireguard-tools")
    assert "upgrade" not in call.replace("--no-upgrade", "")


def test_apt_asks_nothing_and_refreshes_its_lists_only_when_it_has_to(machine):
    without_wireguard(machine)
    machine.put_tool("apt-get", f"case $1 in update) : >/fresh ;; *) [ -e /fresh ] && {TOOLS_ARRIVE} ;; esac")
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED
    assert [call.split()[1] for call in machine.calls("apt-get")] == ["install", "update", "install"]
    assert "DEBIAN_FRONTEND=noninteractive" in machine.read("record/environments")


def test_packages_that_cannot_be_installed_are_one_line_that_says_what_to_do(machine):
    without_wireguard(machine)
    machine.put_tool("apt-get", "echo 'E: no such luck'; exit 100")
    done = machine.pipe(linux_script())
    assert done.returncode == 5
    assert last_line(done.stderr) == (
        "Stopped: apt-get could not install wireguard-tools (E: no such luck): install it by hand, then try again."
    )
    assert "E: no such luck" in (machine.state / "install.log").read_text()
    assert machine.calls("curl") == []


def test_a_machine_with_the_tools_asks_no_package_manager(machine):
    machine.put_tool("apt-get")
    machine.pipe(linux_script())
    assert machine.calls("apt-get") == []


# ---- the hub refuses, fails, or talks nonsense


def test_a_refusal_is_told_in_the_hubs_own_words_without_control_characters(machine):
    refusal = {
        "code": "TOKEN_EXPIRED",
        "error": "This token\x1b[31m has \u009bexpired.\n",
        "recoveryHint": 'Issue a "new" one.',
    }
    machine.answers((410, json.dumps(refusal)), (410, json.dumps(refusal, ensure_ascii=False)))
    done = machine.pipe(linux_script())
    assert done.returncode == 6
    assert last_line(done.stderr) == 'Stopped: The hub refused: This token [31m has ?expired.  Issue a "new" one.'
    done = machine.run_again()
    assert last_line(done.stderr) == 'Stopped: The hub refused: This token [31m has  expired.  Issue a "new" one.'
    assert machine.configs() == machine.calls("wg-quick") == []


@pytest.mark.parametrize("body", ["<html>Not found</html>", '{"error": 5'])
def test_a_refusal_without_words_is_told_by_its_status(machine, body):
    machine.answers((404, body))
    done = machine.pipe(linux_script())
    assert (done.returncode, last_line(done.stderr)) == (6, "Stopped: The hub refused with status 404.")


def test_a_hub_that_is_not_ready_is_asked_again_the_same(machine):
    machine.answers((503, ""), accepted())
    done = machine.pipe(linux_script())
    assert last_line(done.stdout) == CONNECTED
    first, second = machine.requests()
    assert first == second


def test_a_hub_that_stays_away_is_given_up_and_the_next_run_uses_the_same_key(machine):
    machine.answers(("000", ""), accepted())
    done = machine.pipe(linux_script(), environment={"WIREGUARD_HUB_RETRY_SECONDS": "0"})
    assert done.returncode == 6
    assert last_line(done.stderr) == (
        "Stopped: The hub could not be reached at https://hub.example.com/api/spoke/register"
        " (curl: (7) no route to the hub)."
    )
    told = re.search(r"To try again as root: (sh \S+ resume)", done.stderr)[1]
    assert last_line(machine.run(*told.split()).stdout) == CONNECTED
    first, second = machine.requests()
    assert first == second


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{}",
        "<html>please sign in</html>",
        '{"success": true',
        accepted(endpoint="203.0.113.1:51820\nPostUp = touch /tmp/x"),
        accepted(endpoint="hub;reboot:51820"),
        accepted(publicKey="$(touch /tmp/x)"),
        accepted(networkCIDR="10.0.1.0/24, 0.0.0.0/0"),
        accepted(mtu="1420\nPostUp = touch /tmp/x"),
        accepted(dns=["1.1.1.1; touch /tmp/x"]),
        accepted(dnsDomains=["a.example && touch /tmp/x"]),
        accepted() | {"allowedIPs": ["10.0.1.5"]},
        accepted() | {"success": False},
    ],
    ids=lambda answer: answer[:12] if isinstance(answer, str) else None,
)
def test_an_answer_that_makes_no_sense_changes_nothing(machine, answer):
    machine.answers(answer)
    done = machine.pipe(linux_script())
    assert done.returncode == 6
    assert "makes no sense here" in last_line(done.stderr)
    assert machine.configs() == machine.calls("wg-quick") == []


def test_a_network_that_overlaps_only_in_the_hubs_answer_is_refused_too(machine):
    machine.answers(accepted(networkCIDR="10.9.0.0/16"))
    done = machine.pipe(linux_script())
    assert (done.returncode, machine.configs()) == (3, [])
    assert "10.9.0.0/16 overlaps 10.9.9.9/24 on eth0" in last_line(done.stderr)


# ---- no handshake


def test_without_a_handshake_it_says_what_is_registered_and_where_to_look(machine):
    machine.put("record/silent-hub")
    done = machine.pipe(linux_script())
    assert done.returncode == 7
    told = last_line(done.stderr)
    assert told.startswith("Stopped: Registered web-1 as 10.0.1.5 on wg0, but no handshake with 203.0.113.1:51820: ")
    assert "look whether UDP to port 51820 is blocked" in told
    assert machine.exists("record/link.wg0")


def test_a_hub_that_has_not_applied_the_peer_is_named_as_the_cause(machine):
    machine.put("record/silent-hub")
    machine.answers(accepted() | {"peerApplied": False})
    done = machine.pipe(linux_script())
    assert done.returncode == 7
    assert "the hub has not applied this machine yet" in last_line(done.stderr)


def test_a_handshake_that_comes_late_is_waited_for(machine):
    machine.put("record/silent-hub")
    running = machine.start("sh", environment={"WIREGUARD_HUB_HANDSHAKE_SECONDS": "20"})
    running.stdin.write(linux_script())
    running.stdin.close()
    wait_until(lambda: machine.calls("wg show"))
    machine.put("record/handshake.wg0", f"hub\t{int(time.time())}\n")
    assert running.wait(60) == 0
    assert last_line(running.stdout.read()) == CONNECTED
    running.stdout.close(), running.stderr.close()


def test_a_tunnel_that_does_not_start_is_told(machine):
    machine.put("record/broken-tunnel")
    done = machine.pipe(linux_script())
    assert done.returncode == 7
    assert last_line(done.stderr) == "Stopped: This machine is registered, but wg0 did not start."


# ---- again


def test_a_second_run_on_a_connected_machine_says_so_and_changes_nothing(machine):
    machine.pipe(linux_script())
    before = machine.read("etc/wireguard/wg0.conf"), len(machine.calls("wg-quick")), len(machine.requests())
    done = machine.run_again()
    assert (done.returncode, done.stderr) == (0, "")
    assert last_line(done.stdout) == (
        "Already connected: web-1 is 10.0.1.5 on wg0, hub 203.0.113.1:51820. Nothing was changed."
    )
    assert before == (machine.read("etc/wireguard/wg0.conf"), len(machine.calls("wg-quick")), len(machine.requests()))


def test_a_downloaded_script_run_twice_is_one_registration(machine):
    machine.put("script.sh", linux_script())
    machine.run("sh", "/script.sh")
    assert last_line(machine.run("sh", "/script.sh").stdout).startswith("Already connected")
    assert len(machine.requests()) == 1


def test_a_tunnel_that_is_dead_is_set_up_again_with_the_same_key(machine):
    machine.pipe(linux_script())
    machine.put("record/handshake.wg0", f"hub\t{int(time.time()) - 400}\n")
    machine.answers(accepted(endpoint="198.51.100.7:51820"))
    assert last_line(machine.run_again().stdout).endswith("hub 198.51.100.7:51820.")
    first, second = machine.requests()
    assert first == second
    assert machine.configs() == ["wg0.conf"]


def test_our_own_tunnel_is_no_overlap(machine):
    machine.pipe(linux_script())
    machine.uses("10.9.9.9/24", "10.0.1.0/24 dev wg0 proto kernel scope link src 10.0.1.5")
    machine.put("record/handshake.wg0", "hub\t0\n")
    machine.put("record/addresses", "5: wg0    inet 10.0.1.5/24 scope global wg0\n")
    assert last_line(machine.run_again().stdout) == CONNECTED


# ---- two at once, and interruptions


def start_and_wait_for_the_hub(machine):
    machine.put("record/slow-hub")
    running = machine.start("sh", start_new_session=True)
    running.stdin.write(linux_script())
    running.stdin.close()
    wait_until(machine.requests)
    return running


def finish(running):
    code = running.wait(60)
    output = running.stdout.read(), running.stderr.read()
    running.stdout.close(), running.stderr.close()
    return code, *output


def test_two_runs_at_once_exclude_each_other(machine):
    running = start_and_wait_for_the_hub(machine)
    other = machine.run_again()
    (machine.root / "record/slow-hub").unlink()
    assert other.returncode == 4
    assert re.fullmatch(
        r"Stopped: Another run \(process \d+\) is in progress on this machine\.", last_line(other.stderr)
    )
    assert finish(running)[0] == 0
    assert not list((machine.root / STATE_HOME).glob("lock.*"))


def test_a_killed_run_blocks_nobody(machine):
    running = start_and_wait_for_the_hub(machine)
    running.kill()
    finish(running)
    (machine.root / "record/slow-hub").unlink()
    assert list((machine.root / STATE_HOME).glob("lock.*"))
    assert last_line(machine.run_again().stdout) == CONNECTED
    assert len({request["publicKey"] for request in machine.requests()}) == 1


def test_a_lock_of_a_process_id_that_now_belongs_to_another_blocks_nobody(machine):
    (machine.root / STATE_HOME).mkdir()
    (machine.root / STATE_HOME / "lock.0").symlink_to("1-12345678")
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("signal", "code"), [("TERM", 143), ("INT", 130)])
def test_an_interrupted_run_takes_back_what_it_made_and_can_be_run_again(build, shell, signal, code):
    machine = build(shell)
    machine.put("record/silent-hub")
    machine.put("run/systemd/system/.keep")
    running = machine.start("sh", environment={"WIREGUARD_HUB_HANDSHAKE_SECONDS": "20"})
    running.stdin.write(linux_script())
    running.stdin.close()
    wait_until(lambda: machine.calls("wg show"))
    machine.run("kill", f"-{signal}", str(running.pid))
    ended, _output, errors = finish(running)
    assert (ended, last_line(errors)) == (code, "Stopped: Interrupted; what this run made is undone.")
    assert machine.configs() == []
    assert not machine.exists("record/link.wg0")
    assert "systemctl disable --now wg-quick@wg0" in machine.calls("systemctl")
    (machine.root / "record/silent-hub").unlink()
    assert last_line(machine.run_again().stdout) == CONNECTED
    first, second = machine.requests()
    assert first == second


def test_an_interrupted_repair_leaves_the_tunnel_that_was_there(machine):
    machine.pipe(linux_script())
    machine.put("record/silent-hub")
    machine.put("record/handshake.wg0", "hub\t0\n")
    before = len(machine.calls("wg show"))
    command = ("sh", f"/{machine.saved_copy}", "install")
    running = machine.start(*command, environment={"WIREGUARD_HUB_HANDSHAKE_SECONDS": "20"})
    wait_until(lambda: len(machine.calls("wg show")) > before + 1)
    machine.run("kill", "-TERM", str(running.pid))
    running.stdin.close()
    assert finish(running)[0] == 143
    assert machine.configs() == ["wg0.conf"]
    assert machine.exists("record/link.wg0")


# ---- becoming root


def pipe_as_nobody(machine, elevate, **options):
    """Run the script as an ordinary user; what its sudo or doas was asked to do is done as root by us."""
    machine.put("record/requested")
    (machine.root / "record/requested").chmod(0o666)
    machine.put_tool(
        elevate,
        "printf '%s\\n' \"$*\" >/record/requested\n"
        "while [ ! -e /record/done ]; do sleep 0.05; done\nexit $(cat /record/done)",
    )
    running = machine.start("sh", user=65534, **options)
    running.stdin.write(linux_script())
    running.stdin.close()
    wait_until(lambda: machine.read("record/requested").endswith("\n"))
    return running, machine.read("record/requested").split()


@pytest.mark.parametrize("elevate", ["sudo", "doas"])
def test_a_user_goes_on_through_sudo_or_doas(machine, elevate):
    running, asked = pipe_as_nobody(machine, elevate)
    assert asked[0] == "sh"
    assert asked[2] == "install"
    assert mode(machine.root / asked[1][1:]) == 0o600
    done = machine.run(*asked)
    assert last_line(done.stdout) == CONNECTED
    machine.put("record/done", "0")
    assert finish(running)[0] == 0
    assert not machine.exists(asked[1][1:])
    assert not list((machine.root / "tmp").glob("wireguard-hub-spoke.*"))


def test_a_users_exit_code_is_that_of_the_elevated_run(machine):
    running, _asked = pipe_as_nobody(machine, "sudo")
    machine.put("record/done", "6")
    assert finish(running)[0] == 6


def test_a_refused_password_loses_no_token(machine):
    running, asked = pipe_as_nobody(machine, "sudo")
    machine.put("record/done", "1")
    code, _output, errors = finish(running)
    assert code == 3
    assert last_line(errors) == (
        "Stopped: This needs root, and sudo did not give it. The token is saved: become root and finish with: "
        f"sh {asked[1]} install"
    )
    assert last_line(machine.run("sh", asked[1], "install").stdout) == CONNECTED


@pytest.mark.parametrize("shell", SHELLS)
def test_an_interrupt_at_the_password_prompt_loses_no_token(build, shell):
    machine = build(shell)
    running, asked = pipe_as_nobody(machine, "sudo")
    machine.run("kill", "-INT", str(running.pid))
    machine.put("record/done", "1")
    code, _output, errors = finish(running)
    assert code == 3
    assert last_line(errors).endswith(f"finish with: sh {asked[1]} install")


@pytest.mark.parametrize("shell", SHELLS)
def test_without_sudo_and_doas_it_says_how_to_finish_with_the_saved_copy(build, shell):
    machine = build(shell)
    machine.hide("sudo")
    machine.hide("doas")
    done = machine.pipe(linux_script(), user=65534)
    assert done.returncode == 3
    assert "neither sudo nor doas is here" in last_line(done.stderr)
    finishing = re.search(r"finish with: (sh \S+ install)$", last_line(done.stderr))[1]
    assert last_line(machine.run(*finishing.split()).stdout) == CONNECTED
    assert list((machine.root / "tmp").iterdir()) == []


def test_a_user_who_runs_the_saved_copy_is_told_to_become_root(machine):
    machine.put("tmp/body.sh", body_of(linux_script()))
    done = machine.run("sh", "/tmp/body.sh", "install", user=65534)
    assert (done.returncode, last_line(done.stderr)) == (
        3,
        "Stopped: This needs root: become root and run: sh /tmp/body.sh install",
    )


# ---- secrets and hostile values


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("shell", SHELLS)
def test_no_process_ever_sees_token_or_private_key_in_arguments_or_environment(build, shell):
    machine = build(shell)
    machine.put("script.sh", linux_script())
    leaky = dict.fromkeys(["TOKEN", "PRIVATE_KEY", "key", "request", "value", "id", "SPOKE_NAME"], "exported")
    strace = ["strace", "-f", "-v", "-s", "65536", "-e", "trace=execve", "-o", "/trace"]
    done = machine.run(*strace, "sh", "/script.sh", environment=leaky)
    assert last_line(done.stdout) == CONNECTED
    trace = machine.read("trace")
    assert trace.count("execve(") > 50
    assert "TOKEN=exported" in trace
    assert TOKEN not in trace
    assert (machine.state / "private.key").read_text().strip() not in trace


def test_neither_log_nor_output_holds_a_secret(machine):
    done = machine.pipe(linux_script())
    told = done.stdout + done.stderr + (machine.state / "install.log").read_text()
    assert TOKEN not in told
    assert (machine.state / "private.key").read_text().strip() not in told


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "name",
    [
        "web'; touch /pwned; '\"; touch /pwned; \"$(touch /pwned)`touch /pwned`\\",
        "n\u00e4me \u2018\u540d\u2019 # [Peer]",
    ],
)
def test_hostile_values_stay_plain_text(build, shell, name):
    machine = build(shell)
    done = machine.pipe(linux_script(spoke_name=name, token=name))
    assert last_line(done.stdout) == f"Connected: {name} is 10.0.1.5 on wg0, hub 203.0.113.1:51820."
    assert machine.requests()[0]["token"] == name.encode("ascii", "ignore").decode()
    assert machine.read("etc/wireguard/wg0.conf").splitlines()[0].endswith(f": {name}")
    assert not machine.exists("pwned")


@pytest.mark.parametrize("field", ["hub_endpoint", "hub_public_key", "spoke_ip", "network_cidr", "callback_url"])
def test_a_hostile_value_goes_into_no_command_and_no_file(machine, field):
    machine.answers({"success": True})
    done = machine.pipe(linux_script(**{field: "$(touch /pwned); touch /pwned"}))
    assert done.returncode in {3, 6}
    assert not machine.exists("pwned")
    assert machine.configs() == []


# ---- DNS


def dns_lines(machine):
    return [line for line in machine.read("etc/wireguard/wg0.conf").splitlines() if re.match("DNS|Post|Pre[DU]", line)]


def test_dns_is_left_alone_unless_asked_for(machine):
    machine.put_tool("resolvconf")
    machine.pipe(linux_script())
    assert dns_lines(machine) == []


def test_dns_goes_to_systemd_resolved_for_the_given_domains_only(machine):
    machine.put_tool("resolvectl")
    machine.put("run/systemd/resolve/stub-resolv.conf")
    machine.answers(accepted(dns=["10.0.1.1", "fd00::1"], dnsDomains=["corp.example"]))
    assert last_line(machine.pipe(linux_script()).stdout) == CONNECTED
    assert dns_lines(machine) == [
        "PostUp = resolvectl dns %i 10.0.1.1 fd00::1 && resolvectl domain %i ~corp.example || true",
        "PreDown = resolvectl revert %i || true",
    ]


def test_dns_without_domains_is_for_all_names(machine):
    machine.put_tool("resolvectl")
    machine.put("run/systemd/resolve/stub-resolv.conf")
    machine.answers(accepted(dns=["10.0.1.1"]))
    machine.pipe(linux_script())
    assert dns_lines(machine)[0] == "PostUp = resolvectl dns %i 10.0.1.1 && resolvectl domain %i ~. || true"


def test_dns_goes_to_resolvconf_where_resolved_does_not_run(machine):
    machine.put_tool("resolvconf")
    machine.answers(accepted(dns=["1.1.1.1", "8.8.8.8"]))
    machine.pipe(linux_script())
    assert dns_lines(machine) == ["DNS = 1.1.1.1,8.8.8.8"]


def test_dns_that_cannot_be_undone_is_skipped_with_a_notice(machine):
    machine.hide("resolvconf")
    machine.answers(accepted(dns=["1.1.1.1"]))
    done = machine.pipe(linux_script())
    assert "DNS is left as it is" in done.stdout
    assert (last_line(done.stdout), dns_lines(machine)) == (CONNECTED, [])


def test_the_issued_dns_counts_when_the_hub_does_not_mention_any(machine):
    machine.put_tool("resolvconf")
    answer = accepted()
    del answer["hub"]["dns"]
    machine.answers(answer)
    machine.pipe(linux_script(dns_servers=["9.9.9.9"]))
    assert dns_lines(machine) == ["DNS = 9.9.9.9"]


# ---- the commands that are pasted

SERVE = r"""
for word; do url=$word; done
printf '%s\n' "$url" >>/record/urls
file=/dev/stdout
while [ $# -gt 0 ]; do
    [ "$1" != -o ] || file=$2
    shift
done
cat /script >"$file"
"""


def serve_script(machine, script):
    """A curl that fetches the script, and after that is the usual stand-in."""
    machine.run("mv", "/usr/sbin/curl", "/usr/sbin/curl-register")
    machine.put("script", script)
    machine.put_tool("curl", 'case $* in *--data-binary*) exec curl-register "$@" ;; esac\n' + SERVE)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_install_command_works_as_printed(build, shell):
    machine = build(shell)
    serve_script(machine, linux_script())
    done = machine.run("sh", "-c", install_commands(URL, TOKEN)["linux"])
    assert last_line(done.stdout) == CONNECTED
    assert machine.read("record/urls") == f"{URL}/api/installation/script/{TOKEN}?platform=linux\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_checked_command_works_as_printed_and_leaves_no_download(build, shell):
    machine = build(shell)
    script = linux_script()
    serve_script(machine, script)
    done = machine.run("sh", "-c", checked_commands(URL, TOKEN, {"linux": script_sha256(script)})["linux"])
    assert last_line(done.stdout) == CONNECTED
    assert machine.read("record/urls").endswith(f"&sha256={script_sha256(script)}\n")
    assert list((machine.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_the_checked_command_runs_nothing_when_one_byte_differs(machine, place):
    script = linux_script()
    position = int(place * len(script)) if place >= 0 else len(script) - 1
    changed = script[:position] + "\x0c" + script[position + 1 :]
    serve_script(machine, changed)
    done = machine.run("sh", "-c", checked_commands(URL, TOKEN, {"linux": script_sha256(script)})["linux"])
    assert done.returncode != 0
    assert [call.split()[0] for call in machine.calls()] == ["curl"]
    assert not machine.exists(STATE_HOME)


def test_a_failed_download_runs_nothing(machine):
    machine.put_tool("curl", "echo 'curl: (22) 410' >&2; exit 22")
    done = machine.run("sh", "-c", install_commands(URL, TOKEN)["linux"])
    assert "410" in done.stderr
    assert not machine.exists(STATE_HOME)


# ---- real curl and wget against a real server


class Hub(BaseHTTPRequestHandler):
    """Answers each POST with the next of the server's `answers`."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers["Content-Type"], json.loads(body)))
        status, headers, answer = self.server.answers.pop(0)
        self.send_response(status)
        for header in headers.items():
            self.send_header(*header)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.seen, server.answers = [], []
    server.url = f"http://127.0.0.1:{server.server_port}/api/spoke/register"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def machine_with(build, client):
    machine = build("busybox" if client == "busybox" else "dash", network=True)
    if client != "curl":
        machine.hide("curl")
    if client == "busybox":
        (machine.root / "usr/sbin/wget").symlink_to(shutil.which("busybox"))
    elif client == "wget" and not shutil.which("wget"):
        pytest.skip("wget is not installed")
    return machine


@pytest.mark.parametrize("client", ["curl", "wget", "busybox"])
def test_real_clients_register(build, hub, client):
    machine = machine_with(build, client)
    hub.answers = [(201, {}, json.dumps(accepted()).encode())]
    done = machine.pipe(linux_script(callback_url=hub.url))
    assert (last_line(done.stdout), done.stderr) == (CONNECTED, "")
    ((path, content_type, request),) = hub.seen
    assert (path, content_type, request["token"]) == ("/api/spoke/register", "application/json", TOKEN)


@pytest.mark.parametrize("client", ["curl", "wget", "busybox"])
def test_real_clients_ask_a_hub_that_is_not_ready_again(build, hub, client):
    machine = machine_with(build, client)
    hub.answers = [(429, {"Retry-After": "1"}, b"")]
    done = machine.pipe(linux_script(callback_url=hub.url), environment={"WIREGUARD_HUB_RETRY_SECONDS": "0"})
    assert done.returncode == 6
    assert "could not be reached" in last_line(done.stderr)
    assert "(status 429)" in last_line(done.stderr)


@pytest.mark.parametrize("client", ["curl", "wget", "busybox"])
def test_real_clients_tell_a_refusal(build, hub, client):
    machine = machine_with(build, client)
    hub.answers = [(410, {}, b'{"error": "This token has been used.", "recoveryHint": "Reissue it."}')]
    done = machine.pipe(linux_script(callback_url=hub.url))
    assert done.returncode == 6
    # Busybox keeps the body of a refusal to itself.
    words = "with status 410." if client == "busybox" else ": This token has been used. Reissue it."
    assert last_line(done.stderr) == f"Stopped: The hub refused{' ' if client == 'busybox' else ''}{words}"


@pytest.mark.parametrize("client", ["curl", "wget"])
def test_real_clients_follow_no_redirect(build, hub, client):
    machine = machine_with(build, client)
    hub.answers = [(302, {"Location": "/elsewhere"}, b"")]
    done = machine.pipe(linux_script(callback_url=hub.url))
    assert done.returncode == 6
    assert [path for path, *_ in hub.seen] == ["/api/spoke/register"]


def test_a_curlrc_of_who_asks_rules_nothing(build, hub):
    machine = machine_with(build, "curl")
    machine.put("tmp/.curlrc", "trace-ascii = /tmp/trace\nfail\nlocation\n")
    hub.answers = [(410, {}, b'{"error": "This token has been used."}')]
    done = machine.pipe(linux_script(callback_url=hub.url), environment={"HOME": "/tmp"})
    assert last_line(done.stderr).startswith("Stopped: The hub refused: This token has been used.")
    assert not machine.exists("tmp/trace")


def test_a_hub_that_cannot_be_reached_is_told_by_the_real_curl(build):
    machine = machine_with(build, "curl")
    done = machine.pipe(
        linux_script(callback_url="http://127.0.0.1:9/api"), environment={"WIREGUARD_HUB_RETRY_SECONDS": "0"}
    )
    assert done.returncode == 6
    assert "http://127.0.0.1:9/api (curl: (7) " in last_line(done.stderr)


# ---- the small functions, one by one


def ask(shell, *commands):
    """Define the body's functions in a shell and run commands there; return the lines they print."""
    definitions = body_of(linux_script()).rpartition('main "$@"')[0]
    script = "\n".join([definitions, *commands])
    done = subprocess.run([*SHELLS[shell]], input=script, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


BAD_IPV4 = ["", "10.0.1", "10.0.1.5.", "1.2.3.256", "01.2.3.4", "1..2.3", "a.b.c.d", "1.2.3.4 ", "1.2.3.4.5"]
BAD_CIDR = ["", "10.0.1.0", "10.0.1.0/33", "10.0.1.0/", "/24", "10.0.1.0/024", "1.2.3.4/24/8", "1.2.3.256/8"]
BAD_IPV6 = ["g::1", "a:b", ":", ":::", "1::2::3", "12345::", ":1::", "1::2:", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9"]
BAD_IPV6 += ["1:2:3:4::5:6:7:8", "::1%eth0", "::ffff:1.2.3.4", "fd00:: "]
BAD_ENDPOINT = [
    "",
    "hub",
    "hub:",
    ":5",
    "hub:0x5",
    "hub:65536",
    "hub:1:2",
    "[hub]:1",
    "[::1:5",
    "h b:1",
    "-h:1",
    "[]:1",
]
BAD_KEY = ["", HUB_KEY[:-1], HUB_KEY + "=", HUB_KEY.replace("T", " "), HUB_KEY[:-1] + "A"]
FORMATS = {  # function: (what it lets through, what it does not)
    "is_ipv4": (["10.0.1.5", "0.0.0.0", "255.255.255.255"], BAD_IPV4),
    "is_cidr": (["10.0.1.0/24", "10.0.0.0/8", "1.2.3.4/32", "0.0.0.0/0"], BAD_CIDR),
    "is_address": (["1.1.1.1", "fd00::1", "::1"], ["", "1.1.1", "1.1.1.1;x", "fd00", *BAD_IPV6]),
    "is_ipv6": (
        ["::", "::1", "1::", "1:2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "2001:db8::A:b", "1:2:3:4:5:6:7::"],
        BAD_IPV6,
    ),
    "is_cidr6": (
        ["fd00::/64", "::/0", "fd00::5/128"],
        ["", "fd00::", "fd00::/129", "fd00::/064", "10.0.1.0/24", "x::/64"],
    ),
    "is_domain": (["example.com", "a", "x_y-z.example"], ["", "-a", "a b", "a;b", "~a", "\u00e4.example"]),
    "is_endpoint": (["203.0.113.1:51820", "hub.example.com:1", "[2001:db8::1]:51820"], BAD_ENDPOINT),
    "is_key": ([HUB_KEY], BAD_KEY),
    "each is_address": (["", "1.1.1.1 8.8.8.8 ", "fd00::1"], ["*", "1.1.1.1 x", "1.1.1.1;8.8.8.8"]),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_values_are_checked_by_their_form(shell):
    cases = [
        (name, value, word)
        for name, forms in FORMATS.items()
        for word, values in zip(["yes", "no"], forms, strict=True)
        for value in values
    ]
    commands = [f"if {name} {shlex.quote(value)}; then echo yes; else echo no; fi" for name, value, _ in cases]
    assert list(zip(cases, ask(shell, *commands), strict=True)) == [(case, case[2]) for case in cases]


@pytest.mark.parametrize("shell", SHELLS)
def test_only_an_answer_that_may_change_is_asked_for_again(shell):
    commands = [f"is_final {status} && echo {status}" for status in ["000", 200, 201, 302, 404, 410, 429, 500, 503]]
    assert ask(shell, *commands, ":") == ["200", "201", "302", "404", "410"]


def address(text):
    return f"2: eth0    inet {text} brd 1.2.3.4 scope global eth0\\       valid_lft forever preferred_lft forever"


OVERLAPS = {
    address("10.0.1.77/24"): "10.0.1.77/24 eth0",
    address("10.0.1.77/32"): "10.0.1.77/32 eth0",
    address("10.0.0.9/8"): "10.0.0.9/8 eth0",
    address("10.9.9.9 peer 10.0.1.1/32"): "10.0.1.1/32 eth0",
    "10.0.0.0/16 via 10.9.9.1 dev tun0 metric 50": "10.0.0.0/16 tun0",
    "10.0.1.128/25 dev docker0 proto kernel scope link src 10.0.1.129": "10.0.1.128/25 docker0",
    "10.0.1.200 via 10.9.9.1 dev eth0": "10.0.1.200 eth0",
    "10.0.1.255 nhid 5 via 10.9.9.1 dev eth0": "10.0.1.255 eth0",
    "10.0.1.0/24 proto bgp metric 20 ": "10.0.1.0/24",
    "blackhole 10.0.0.0/15 proto bird": "10.0.0.0/15",
    "local 10.0.1.1 dev lo table local proto kernel scope host": "10.0.1.1 lo",
    address("10.9.9.9/24"): "",
    address("10.0.2.1/23"): "",
    "default via 10.9.9.1 dev eth0 proto dhcp": "",
    "0.0.0.0/0 dev eth0": "",
    "0.0.0.0/1 via 10.8.0.1 dev tun0": "",
    "10.0.0.0/24 dev eth1": "",
    "10.0.2.0/24 dev eth1": "",
    "10.0.0.255 dev eth1": "",
    "100.0.1.0/24 dev eth1": "",
    "210.0.1.0/24 dev eth1": "",
    "unreachable default metric 4278198272": "",
    "10.0.1.0/24 dev wg0 proto kernel scope link src 10.0.1.5": "",
    "2: eth0    inet6 fd00::1/64 scope global": "",
    "fd00::/8 dev eth0": "",
}

OVERLAPS6 = {
    "2: eth0    inet6 fd00:10:0:1::1/64 scope global": "fd00:10:0:1::1/64 eth0",
    "2: eth0    inet6 FD00:10:0:1:FFFF::1/128 scope global": "FD00:10:0:1:FFFF::1/128 eth0",
    "fd00:10:0:1:8000::/65 dev eth0 proto ra": "fd00:10:0:1:8000::/65 eth0",
    "fd00:10::/30 via fe80::1 dev eth0": "fd00:10::/30 eth0",
    "fc00::/7 dev eth0": "fc00::/7 eth0",
    "unreachable fd00::/8 dev lo": "fd00::/8 lo",
    "fd00:10:0:1::9 via fe80::1 dev eth0": "fd00:10:0:1::9 eth0",
    "2: eth0    inet6 fd00:10:0:2::1/64 scope global": "",
    "2: eth0    inet6 fd00:10:1:1::1/64 scope global": "",
    "2: eth0    inet6 fe80::1/64 scope link": "",
    "fd00:10:0:1::/64 dev wg0 proto kernel": "",
    "local fd00:10:0:1::5 dev lo table local": "",
    "anycast fd00:10:0:1:: dev wg0 table local": "",
    "multicast ff00::/8 dev eth0 table local": "",
    "default via fe80::1 dev eth0": "",
    "::/0 dev eth0": "",
    "8000::/1 dev eth0": "",
    "10.0.0.0/8 dev eth0": "",
    address("10.0.1.77/24"): "",
}

AWKS = [awk for awk in (["mawk"], ["gawk"], ["original-awk"], ["busybox", "awk"]) if shutil.which(awk[0])]


def with_awk(awk, tmp_path):
    """The command that makes a shell use this awk."""
    (tmp_path / "awk").write_text(f'#!/bin/sh\nexec {shutil.which(awk[0])} {" ".join(awk[1:])} "$@"\n')
    (tmp_path / "awk").chmod(0o755)
    return f"PATH={tmp_path}:$PATH"


@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_every_awk_finds_the_overlaps_and_no_others(awk, tmp_path):
    for network, overlaps in {"10.0.1.0/24": OVERLAPS, "fd00:10:0:1::/64": OVERLAPS6}.items():
        commands = [f"echo $(printf '%s\\n' {shlex.quote(line)} | overlapping {network} wg0)" for line in overlaps]
        found = ask("dash", with_awk(awk, tmp_path), *commands)
        assert dict(zip(overlaps, found, strict=True)) == overlaps


@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_json_is_read_by_every_awk(awk, tmp_path):
    document = {
        "a": {"b": [1, 'x"\\/A\u2014 y\n\tz', {"q": None}], "empty": [], "t": True},
        "z": -1500.0,
        "words": "a, b: [c] {d}",
        "a.b": "",
    }
    raw = '{"raw": "a\x1b[31mb\x7fc\td\x9be"}'
    lines = ask(
        "dash",
        with_awk(awk, tmp_path),
        f"printf '%s' {shlex.quote(json.dumps(document, indent=1))} | flatten_json",
        f"printf '%s' {shlex.quote(raw)} | flatten_json",
        *(
            f"printf '%s' {shlex.quote(text)} | flatten_json >/dev/null && echo accepted {shlex.quote(text)}"
            for text in ["", "{", "[1,", '{"a" 1}', '{"a":1}x', '"open', '{"a":}', "<html>", "[" * 3]
        ),
        "true",
    )
    assert lines == [
        "a.b.0\t1",
        'a.b.1\tx"\\/A? y  z',
        "a.b.2.q\tnull",
        "a.b.length\t3",
        "a.empty.length\t0",
        "a.t\ttrue",
        "z\t-1500.0",
        "words\ta, b: [c] {d}",
        "a.b\t",
        "raw\ta [31mb c d e",
    ]
