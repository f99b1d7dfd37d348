"""Root file systems of Debian releases, built once with mmdebstrap and kept in this user's cache.

A root is never written to again: machines lay their own changes over it. Each holds the packages of an ordinary server
and, in apt's cache, those that an install script may ask for, so that apt inside works without a network.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13"}

# wireguard-go stands for the kernel's WireGuard, which the kernel that runs the tests may lack.
INSTALLED = [
    *["systemd-sysv", "dbus", "kmod", "iproute2", "iputils-ping", "procps"],
    *["curl", "ca-certificates", "sudo", "wireguard-go"],
]
# What a machine may be asked to install: a spoke by its script, a hub by deploy/install.sh.
IN_APT_CACHE = {
    "spoke": ["wireguard-tools", "systemd-resolved"],
    "hub": [
        *["wireguard-tools", "nftables", "nginx", "python3", "python3-venv", "gnupg", "openssl", "certbot"],
        *["postgresql", "ufw"],
    ],
}

# The name server of whoever builds is not to be found in a lab; the lab's hub refuses at once.
FINISH = """
set -e
chroot "$1" apt-get clean
chroot "$1" apt-get install -y --no-install-recommends --download-only {packages}
echo 'nameserver 203.0.113.1' >"$1/etc/resolv.conf"
"""

# In namespaces of its own, so that a build that is killed leaves no process and no mount inside the unfinished root.
BUILD = [
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "mmdebstrap",
    "--mode=root",
    "--quiet",
]


class RootUnavailable(Exception):
    """This release cannot be had here; the message says why."""


def debian_root(release: str, *, for_a: str = "spoke") -> Path:
    """The root file system of a release in RELEASES, built if there is none yet: half a minute, 400 MB."""
    root = cache() / f"{release}-{_recipe(release, for_a)}"
    if not root.exists():
        cache().mkdir(parents=True, exist_ok=True)
        with only_one_build():
            if not root.exists():
                _build(release, for_a, root)
    return root


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wireguard-hub-tests"


def _command(release: str, for_a: str) -> list[str]:
    included = ["--variant=minbase", f"--include={','.join(INSTALLED)}"]
    finish = FINISH.format(packages=" ".join(IN_APT_CACHE[for_a]))
    return [*BUILD, *included, "--skip=cleanup/apt", f"--customize-hook={finish}", release]


def _recipe(release: str, for_a: str) -> str:
    return hashlib.sha256("\0".join(_command(release, for_a)).encode()).hexdigest()[:12]


@contextmanager
def only_one_build() -> Iterator[None]:
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(release: str, for_a: str, root: Path) -> None:
    unfinished = cache() / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    if not shutil.which("mmdebstrap"):
        raise RootUnavailable("apt-get install mmdebstrap")
    done = subprocess.run([*_command(release, for_a), unfinished], capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise RootUnavailable(f"{RELEASES[release]} ({release}) could not be built: {done.stderr.strip()[-600:]}")
    unfinished.rename(root)
