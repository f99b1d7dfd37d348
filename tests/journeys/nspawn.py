"""Machines of the lab that are whole Debian systems: systemd as the first process, units, timers, users, apt.

    with Lab() as lab:
        machine = lab.join(Machine("debian12", debian_root("bookworm")), "203.0.113.11")
        machine.boot()
        machine.reboot()
        machine.run(["systemctl", "status"])

What a machine changes is laid over its root file system, in memory: it survives a reboot and is gone with the lab.
All of it runs inside the namespaces of a host of the lab, so it ends as surely as a host does.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.journeys.lab import ENVIRONMENT, Host, LabUnavailable, Process, first_child

PLACE = "/run/machine"
BOOT_PATIENCE = 120.0
ASKED_TO_REBOOT = 133  # how systemd-nspawn ends then

# Cgroups of version 2 alone are all that newer systemds accept.
LAY_ROOT = rf"""
set -e
mkdir {PLACE}
mount -n -t tmpfs -o mode=755 tmpfs {PLACE}
mkdir {PLACE}/upper {PLACE}/work {PLACE}/root
mount -n -t overlay -o "lowerdir=$1,upperdir={PLACE}/upper,workdir={PLACE}/work" overlay {PLACE}/root
mount -n -t tmpfs tmpfs /sys/fs/cgroup
mount -n -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$3"
mknod -m 0666 {PLACE}/tun c 10 200
echo "$2" >{PLACE}/root/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$2" >{PLACE}/root/etc/hosts
"""
NSPAWN = r"""
echo 0 >"/sys/fs/cgroup/$1/cgroup.procs"
shift
exec systemd-nspawn "$@"
"""
BOOT = [
    *["--quiet", "--boot", f"--directory={PLACE}/root", "--network-namespace-path=/proc/1/ns/net"],
    *["--capability=CAP_NET_ADMIN", f"--bind={PLACE}/tun:/dev/net/tun", "--resolv-conf=off", "--timezone=off"],
    *["--register=no", "--keep-unit", "--link-journal=no", "--console=pipe"],
]
DROP_CGROUP = r"""
mount -n -t cgroup2 cgroup2 /sys/fs/cgroup
find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} +
"""


class Machine(Host):
    """One such machine, off at first. `name` is its host name as well."""

    def __init__(self, name: str, root: Path) -> None:
        if not shutil.which("systemd-nspawn"):
            raise LabUnavailable("A whole Debian needs systemd-nspawn: apt-get install systemd-container.")
        super().__init__(name)
        self._init: int | None = None
        self._cgroup = f"wireguard-hub-test-{os.getpid()}-{name}"
        self.run(["sh", "-c", LAY_ROOT, "sh", str(root), name, self._cgroup], check=True)

    def boot(self) -> None:
        """Switch it on; returns when all its units are up."""
        argv = ["sh", "-c", NSPAWN, "sh", self._cgroup, *BOOT, f"--machine={self.name}"]
        self._system = self.start(argv, env={"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"})
        self._wait(lambda: self._find_init() is not None)
        self._init = self._find_init()
        self._wait(lambda: self.run(["systemctl", "is-system-running", "--wait"]).stdout == "running\n")

    def reboot(self) -> None:
        """As its root would do it."""
        self.run(["systemctl", "reboot"])
        ended = self._system.wait(BOOT_PATIENCE)
        assert ended == ASKED_TO_REBOOT, self._system.complaints()
        self._init = None
        self.boot()

    def lose_power(self) -> None:
        """Off at once; boot it again."""
        assert self._init is not None
        os.kill(self._init, signal.SIGKILL)
        self._system.wait(BOOT_PATIENCE)
        self._init = None

    def enter(self, *only: str) -> list[str]:
        """The command that enters the system when it is up, else the bare host around it."""
        if self._init is None:
            return super().enter(*only)
        spaces = only or ("--mount", "--net", "--uts", "--ipc", "--pid", "--cgroup")
        return ["nsenter", f"--target={self._init}", *spaces, "--"]

    def start(
        self, command: Any, *, env: dict[str, str] | None = None, cwd: Path | str = "/root", **more: Any
    ) -> Process:
        return super().start(command, env={"HOME": "/root"} | (env or {}), cwd=cwd, **more)

    def file(self, path: str) -> Path:
        """A file of the system while it is up, as seen from outside."""
        return Path(f"/proc/{self._init}/root{path}")

    def wait(self) -> None:
        super().wait()
        subprocess.run(["unshare", "--mount", "sh", "-c", DROP_CGROUP, "sh", self._cgroup], env=ENVIRONMENT)

    def _find_init(self) -> int | None:
        """The first process of the system, once nspawn has become systemd in it."""
        nspawn = first_child(self._system.pid)
        init = nspawn and first_child(nspawn)
        with contextlib.suppress(OSError):  # it may have ended just now
            if init and Path(f"/proc/{init}/comm").read_text() == "systemd\n":
                return init
        return None

    def _wait(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + BOOT_PATIENCE
        while not holds():
            if self._system.poll() is not None or time.monotonic() > deadline:
                raise LabUnavailable(f"{self.name} does not boot: {self._system.complaints()}{self._system.written()}")
            time.sleep(0.02)
