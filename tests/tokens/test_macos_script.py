"""The macOS script, run as root on throw-away Macs whose tools are stand-ins; see tests/tokens/mac.py.

The rest of its tests take minutes: test_macos_script_in_full.py.
"""

import plistlib
import re
import shlex
import shutil
import stat
import subprocess

import pytest

from tests.tokens.mac import DAEMONS, PROGRAM, USER, mac_script
from tests.tokens.machine import CONNECTED, STATE_HOME, TOKEN, accepted, body_of, last_line, needs_machine, wait_until
from tests.tokens.test_linux_script import AWKS, with_awk
from tokens.scripts import render_uninstall

pytestmark = needs_machine
UNINSTALL = render_uninstall("macos")


def refused(mac, code, **options):
    """How a run ended that the hub must not have heard of."""
    done = mac.pipe(mac_script(), **options)
    assert (done.returncode, mac.requests()) == (code, [])
    assert not mac.exists("etc/wireguard") or mac.configs() == []
    return last_line(done.stderr).removeprefix("Stopped: ")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("shell", "prefix"), [("bash", "opt/homebrew"), ("dash", "usr/local")])
def test_one_pasted_line_connects_a_mac(build_mac, shell, prefix):
    mac = build_mac(shell, prefix)
    done = mac.pipe(mac_script())
    assert (done.returncode, done.stderr, last_line(done.stdout)) == (0, "", CONNECTED)
    assert re.findall(r"^\[(\d)/7\] ", done.stdout, re.MULTILINE) == list("1234567")
    assert f"bash /{prefix}/bin/wg-quick up wg0" in mac.calls("bash")
    assert not mac.exists("record/gnu")


def test_launchd_starts_the_tunnel_at_every_boot_and_never_again_and_again(mac):
    mac.pipe(mac_script())
    plist = plistlib.loads(mac.plist())
    label = f"wireguard-hub-spoke.{mac.state.name}"
    log = f"/{STATE_HOME}/{mac.state.name}/tunnel.log"
    assert plist == {
        "Label": label,
        "ProgramArguments": ["/opt/homebrew/bin/bash", "/opt/homebrew/bin/wg-quick", "up", "wg0"],
        "RunAtLoad": True,
        "AbandonProcessGroup": True,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    file = mac.root / DAEMONS / f"{label}.plist"
    assert (mode(file), file.stat().st_uid) == (0o644, 0)
    assert [path.name for path in (mac.root / DAEMONS).iterdir()] == [file.name]


def test_what_stands_in_a_property_list_is_escaped(mac):
    definitions = body_of(mac_script()).rpartition('main "$@"')[0]
    hostile = "<&>\"'$(id)`id`%s\\n]]>\u540d &amp;"
    command = (
        f"ID=0123456789abcdef STATE='/tmp/<&>'\nprefix() {{ printf %s {shlex.quote(hostile)}; }}\nprint_tunnel_job\n"
    )
    done = mac.run("sh", text=definitions + command)
    assert plistlib.loads(done.stdout.encode())["ProgramArguments"][0] == f"{hostile}/bin/bash"
    assert plistlib.loads(done.stdout.encode())["StandardOutPath"] == "/tmp/<&>/tunnel.log"


@pytest.mark.parametrize("asked", ["sudo", "screen"])
def test_brew_installs_as_a_user_and_never_as_root(mac, asked):
    mac.unbrew()
    if asked == "screen":
        mac.put("record/at-the-screen", f"{USER}\n")
    done = mac.pipe(mac_script(), environment={"SUDO_USER": USER} if asked == "sudo" else None)
    assert (last_line(done.stdout), done.stderr) == (CONNECTED, "")
    assert f"      brew, as {USER}: wireguard-tools wireguard-go bash\n" in done.stdout
    assert mac.calls("brew") == ["brew install wireguard-tools wireguard-go bash"]
    assert set(mac.read("record/became").splitlines()) == {USER}


@pytest.mark.parametrize("prefix", ["opt/homebrew", "usr/local"])
def test_an_administrator_who_shares_a_brew_but_not_its_locks_leaves_it_to_its_owner(build_mac, prefix):
    mac = build_mac(prefix=prefix)
    mac.unbrew()
    mac.add_user("bob", 1502)
    mac.share_brew()
    assert last_line(mac.pipe(mac_script(), environment={"SUDO_USER": "bob"}).stdout) == CONNECTED
    assert [mac.read("record/became").splitlines()[place] for place in (0, -1)] == ["bob", USER]
    assert mac.calls("brew") == ["brew install wireguard-tools wireguard-go bash"]


def test_without_homebrew_the_hub_hears_nothing_and_the_saved_copy_goes_on_later(mac):
    mac.unbrew(brew=False)
    mac.run("rm", "-rf", "/usr/local/bin")
    words = refused(mac, 5)
    # Others will put their programs there.
    assert mode(mac.root / "usr/local/bin") == 0o755
    assert words.startswith(
        "Homebrew is not on this Mac, and WireGuard comes from it. Install it as https://brew.sh says"
    )
    assert words.endswith(f"The token is not lost; then go on with: sudo sh /{mac.saved_copy} resume")
    mac.run("sh", "-c", "cp -R /later/. /opt/homebrew/bin")
    assert last_line(mac.run(f"/{PROGRAM}", "resume").stdout) == CONNECTED
    assert [request["token"] for request in mac.requests()] == [TOKEN]


def test_a_network_that_the_mac_already_uses_is_refused_by_name(mac):
    mac.uses("10.9.9.9/24", "10/16              link#22            UCS                 utun4")
    assert (
        refused(mac, 3)
        == "The hub's network 10.0.1.0/24 overlaps 10.0.0.0/16 on utun4, which this machine already uses."
    )


# ---- networks, as macOS shows them

OVERLAPS = {
    "10.0.1/24          link#4             UCS            en0": "10.0.1.0/24 en0",
    "10                 10.8.0.1           UGSc           utun3": "10.0.0.0/8 utun3",
    "10/7               link#4             UCS            en0": "10.0.0.0/7 en0",
    "10.0.1.128/25      link#9             UC             bridge100": "10.0.1.128/25 bridge100",
    "10.0.1.7           10.9.9.1           UGHS           en0": "10.0.1.7 en0",
    "10.0.1/24          link#4             UCS       1  0 en0": "10.0.1.0/24 1",
    "default            10.0.1.1           UGScg          en0": "",
    "0/1                10.8.0.1           UGSc           utun3": "",
    "128.0/1            10.8.0.1           UGSc           utun3": "",
    "169.254            link#6             UCS            en0      !": "",
    "192.168.0          link#6             UCS            en0      !": "",
    "10.0.2/24          link#4             UCS            en0": "",
    "10.0.1.9           a8:6b:ad:6b:c4:a5  UHLWIi         en0    820": "",
    "10.0.1.5           10.0.1.5           UH             lo0": "",
    "10.0.1/24          utun7              USc            utun7": "",
    "255.255.255.255/32 link#6             UCS            en0      !": "",
    "link#12            link#12            UCS            en0": "",
}
OVERLAPS6 = {
    "fd00:10:0:1::/64   link#4             UC             en0": "fd00:10:0:1::/64 en0",
    "fd00:10::/30       fe80::1%en0        UGSc           en0": "fd00:10::/30 en0",
    "fe80::%en0/64      link#4             UCI            en0": "",
    "fe80::1%lo0        link#1             UHLI           lo0": "",
    "default            fe80::1%en0        UGcg           en0": "",
    "fd00:10:0:1::9     link#1             UHL            lo0": "",
    "::1                ::1                UHL            lo0": "",
}
DEVICES = {
    "\tinet 10.0.1.77 netmask 0xffffff00 broadcast 10.0.1.255": "10.0.1.77/24 en5",
    "\tinet 10.0.0.9 netmask 0xff000000 broadcast 10.255.255.255": "10.0.0.9/8 en5",
    "\tinet 172.16.0.1 --> 10.0.1.1 netmask 0xffffffff": "10.0.1.1 en5",
    "\tinet 10.0.2.1 netmask 0xfffffe00 broadcast 10.0.3.255": "",
    "\tinet 10.0.0.1 netmask 0xfffffe00": "10.0.0.1/23 en5",
    "\tinet6 fe80::1%en5 prefixlen 64 scopeid 0x6": "",
    "\tether 10:00:01:00:00:01": "",
}
HEAD = "Destination        Gateway            Flags          Netif Expire\n"


@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_every_awk_reads_the_networks_of_a_mac(awk, tmp_path):
    def found(function, text, network):
        ask = f"printf '%s\\n' {shlex.quote(text)} | {function} | overlapping {network} utun7"
        definitions = body_of(mac_script()).rpartition('main "$@"')[0]
        script = f"{definitions}\n{with_awk(awk, tmp_path)}\n{ask}\n"
        return subprocess.run(["dash"], input=script, capture_output=True, text=True, check=True).stdout.strip()

    for network, lines in {"10.0.1.0/24": OVERLAPS, "fd00:10:0:1::/64": OVERLAPS6}.items():
        assert {line: found("networks_of_routes", HEAD + line, network) for line in lines} == lines
    devices = {line: found("networks_of_devices", f"en5: flags=8863<UP>\n{line}", "10.0.1.0/24") for line in DEVICES}
    assert devices == DEVICES
    old = "Destination Gateway Flags Refs Use Netif Expire\n10.0.1/24 link#4 UCS 1 0 en0\n"
    assert found("networks_of_routes", old, "10.0.1.0/24") == "10.0.1.0/24 en0"


@pytest.mark.parametrize(
    ("domains", "match"), [(["corp.example", "b.example"], "corp.example b.example"), ([], '""')], ids=["split", "all"]
)
def test_dns_is_set_while_the_tunnel_is_up_and_no_longer(mac, domains, match):
    mac.answers(accepted(dns=["10.0.1.1", "fd00::1"], dnsDomains=domains))
    assert last_line(mac.pipe(mac_script()).stdout) == CONNECTED
    key = f"State:/Network/Service/wireguard-hub-spoke-{mac.state.name}/DNS"
    assert mac.read("record/scutil") == (
        f"remove {key}\nremove {key}\nd.init\nd.add ServerAddresses * 10.0.1.1 fd00::1\n"
        f"d.add SupplementalMatchDomains * {match}\nset {key}\n"
    )
    assert f"PreDown = printf 'remove {key}\\n' | scutil || true\n" in mac.read("etc/wireguard/wg0.conf")
    mac.pipe(UNINSTALL)
    assert mac.read("record/scutil").endswith(f"remove {key}\n")
    assert mac.calls("networksetup") == []


def test_a_tunnel_whose_wireguard_died_takes_its_dns_and_its_files_with_it_all_the_same(mac):
    mac.answers(accepted(dns=["10.0.1.1"]))
    assert last_line(mac.pipe(mac_script()).stdout) == CONNECTED
    key = f"State:/Network/Service/wireguard-hub-spoke-{mac.state.name}/DNS"
    mac.lose_wireguard()
    assert last_line(mac.read("record/scutil")).startswith("set ")
    assert mac.pipe(UNINSTALL).returncode == 0
    assert last_line(mac.read("record/scutil")) == f"remove {key}"
    assert list((mac.root / "run/wireguard").iterdir()) == []


def test_a_tunnel_whose_wireguard_died_is_started_again_but_not_one_that_was_taken_down(mac):
    mac.put("record/real-launchd")
    mac.answers(accepted(dns=["10.0.1.1"]))
    assert last_line(mac.pipe(mac_script()).stdout) == CONNECTED
    running = f"record/running.wireguard-hub-spoke.{mac.state.name}"
    assert mac.exists(running)
    for lose, comes_back in ((mac.lose_wireguard, True), (mac.take_down, False)):
        lose()
        wait_until(lambda: not mac.exists(running))
        assert mac.read(f"record/exit.wireguard-hub-spoke.{mac.state.name}") == "0\n"
        assert mac.run("sh", f"/{mac.saved_copy}", "refresh").stdout == ""
        if comes_back:
            wait_until(mac.has_tunnel)
    # Its own DNS must not keep the hub's name from it.
    words = [line.split()[0] for line in mac.read("record/scutil").splitlines()]
    assert words[words.index("set") :][:3] == ["set", "remove", "d.init"]
    assert mac.calls("launchctl kickstart")[1:] == [f"launchctl kickstart system/wireguard-hub-spoke.{mac.state.name}"]
    assert not mac.has_tunnel()


# ---- the stand-ins refuse what a Mac would

GNU = ["sed -i s/a/b/ f", "base64 -w 0 f", "stat -c %U /", "readlink -f /", "date -d now", "mktemp", "mktemp -d"]
GNU += ["grep -P x f", "mv -T a b", "cp --help", "head -c -1 f", "ls --color"]
BSD = ["sed -n 1p /etc/passwd", "readlink /proc/self/exe", "date +%s", "mktemp /tmp/x.XXXXXX", "stat -f %m /"]


def test_the_stand_ins_know_no_gnu_options(mac):
    assert [command for command in GNU if mac.run("sh", "-c", command).returncode != 64] == []
    assert [command for command in BSD if mac.run("sh", "-c", command).returncode != 0] == []


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_finds_nothing_in_the_uninstall_script():
    done = subprocess.run(
        ["shellcheck", "-s", "sh", "-S", "style", "-"], input=UNINSTALL, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")
