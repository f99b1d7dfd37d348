"""A network of its own for a test: what it makes there cannot reach this machine and dies with it."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROGRAMS = ("unshare", "mount", "wg", "ip", "nft", "wireguard-go")
_CLONE_FS = 0x200
_NAMESPACES = ("pid", "net", "mnt")  # the mounts last: entering them changes the working directory

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_namespace() -> Iterator[None]:
    """Runs the body, and every program it starts, with its own network, process ids and /run.

    The first process of the namespace waits on a pipe that only we hold. When we close it or die, that one
    ends, and the kernel ends all others and takes network and mounts away.
    """
    _skip_where_impossible()
    with subprocess.Popen(
        ["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-c", _FIRST_PROCESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        try:
            if holder.stdout.readline() != b"ready\n":
                pytest.skip("this machine lets no test have namespaces of its own")
            with _entered(holder.pid):
                yield
        finally:
            holder.stdin.close()


_FIRST_PROCESS = (
    "mount -t tmpfs tmpfs /run && mkdir /run/wireguard && ip link set lo up && echo ready && exec cat >/dev/null"
)


def _skip_where_impossible() -> None:
    if os.geteuid() != 0:
        pytest.skip("real interfaces need root")
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"real interfaces need {', '.join(missing)}")


@contextmanager
def _entered(holder_pid: int) -> Iterator[None]:
    here = Path.cwd()
    child = Path(f"/proc/{holder_pid}/task/{holder_pid}/children").read_text(encoding="ascii").strip()
    ours = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in _NAMESPACES]
    theirs = [os.open(f"/proc/{child}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in _NAMESPACES]
    try:
        # A mount namespace is entered only by a thread that shares its working directory with no other.
        _succeed(_libc.unshare(_CLONE_FS))
        _enter(theirs)
        os.chdir(here)
        yield
    finally:
        _enter(ours)
        os.chdir(here)
        for descriptor in (*ours, *theirs):
            os.close(descriptor)


def _enter(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        _succeed(_libc.setns(descriptor, 0))


def _succeed(result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
