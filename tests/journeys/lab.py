"""A network of throw-away machines inside this one, to try real tunnels in.

    with Lab() as lab:
        hub = lab.host("hub", "203.0.113.1", forwarding=True)
        spoke = lab.host("spoke1", "203.0.113.11")
        spoke.ping("203.0.113.1")

Every host is a set of Linux namespaces of its own: network, processes, mounts, host name. Its /etc, /var/lib
and /tmp start as a copy of this machine's and are private from then on, /run and /etc/wireguard start empty,
and all other files are read-only, so nothing a host does reaches this machine. Private files are in memory.

Each host is held open by one process that waits for the end of its input, a pipe from here. Close the pipe,
or die in any way at all, and that process ends, the kernel ends every other process of the host with it, and
with the last of them the mounts, links and files are gone. Nothing has to be cleaned up, so nothing can be
forgotten.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = ("unshare", "nsenter", "mount", "findmnt", "ip", "nft", "ping", "wg")
NETWORK_SIZE = 24
PATIENCE = 60.0

# The whole environment of a host: proxies, locale and settings of whoever starts the lab stay outside.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/run/home",
    "LANG": "C.UTF-8",
}

UNSHARE = ("unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc")

# The first process of a host. The order matters: everything is made read-only before the private parts are
# laid over it. The layers are kept in a tmpfs that the empty /run then hides. An ignored CHLD survives exec
# and lets the kernel reap the orphans that become children of this process. -n: mount takes no notes.
HOLD = r"""
set -eu
hostname "$1"
findmnt -rno TARGET | while read -r target; do
    case $target in
        /proc* | /sys* | /dev/pts) ;;
        *) mount -n -o remount,bind,ro "$target" 2>/dev/null || : ;;
    esac
done
mount -n -t sysfs sysfs /sys
mount -n -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -n -t tmpfs -o mode=755 tmpfs /run
for target in /etc /var/lib /var/tmp /tmp; do
    layer=/run/layers$target
    mkdir -p "$layer/upper" "$layer/work"
    chmod --reference="$target" "$layer/upper"
    mount -n -t overlay -o "lowerdir=$target,upperdir=$layer/upper,workdir=$layer/work" overlay "$target"
done
mount -n -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd /run/wireguard /run/lock /run/home /etc/wireguard
mount -n -t tmpfs -o mode=700 tmpfs /etc/wireguard
echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects
echo 0 >/proc/sys/net/ipv4/conf/default/send_redirects
echo "$2" >/proc/sys/net/ipv4/ip_forward
ip link set lo up
echo ready
trap '' CHLD
exec cat >/dev/null
"""


class LabUnavailable(Exception):
    """This machine or this user cannot run a lab; the message says why and what to do."""


class Process(subprocess.Popen[bytes]):
    """A command inside a host. What it writes goes to a file in memory, never to a pipe: a tunnel that it
    leaves running would keep a pipe open for ever."""

    def __init__(self, argv: Sequence[str], *, given: str = "", **more: Any) -> None:
        self._out, self._err = _memory_file(), _memory_file()
        with _memory_file(given) as source:
            super().__init__(argv, stdin=source, stdout=self._out, stderr=self._err, start_new_session=True, **more)

    def written(self) -> str:
        """What it has written so far."""
        return _content(self._out)

    def complaints(self) -> str:
        return _content(self._err)

    def send_signal(self, number: int) -> None:
        """To the command itself: the process known here is the nsenter that waits for it."""
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(first_child(self.pid) or self.pid, number)

    def close(self) -> None:
        self.kill()
        while self.returncode is None:
            # nsenter stops together with a command that is stopped, and would then never see it end.
            super().send_signal(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(0.1)
        self._out.close()
        self._err.close()


def _memory_file(content: str = "") -> BinaryIO:
    file = os.fdopen(os.memfd_create("lab"), "w+b")
    file.write(content.encode())
    file.seek(0)
    return file


def _content(file: BinaryIO) -> str:
    # pread leaves alone the position, which the writing process shares.
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")


def first_child(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else None
    return None


class Host:
    """One machine of the lab."""

    def __init__(self, name: str, *, forwarding: bool = False) -> None:
        self.name = name
        self.address = ""
        self._processes: list[Process] = []
        self._holder = self._hold(forwarding)
        self.pid = self._holder.pid

    def _hold(self, forwarding: bool) -> subprocess.Popen[bytes]:
        argv = [*UNSHARE, "sh", "-c", HOLD, "hold", self.name, str(int(forwarding))]
        with _memory_file() as errors:
            holder = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
            assert holder.stdout is not None
            with holder.stdout:
                if holder.stdout.readline() == b"ready\n":
                    return holder
            holder.communicate()
            raise LabUnavailable(f"This machine cannot hold a network lab: {_content(errors).strip()}")

    def enter(self, *only: str) -> list[str]:
        """The command that enters this host, all of it or `only` the namespaces named."""
        spaces = only or ("--mount", "--net", "--uts", "--ipc", f"--pid=/proc/{self.pid}/ns/pid_for_children")
        return ["nsenter", f"--target={self.pid}", *spaces, "--"]

    def start(
        self,
        command: Sequence[str] | str,
        *,
        given: str = "",
        env: dict[str, str] | None = None,
        cwd: Path | str = REPOSITORY,
        pass_fds: Sequence[int] = (),
    ) -> Process:
        """Start a command and let it run. A string is given to sh; `given` is its standard input."""
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        process = Process(
            [*self.enter(), "env", f"--chdir={cwd}", *argv],
            given=given,
            env=ENVIRONMENT | (env or {}),
            pass_fds=pass_fds,
        )
        self._processes.append(process)
        return process

    def run(
        self, command: Sequence[str] | str, *, timeout: float = PATIENCE, check: bool = False, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; takes what `start` takes. What it leaves in the background runs on."""
        process = self.start(command, **more)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise subprocess.TimeoutExpired(command, timeout, process.written(), process.complaints()) from error
        else:
            done = subprocess.CompletedProcess(command, process.returncode, process.written(), process.complaints())
        finally:
            process.close()
            self._processes.remove(process)
        if check:
            done.check_returncode()
        return done

    def write(self, path: str, text: str) -> None:
        """A file that only root of this host may read."""
        self.run(["install", "-D", "--mode=600", "/dev/stdin", path], given=text, check=True)

    def round_trip(self, address: str, *, count: int = 1, timeout: float = 5.0) -> float | None:
        """Milliseconds of the fastest of `count` pings; None when one of them stays without an answer."""
        argv = ["ping", "-n", "-i", "0.1", "-c", str(count), "-W", str(timeout), address]
        done = self.run(argv, timeout=count * (timeout + 1) + PATIENCE)
        times = [float(ms) for ms in re.findall(r" time=([0-9.]+) ms", done.stdout)]
        return min(times) if len(times) == count else None

    def ping(self, address: str, *, count: int = 1, timeout: float = 5.0) -> bool:
        return self.round_trip(address, count=count, timeout=timeout) is not None

    def wg_dump(self, interface: str = "wg0") -> list[list[str]]:
        """The lines of `wg show INTERFACE dump` in fields: first the interface, then a line a peer; wg(8)."""
        done = self.run(["wg", "show", interface, "dump"], check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def publish(self, port: int) -> int:
        """Make a TCP port of this host reachable on this machine's loopback; the answer is the port there.

        A socket stays in the network it was made in. So the listening one is made here and handed to a relay
        that runs in the host and connects there."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            relay = [sys.executable, __file__, str(listener.fileno()), self.address, str(port)]
            self.start(relay, pass_fds=[listener.fileno()])
            return int(listener.getsockname()[1])

    def release(self) -> None:
        """Let go of the holder: the kernel ends all processes of this host."""
        if self._holder.stdin and not self._holder.stdin.closed:
            self._holder.stdin.close()

    def wait(self) -> None:
        for process in self._processes:
            process.close()
        self._processes.clear()
        self._holder.wait()


AnyHost = TypeVar("AnyHost", bound=Host)


class Lab:
    """Hosts in one network, 203.0.113.0/24 by habit, joined by a bridge in one more: the internet."""

    def __init__(self) -> None:
        self.hosts: list[Host] = []

    def __enter__(self) -> Self:
        require_root_and_tools()
        try:
            self.internet = Host("internet")
            self.hosts.append(self.internet)
            self.internet.run(["ip", "-batch", "-"], given="link add br0 type bridge\nlink set br0 up\n", check=True)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def host(self, name: str, address: str, *, forwarding: bool = False) -> Host:
        """A new machine that all others reach. `name`: at most 15 characters, for its cable bears it too."""
        return self.join(Host(name, forwarding=forwarding), address)

    def join(self, host: AnyHost, address: str) -> AnyHost:
        """Give a machine its cable and address."""
        self.hosts.append(host)
        host.address = address
        self._cable(host)
        host.run(
            ["ip", "-batch", "-"],
            given=f"addr add {address}/{NETWORK_SIZE} dev eth0\nlink set eth0 up\n",
            check=True,
        )
        return host

    def close(self) -> None:
        for host in self.hosts:
            host.release()
        for host in self.hosts:
            host.wait()
        self.hosts.clear()

    def _cable(self, host: Host) -> None:
        # Both ends are made inside: no link ever shows up on this machine. Only the network is entered, for
        # the number of the host's process means something out here alone.
        plan = f"link add {host.name} type veth peer name eth0 netns {host.pid}\nlink set {host.name} master br0 up\n"
        argv = [*self.internet.enter("--net"), "ip", "-batch", "-"]
        subprocess.run(argv, input=plan, text=True, check=True, env=ENVIRONMENT, capture_output=True)


def footprint() -> dict[str, object]:
    """What a lab could change on this machine itself; the same before, during and after."""
    return {
        "network interfaces": sorted(os.listdir("/sys/class/net")),  # noqa: PTH208
        "WireGuard's files": [
            (str(path), path.stat().st_mtime_ns)
            for folder in ("/etc/wireguard", "/run/wireguard")
            for path in sorted(Path(folder).glob("**/*"))
        ],
        "named network namespaces": sorted(Path("/run/netns").glob("*")),
        "firewall": subprocess.run(
            ["nft", "--stateless", "list", "ruleset"], check=True, env=ENVIRONMENT, capture_output=True
        ).stdout,
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
    }


def require_root_and_tools() -> None:
    if os.geteuid() != 0:
        raise LabUnavailable("A network lab needs namespaces of its own: run as root (sudo make demo).")
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=ENVIRONMENT["PATH"])]
    if missing:
        raise LabUnavailable(f"A network lab needs these commands: {', '.join(missing)}.")
    if not Path("/dev/net/tun").exists():
        raise LabUnavailable("A network lab needs /dev/net/tun: run modprobe tun.")


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _relay(listener: socket.socket, address: str, port: int) -> None:
    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(address, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))

    server = await asyncio.start_server(join, sock=listener)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_relay(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], int(sys.argv[3])))
