"""A throw-away Mac, as far as one can be had on Linux: its own tools are stand-ins, and GNU's options are refused.

The stand-ins behave as the manuals of macOS and the text of wg-quick for macOS say: launchd starts jobs, wireguard-go
makes utun7 and writes its name down, `stat`, `sed`, `mktemp` and others know no GNU options.
"""

import shutil
import socket
from pathlib import Path

from tests.tokens.machine import RECORD, Machine, script_values
from tests.tokens.traced_machine import TracedMachine
from tokens.scripts import render_script

PROGRAM = "usr/local/bin/wireguard-hub-spoke"
DAEMONS = "Library/LaunchDaemons"
RUN = "var/run/wireguard"
SHELLS = ("bash", "dash")
USER = "Zo\u00eb O'Neil"
# Not on a Mac; what brew brings is put where brew puts it.
ABSENT = ["wg", "wg-quick", "wireguard-go", "ip", "getent", "setsid", "sha256sum", "systemctl", "flock", "timeout"]
ABSENT += ["apt-get", "realpath", "tac", "gawk", "wget", "resolvectl", "resolvconf"]

# A tool that takes only what BSD's takes. `refused` is what no such tool has: long options, and the words below.
PICKY = r"""#!/bin/sh
for word; do
    case $word in --) break ;; --?*) refused=$word ;; esac
done
case ${0##*/}:" $* " in
sed:*" -i "[!\'.]* | sed:*" -r "* | sed:*" -s "* | base64:*" -w"* | readlink:*" -f"* | date:*" -d "*) refused=yes ;;
grep:*" -P"* | grep:*" -oP"* | ln:*" -T"* | mv:*" -T"* | cp:*" -T"* | cp:*" -u "* | tail:*" -n -"* ) refused=yes ;;
head:*" -n -"* | head:*" -c -"* | mktemp:*" -p "* | mktemp:*" --"* | mktemp:"  " | mktemp:" -d ") refused=yes ;;
esac
[ -z "${refused-}" ] || { printf '%s\n' "$0 $*" >>/record/gnu; exit 64; }
exec "/gnu/${0##*/}" "$@"
"""
PICKY_TOOLS = ["base64", "cat", "chmod", "cp", "cut", "date", "grep", "head", "id", "ln", "ls", "mkdir", "mktemp", "mv"]
PICKY_TOOLS += ["readlink", "rm", "rmdir", "sed", "sleep", "tail", "tr"]

STAT = r"""
case $1:$2:$3 in
-f:%Su:/dev/console) cat /record/at-the-screen ;;
-f:%Su:*) exec /gnu/stat -c %U "$3" ;;
-f:%m:*) exec /gnu/stat -c %Y "$3" ;;
*) echo "$*" >>/record/gnu; exit 64 ;;
esac
"""

# As macOS shows them; the stand-in for wireguard-go makes utun7.
IFCONFIG = r"""
case $1 in
-a) cat /record/ifconfig; for link in /record/link.utun*; do [ ! -e "$link" ] || cat "$link"; done ;;
utun*) [ -e "/record/link.$1" ] && cat "/record/link.$1" ;;
*) exit 64 ;;
esac
"""

LAUNCHCTL = r"""
loaded=/record/loaded
case $1 in
bootstrap)
    [ "$2" = system ] && [ -O "$3" ] || exit 5
    label=$(sed -n '/<key>Label/{n;s/<[^>]*>//gp;}' "$3")
    [ "$3" = "/Library/LaunchDaemons/$label.plist" ] || exit 5
    [ ! -e "$loaded.$label" ] && [ ! -e "/record/disabled.$label" ] || { echo 'Bootstrap failed: 5' >&2; exit 5; }
    ! grep -q KeepAlive "$3" || exit 5
    cp "$3" "$loaded.$label"
    if grep -q RunAtLoad "$3"; then "$0" kickstart "system/$label"; fi
    ;;
kickstart)
    label=${2#system/}
    [ -e "$loaded.$label" ] || exit 113
    set --
    while IFS= read -r line; do
        case $line in
        *'<key>StandardOutPath'*) read -r out; out=${out#<string>}; out=${out%</string>} ;;
        *'<array>'*) words=yes ;;
        *'</array>'*) words= ;;
        *'<string>'*) [ -z "${words-}" ] || { line=${line#<string>}; set -- "$@" "${line%</string>}"; } ;;
        esac
    done <"$loaded.$label"
    run_job() {
        : >"/record/running.$label"
        env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin "$@" >>"${out:-/dev/null}" 2>&1 </dev/null
        echo $? >"/record/exit.$label"
        rm -f "/record/running.$label"
    }
    if [ -e /record/real-launchd ]; then run_job "$@" >/dev/null & else run_job "$@"; fi
    exit 0
    ;;
bootout) rm "$loaded.${2#system/}" || exit 3; rm -f "/record/exit.${2#system/}" ;;
enable) rm -f "/record/disabled.${2#system/}" ;;
print)
    [ -e "$loaded.${2#system/}" ] || exit 113
    if [ -e "/record/running.${2#system/}" ]; then echo "	state = running"; else echo "	state = not running"; fi
    echo "	last exit code = $(cat "/record/exit.${2#system/}" || echo '(never exited)')"
    ;;
*) exit 64 ;;
esac 2>/dev/null
"""

STAND_INS = {
    "uname": "case $1 in -s) echo Darwin ;; -r) echo 22.6.0 ;; *) exit 64 ;; esac",
    "sw_vers": "case $1 in -productVersion) cat /record/macos-version 2>/dev/null || echo 13.6.1 ;; esac",
    "stat": STAT,
    "ifconfig": IFCONFIG,
    "netstat": '[ "$1" = -rn ] && cat /record/netstat',
    "route": r"""
[ "$1 $2" = '-n get' ] || exit 64
[ ! -e /record/no-route ] || { echo 'route: writing to routing socket: not in table'; exit 0; }
printf '   route to: %s\n  interface: en0\n' "$3"
""",
    "launchctl": LAUNCHCTL,
    "scutil": "cat >>/record/scutil",
    "dscacheutil": r"""[ "$1 $2 $3 $4" = '-q host -a name' ] && cat /record/resolves 2>/dev/null""",
    "networksetup": "exit 64",
    "ping": r"""
[ "$1 $2 $3 $4 $5 $7" = '-c 1 -t 2 -s -b' ] || exit 64
[ -e "/record/link.$8" ] && [ ! -e /record/no-ping ] || exit 2
[ "$6" -le "$(cat /record/largest-ping 2>/dev/null || echo 9999)" ]
""",
    "sudo": r"""
[ "$1 $2 $3 $4 $6" = '-n -E -H -u --' ] || exit 64
printf '%s\n' "$5" >>/record/became
user=$(id -u "$5") || exit 1
shift 6
exec setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
""",
}

BREWED = {
    "wg": r"""
case $1 in
--version) [ ! -e /record/broken-wg ] && echo 'wireguard-tools v1.0.20210914 - https://git.zx2c4.com/' ;;
genkey | pubkey) exec /gnu/wg "$@" ;;
show)
    [ -e "/record/link.$2" ] || { echo "Unable to access interface: $2" >&2; exit 1; }
    case $3 in
    latest-handshakes) cat "/record/handshake.$2" 2>/dev/null ;;
    endpoints) cat /record/endpoints 2>/dev/null ;;
    esac
    ;;
esac
""",
    # It looks for a newer bash than the system's.
    "wg-quick": r"""
[ "${BASH_VERSINFO[0]}" -ge 4 ] || exit 9
file=/etc/wireguard/$2.conf
name=/var/run/wireguard/$2.name
case $1 in
up)
    [ -e "$file" ] && [ ! -e /record/link.utun7 ] && [ ! -e /record/broken-tunnel ] ||
        { echo 'wg-quick: no tunnel' >&2; exit 1; }
    mkdir -p /var/run/wireguard
    cp -R /gnu/socket /var/run/wireguard/utun7.sock
    echo utun7 >"$name"
    touch /var/run/wireguard/utun7.sock "$name"
    address=$(sed -n 's/^Address = \([0-9.]*\).*/\1/p' "$file")
    lines='utun7: flags=8051<UP> mtu 1420\n\tinet %s --> %s netmask 0xffffff00\n'
    printf "$lines" "$address" "$address" >/record/link.utun7
    [ -e /record/silent-hub ] || printf 'hub\t%s\n' "$(date +%s)" >/record/handshake.utun7
    sed -n 's/^PostUp = //p' "$file" | bash
    # Under launchd it stays as long as the device does, and ends well; a test that wants that wants patience too.
    [ ! -e /record/real-launchd ] || for i in {1..400}; do [ ! -e /record/link.utun7 ] || sleep 0.05; done
    ;;
down)
    [ -e "$name" ] && [ -e /record/link.utun7 ] || { echo 'wg-quick: not a WireGuard interface' >&2; exit 1; }
    sed -n 's/^PreDown = //p' "$file" | bash
    rm -f /record/link.utun7 /record/handshake.utun7 "$name" /var/run/wireguard/utun7.sock
    ;;
esac
""",
    "wireguard-go": "",
    "bash": 'exec /gnu/bash "$@"',
}
BREW = r"""
[ "$(id -u)" -ne 0 ] || { echo 'Error: Running Homebrew as root is dangerous.' >&2; exit 1; }
[ -r . ] || { echo 'Error: The current working directory must be readable' >&2; exit 1; }
[ ! -e /record/broken-brew ] || { cat /record/broken-brew >&2; exit 1; }
[ "$*" = 'install wireguard-tools wireguard-go bash' ] && cp -R /later/. "${0%/brew}"
"""


def mac_script(**changes):
    return render_script("macos", script_values(**changes))


class Mac(Machine):
    """A Mac; `prefix` is where Homebrew is, and all that it needs is installed."""

    prefix = "opt/homebrew"

    def __init__(self, workplace: Path, shell: str = "bash", *, network: bool = False):
        super().__init__(workplace, shell, network=network)
        self.run("sh", "-c", f"for tool in {' '.join(ABSENT)}; do rm -f /usr/bin/$tool /usr/sbin/$tool; done")
        self.put("record/at-the-screen", "root\n")
        for directory in (DAEMONS, "usr/local/bin", "opt/homebrew/bin"):
            (self.root / directory).mkdir(parents=True, exist_ok=True)

    def _put_stand_ins(self, network: bool) -> None:
        super()._put_stand_ins(network)
        sbin, gnu, brewed = (self._tools / place for place in ("usr/sbin", "gnu", f"{self.prefix}/bin"))
        gnu.mkdir()
        brewed.mkdir(parents=True)
        for name in ("wg", "wg-quick", "ip", "systemctl"):
            (sbin / name).unlink()
        for name, text in STAND_INS.items():
            self._write(sbin / name, RECORD + text)
        for name in PICKY_TOOLS:
            self._write(sbin / name, PICKY)
        for name in [*PICKY_TOOLS, "stat", "bash", "wg"]:
            shutil.copy(shutil.which(name) or "", gnu / name)
        for name, text in BREWED.items():
            self._write(brewed / name, RECORD.replace("#!/bin/sh", "#!/bin/bash") + text)
        with socket.socket(socket.AF_UNIX) as wireguard:
            wireguard.bind(str(gnu / "socket"))

    def uses(self, address: str, *routes: str) -> None:
        """Give the Mac one address on en0, in a /24, and these routes: lines as netstat shows them."""
        self.put(
            "record/ifconfig",
            "lo0: flags=8049<UP,LOOPBACK> mtu 16384\n\tinet 127.0.0.1 netmask 0xff000000\n\tinet6 ::1 prefixlen 128\n"
            f"en0: flags=8863<UP> mtu 1500\n\tether a4:83:e7:00:00:01\n\tinet6 fe80::1c%en0 prefixlen 64 secured\n"
            f"\tinet {address.partition('/')[0]} netmask 0xffffff00 broadcast 10.9.9.255\n",
        )
        lines = ["default            10.9.9.1           UGScg                 en0", *routes]
        self.put(
            "record/netstat",
            "Routing tables\n\nInternet:\nDestination        Gateway            Flags               Netif Expire\n"
            + "\n".join(lines)
            + "\n\nInternet6:\nDestination  Gateway  Flags  Netif Expire\nfe80::%lo0/64  fe80::1%lo0  UcI  lo0\n",
        )

    # ---- Homebrew

    def unbrew(self, *, brew: bool = True, user: str = USER) -> None:
        """Take away what brew installed; `brew` itself stays, or is missing too."""
        self.run(
            "sh", "-c", f"mkdir /later && mv /{self.prefix}/bin/* /later && chmod -R a+rX /later && chmod 1777 /record"
        )
        self.run("sh", "-c", "cd /record && touch calls environments became && chmod 666 calls environments became")
        self.add_user(user, 1501)
        if brew:
            self.put_brewed("brew", BREW)
            self.run("chown", "-R", "1501:1501", f"/{self.prefix}/bin")

    def share_brew(self) -> None:
        """As Homebrew's installer leaves it: all administrators may write, but its locks and itself are its owner's."""
        if self.prefix == "usr/local":
            self.run("mkdir", "-p", "/usr/local/Homebrew/bin")
            self.run("mv", "/usr/local/bin/brew", "/usr/local/Homebrew/bin/brew")
            self.run("ln", "-s", "../Homebrew/bin/brew", "/usr/local/bin/brew")
            self.run("chown", "-R", "1501:1501", "/usr/local/Homebrew")
        else:
            self.run("mkdir", "-p", f"/{self.prefix}/var/homebrew/locks")
            self.run("chown", "-R", "1501:1501", f"/{self.prefix}/var")
        self.run("chmod", "777", f"/{self.prefix}/bin")

    def add_user(self, name: str, number: int) -> None:
        with (self.root / "etc/passwd").open("a") as users:
            users.write(f"{name}:x:{number}:{number}::/:/bin/sh\n")

    def put_brewed(self, name: str, text: str) -> None:
        self._write(self.root / self.prefix / "bin" / name, RECORD.replace("#!/bin/sh", "#!/bin/bash") + text)

    def plist(self, kind: str = "") -> bytes:
        return (self.root / DAEMONS / f"wireguard-hub-spoke.{self.state.name}{kind}.plist").read_bytes()

    def lose_wireguard(self) -> None:
        """Kill wireguard-go: its device goes, and its name and its socket stay."""
        self.run("sh", "-c", "rm /record/link.utun7 /record/handshake.utun7")

    def take_down(self) -> None:
        """Take the tunnel down as a user would."""
        self.run(f"/{self.prefix}/bin/bash", f"/{self.prefix}/bin/wg-quick", "down", "wg0")

    def has_tunnel(self) -> bool:
        return self.exists("record/link.utun7")


class TracedMac(TracedMachine, Mac):
    """A Mac on which every command is seen before it runs, wg and wg-quick too."""

    def _put_stand_ins(self, network: bool) -> None:
        super()._put_stand_ins(network)
        brewed, real = self._tools / self.prefix / "bin", self._tools / "shim/real"
        for name in ("wg", "wg-quick"):
            (self._tools / "usr/sbin" / name).unlink()
            (real / name).unlink()
            (brewed / name).rename(real / name)
            (brewed / name).symlink_to("/shim/shim")
