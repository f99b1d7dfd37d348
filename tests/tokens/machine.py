"""A throw-away machine to run install scripts on as root: a private copy of this one, with recording stand-ins.

An overlay over / takes every change, so the real machine never sees one. The tools that would touch the network are
small scripts, first on the safe PATH, that write down how they were called.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tokens.scripts import ScriptValues, render_script

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
NEEDED = ["dash", "bash", "busybox", "wg", "unshare", "nsenter", "setpriv"]
needs_machine = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, NEEDED)), reason=f"needs root and {', '.join(NEEDED)}"
)

# With busybox as the shell, everything else is busybox too, as on Alpine.
BUSYBOX_TOOLS = [
    *["awk", "cat", "chmod", "cp", "cut", "date", "grep", "head", "id", "ln", "mkdir", "mktemp", "mv", "readlink"],
    *["ls", "rm", "rmdir", "sed", "setsid", "sha256sum", "sleep", "tail", "tr", "uname"],
]

HUB_KEY = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
TOKEN = "Kd8jD_s9fN2mPlqR6tV8wX0yZ5aB3cE7gH4iJ-abcde"
STATE_HOME = "var/lib/wireguard-hub-spoke"
PROGRAM = "usr/local/sbin/wireguard-hub-spoke"
CONNECTED = "Connected: web-1 is 10.0.1.5 on wg0, hub 203.0.113.1:51820."

SET_UP = r"""
set -e
mount -t tmpfs -o mode=755 tmpfs "$1"
cd "$1"
mkdir upper work root
cp -R "$2" tools
mount -t overlay overlay -o "lowerdir=tools:/,upperdir=upper,workdir=work" root
mount --rbind /proc root/proc
mount --rbind /dev root/dev
mount -t tmpfs -o mode=755 tmpfs root/run
mount -t tmpfs -o mode=1777 tmpfs root/tmp
mkdir -p root/etc/wireguard root/upper
mount --bind upper root/upper
rm -rf root/etc/wireguard/* root/var/lib/wireguard-hub-spoke
chroot root chmod 777 /record
echo ready
exec chroot root sleep 10000
"""

RECORD = r"""#!/bin/sh
printf '%s\n' "${0##*/} $*" >>/record/calls
cat "/proc/$$/environ" >>/record/environments
"""

STAND_INS = {
    "wg": r"""
case $1 in
genkey | pubkey | --version) exec REAL_WG "$@" ;;
show)
    case $3 in
    latest-handshakes) cat "/record/handshake.$2" 2>/dev/null ;;
    endpoints) cat /record/endpoints 2>/dev/null ;;
    esac
    ;;
esac
""",
    "wg-quick": r"""
case $1 in
up)
    [ -e "/etc/wireguard/$2.conf" ] && [ ! -e "/record/link.$2" ] && [ ! -e /record/broken-tunnel ] || exit 1
    : >"/record/link.$2"
    [ -e /record/silent-hub ] || printf 'hub\t%s\n' "$(date +%s)" >"/record/handshake.$2"
    ;;
down) rm "/record/link.$2"; rm -f "/record/handshake.$2" ;;
esac
""",
    "ip": r"""
case $* in
'-4 -o address show') cat /record/addresses ;;
'-4 route show table all') cat /record/routes ;;
'-6 -o address show') cat /record/addresses6 2>/dev/null ;;
'-6 route show table all') cat /record/routes6 2>/dev/null ;;
'route get '*) [ ! -e /record/no-route ] ;;
'link show dev '*) [ -e "/record/link.$4" ] ;;
'link add dev wghub-probe type wireguard')
    [ ! -e /record/link.wghub-probe ] || exit 2
    cat /record/old-kernel >&2 2>/dev/null && exit 2
    : >/record/link.wghub-probe
    ;;
'link delete dev '*) rm -f "/record/link.$4" "/record/handshake.$4" ;;
*) exit 255 ;;
esac
""",
    "systemctl": r"""
case $* in
daemon-reload | 'enable --now wireguard-hub-spoke-'*.timer | 'disable --now wireguard-hub-spoke-'*.timer) ;;
'enable wg-quick@'*) ;;
'restart wg-quick@'*)
    [ ! -e "/record/link.${2#*@}" ] || wg-quick down "${2#*@}"
    wg-quick up "${2#*@}"
    ;;
'is-failed --quiet wg-quick@'*) [ -e /record/failed-unit ] ;;
'disable --now wg-quick@'*) [ ! -e "/record/link.${3#*@}" ] || wg-quick down "${3#*@}" ;;
*) exit 255 ;;
esac
""",
    "curl": r"""
[ "$1" = -q ] || { echo 'curl: a .curlrc would rule' >&2; exit 2; }
case $* in *--data-binary*) ;; *) cat /record/headers 2>/dev/null; exit ;; esac
while [ $# -gt 0 ]; do
    case $1 in
    -o) answer=$2 ;;
    --data-binary) cat "${2#@}" >>/record/requests ;;
    esac
    shift
done
while [ -e /record/slow-hub ]; do sleep 0.05; done
number=$(($(cat /record/answered 2>/dev/null || echo 0) + 1))
[ -e "/record/answer.$((number + 1))" ] && echo "$number" >/record/answered
[ "$(head -n 1 "/record/answer.$number")" != 000 ] || { echo 'curl: (7) no route to the hub' >&2; exit 7; }
tail -n +2 "/record/answer.$number" >"$answer"
head -n 1 "/record/answer.$number" | tr -d '\n'
""",
    "ping": r"""
[ ! -e /record/no-ping ] && [ "$6" -le "$(cat /record/largest-ping 2>/dev/null || echo 9999)" ]
""",
}


def script_values(**changes):
    """The values of an ordinary script, with `changes`."""
    values = {
        "token": TOKEN,
        "spoke_name": "web-1",
        "hub_endpoint": "203.0.113.1:51820",
        "hub_public_key": HUB_KEY,
        "spoke_ip": "10.0.1.5/24",
        "network_cidr": "10.0.1.0/24",
        "dns_servers": (),
        "callback_url": "https://hub.example.com/api/spoke/register",
        "persistent_keepalive": 25,
    }
    return ScriptValues(**(values | changes))


def linux_script(**changes):
    return render_script("linux", script_values(**changes))


def body_of(script):
    """The script that the outer one carries and saves."""
    after = script.split("<<'END_OF_SPOKE_SCRIPT'", 1)[1].split("\n", 1)[1]
    return after.split("\nEND_OF_SPOKE_SCRIPT\n", 1)[0] + "\n"


def last_line(text):
    return text.rstrip("\n").rpartition("\n")[2]


def accepted(**hub):
    """The hub's answer to a good registration, with changes to its `hub` part."""
    told: dict[str, object] = {
        "publicKey": HUB_KEY,
        "endpoint": "203.0.113.1:51820",
        "networkCIDR": "10.0.1.0/24",
        "networkCIDR6": None,
        "dns": [],
        "dnsDomains": [],
        "mtu": 1420,
        "persistentKeepalive": 25,
    }
    spoke = {"id": "7", "publicKey": "not the hub's", "allowedIPs": ["10.0.1.5/24"], "endpoint": "not the hub's"}
    return {
        "success": True,
        "spoke": spoke,
        "spokeId": "7",
        "spokeName": "web-1",
        "allowedIPs": ["10.0.1.5/24"],
        "status": "pending",
        "hub": told | hub,
        "peerApplied": True,
    }


class Machine:
    """One throw-away machine; `shell` is what its `sh` is."""

    def __init__(self, workplace: Path, shell: str = "dash", *, network: bool = False):
        self.shell = shell
        self._tools = workplace / "tools"
        self._put_stand_ins(network)
        overlay = workplace / "overlay"
        overlay.mkdir()
        self._process = subprocess.Popen(
            ["unshare", "--mount", *([] if network else ["--net"]), "sh", "-c", SET_UP, "sh", overlay, self._tools],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout.readline() == b"ready\n"
        self._upper = overlay / "upper"
        # The chroot is entered a moment after the word.
        root = Path(f"/proc/{self._process.pid}/root")
        while not (root / "record").exists():
            time.sleep(0.001)
        self.root = root
        self.uses("10.9.9.9/24")
        self.answers(accepted())

    def _put_stand_ins(self, network):
        sbin = self._tools / "usr" / "sbin"
        sbin.mkdir(parents=True)
        (self._tools / "record").mkdir()
        for name, text in STAND_INS.items():
            if not (network and name == "curl"):
                self._write(sbin / name, RECORD + text.replace("REAL_WG", shutil.which("wg") or ""))
        tools = ["sh", *BUSYBOX_TOOLS] if self.shell == "busybox" else ["sh"]
        for name in tools:
            (sbin / name).symlink_to(shutil.which(self.shell) or "")

    @staticmethod
    def _write(path, text):
        path.write_text(text)
        path.chmod(0o755)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    # ---- what the machine is like

    def put(self, path, text=""):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def put_tool(self, name, text=""):
        self._write(self.root / "usr/sbin" / name, RECORD + text)

    def hide(self, name):
        for directory in ("usr/sbin", "usr/bin", "usr/local/sbin", "usr/local/bin"):
            (self.root / directory / name).unlink(missing_ok=True)

    def uses(self, address, *routes):
        """Give the machine one address on eth0 and these routes, each a line of `ip route show`."""
        self.put(
            "record/addresses", f"2: eth0    inet {address} brd 1.2.3.4 scope global eth0\\       valid_lft forever\n"
        )
        self.put("record/routes", "\n".join(["default via 10.9.9.1 dev eth0", *routes]) + "\n")

    def answers(self, *answers):
        """What the hub says to each registration in turn, the last one for ever: a body, or (status, body)."""
        for number, answer in enumerate(answers, 1):
            status, body = answer if isinstance(answer, tuple) else (201, answer)
            text = body if isinstance(body, str) else json.dumps(body)
            self.put(f"record/answer.{number}", f"{status}\n{text}\n")
        (self.root / "record/answered").unlink(missing_ok=True)

    # ---- doing things on it

    def start(self, *command, user=0, environment=None, **options):
        """Start a command as `user` and return it running."""
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        inside = ["nsenter", "-t", str(self._process.pid), "-m", "-n", "-r", "-w", *become, *command]
        return subprocess.Popen(
            inside,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "WIREGUARD_HUB_HANDSHAKE_SECONDS": "0"} | (environment or {}),
            **options,
        )

    def run(self, *command, text="", **options):
        """Run a command with `text` on its standard input; return its exit code, output and error output."""
        process = self.start(*command, **options)
        output, errors = process.communicate(text, timeout=120)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def pipe(self, script, **options):
        """Run a script as `curl … | sh` does."""
        return self.run("sh", text=script, **options)

    def run_again(self, **options):
        return self.run("sh", f"/{self.saved_copy}", "install", **options)

    # ---- what became of it

    @property
    def state(self):
        (state,) = (path for path in (self.root / STATE_HOME).iterdir() if path.is_dir() and not path.is_symlink())
        return state

    @property
    def saved_copy(self):
        return (self.state / "install.sh").relative_to(self.root)

    def read(self, path):
        return (self.root / path).read_text()

    def exists(self, path):
        return (self.root / path).exists()

    def calls(self, tool=""):
        """How the stand-ins were called, oldest first."""
        record = self.root / "record/calls"
        lines = record.read_text().splitlines() if record.exists() else []
        return [line for line in lines if line.startswith(tool)]

    def requests(self):
        """The bodies the hub was sent."""
        record = self.root / "record/requests"
        return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []

    def touched(self):
        """Every file, link and directory that was changed or made since the machine was built."""
        found = self.run("find", "/upper", "/run", "/tmp", "-mindepth", "1").stdout.splitlines()
        paths = {path.removeprefix("/upper") for path in found}
        return {path for path in paths if not path.startswith(("/record", "/upper", "/root"))}

    def configs(self):
        return sorted(path.name for path in (self.root / "etc/wireguard").iterdir())
