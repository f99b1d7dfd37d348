"""A throw-away machine on which every command is seen before it runs, and every change to its files is found."""

import os
import shutil
import stat
import time
from pathlib import Path

from tests.tokens.machine import RECORD, Machine

# Stands before each command of the machine. Nothing but builtins, so that it starts no command itself.
SHIM = r"""#!/usr/bin/dash
printf '%s\0' "${0##*/}" "$@" >>/shim/arguments
export -p >>/shim/environments
printf '%s\n' "${0##*/} $*" >>/shim/commands
if [ -e /shim/kill-at ]; then
    read -r kill_at group </shim/kill-at
    count=0
    echo >>/shim/count
    while read -r _; do count=$((count + 1)); done </shim/count
    [ "$count" -lt "$kill_at" ] || { kill -s KILL -- "-$group" $$; }
fi
exec "/shim/real/${0##*/}" "$@"
"""
OURS = {"shim", "record", "upper"}
RECORDS = ("arguments", "environments", "commands", "count", "trace")


class TracedMachine(Machine):
    """A machine whose commands pass through a shim, whoever calls them by name."""

    def __init__(self, workplace: Path, shell: str = "dash"):
        super().__init__(workplace, shell)
        # What keeps it alive is itself a command.
        record = self.root / "shim/commands"
        while not record.exists() or "sleep 10000" not in self.commands():
            time.sleep(0.001)
        self.forget()

    def _put_stand_ins(self, network: bool) -> None:
        super()._put_stand_ins(network)
        sbin, real = self._tools / "usr/sbin", self._tools / "shim/real"
        shutil.copytree(sbin, real, symlinks=True)
        for directory in ("/usr/sbin", "/usr/bin"):
            for path in Path(directory).iterdir():
                if not (real / path.name).is_symlink() and not (real / path.name).exists():
                    (real / path.name).symlink_to(path)
        shutil.rmtree(sbin)
        sbin.mkdir()
        for path in real.iterdir():
            (sbin / path.name).symlink_to("/shim/shim")
        self._write(self._tools / "shim/shim", SHIM)

    def put_tool(self, name: str, text: str = "") -> None:
        for place in (f"usr/sbin/{name}", f"shim/real/{name}"):
            (self.root / place).unlink(missing_ok=True)
        (self.root / "usr/sbin" / name).symlink_to("/shim/shim")
        self._write(self.root / "shim/real" / name, RECORD + text)

    def forget(self) -> None:
        """Empty the records, which whoever runs something there may write."""
        for name in RECORDS:
            record = self.root / "shim" / name
            record.write_bytes(b"")
            record.chmod(0o666)

    def seen(self, record: str) -> bytes:
        return (self.root / "shim" / record).read_bytes()

    def commands(self) -> list[str]:
        """Every command that was started, with its arguments. One with a program for awk takes several lines."""
        return self.seen("commands").decode(errors="replace").splitlines()

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Mode and content of all that differs from the machine as it was built, by path."""
        found: dict[str, tuple[int, bytes]] = {}
        for base in ("upper", "run", "tmp"):
            found |= self._files_below(base)
        return found

    def _files_below(self, base: str) -> dict[str, tuple[int, bytes]]:
        top = self.root / base
        found = {}
        for directory, names, others in os.walk(top):
            place = Path(directory)
            if place == top:
                names[:] = [name for name in names if name not in OURS]
            for name in names + others:
                path = place / name
                inner = path.relative_to(top)
                if base != "upper" or not _is_same(path, Path("/") / inner):
                    found[f"{base}/{inner}"] = _description(path)
        return found

    def wait_until_quiet(self) -> None:
        """Until nothing runs on the machine any more, whoever is left of a killed run included."""
        deadline = time.monotonic() + 60
        while self.processes():
            assert time.monotonic() < deadline, "something goes on running"
            time.sleep(0.002)

    def processes(self) -> list[str]:
        """The ids of all that runs on the machine."""
        own = _namespace(str(self._process.pid))
        pids = {path.name for path in Path("/proc").glob("[0-9]*")} - {str(self._process.pid)}
        return [pid for pid in pids if _namespace(pid) == own]


def _namespace(pid: str) -> Path | None:
    try:
        return Path(f"/proc/{pid}/ns/mnt").readlink()
    except OSError:
        return None


def _description(path: Path) -> tuple[int, bytes]:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode):
        return status.st_mode, path.read_bytes()
    return status.st_mode, bytes(path.readlink()) if path.is_symlink() else b""


def _is_same(path: Path, lower: Path) -> bool:
    """Whether a copy in the upper layer is just what lies below: a directory is copied when something in it changes."""
    try:
        return _description(path) == _description(lower)
    except OSError:
        return False
