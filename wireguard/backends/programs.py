"""The machine's own programs: run, and what may be repeated of their complaints.

The only module of the agent's that starts processes.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from typing import NoReturn

from wireguard.backends.contract import BackendError, BackendUnavailable, PrivilegeMissing
from wireguard.configtext import check_interface_name

PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Finished = subprocess.CompletedProcess[str]

_PACKAGES = {"wg": "wireguard-tools", "ip": "iproute2", "nft": "nftables", "wireguard-go": "wireguard-go"}
_LACKING_PRIVILEGE = re.compile(r"Operation not permitted|Permission denied|must be root")
# The one thing wg(8) says that cannot hold part of a key; its complaints about input quote that input.
_HARMLESS_WG_ERROR = re.compile(r"^Unable to (?:access|modify) interface: ([A-Z][a-z]+(?: [a-z]+)*)$", re.MULTILINE)


class Programs:
    """Runs programs: each for `timeout` seconds at most, and found in `path`, which has the form of PATH."""

    def __init__(self, *, timeout: float, path: str) -> None:
        self._timeout = timeout
        # Nothing is inherited: the C locale keeps messages recognisable, no variable changes what wg does.
        self._environment = {"PATH": path, "LC_ALL": "C"}

    def output(self, arguments: list[str], *, standard_input: str | None = None, timeout: float | None = None) -> str:
        """What the program printed; BackendError when it did not end well."""
        finished = self.finished(arguments, standard_input=standard_input, timeout=timeout)
        if finished.returncode != 0:
            raise failure_of(finished)
        return finished.stdout

    def finished(
        self,
        arguments: list[str],
        *,
        standard_input: str | None = None,
        timeout: float | None = None,
        leaves_daemon: bool = False,
    ) -> Finished:
        """The program after it ended by itself, whatever its exit status; BackendError when it did not.

        What leaves a daemon behind runs in a session of its own and prints to nobody: the daemon would hold our pipes
        open for as long as it lives.
        """
        output = subprocess.DEVNULL if leaves_daemon else subprocess.PIPE
        try:
            return subprocess.run(  # noqa: S603 - a list of arguments, no shell, nothing of it from a user
                arguments,
                input=standard_input,
                stdin=subprocess.DEVNULL if standard_input is None else None,
                stdout=output,
                stderr=output,
                env=self._environment,
                timeout=self._timeout if timeout is None else timeout,
                start_new_session=leaves_daemon,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = _start_problem(arguments, error)
        # Raised out here because a timeout's exception carries what the program printed, keys included.
        raise problem


def become_wireguard_go(name: str) -> NoReturn:
    """This process turns into wireguard-go, in the foreground; it ends with the interface."""
    os.execvpe("wireguard-go", ["wireguard-go", "-f", check_interface_name(name)], {"PATH": PROGRAM_PATH})  # noqa: S606, S607 - found in PROGRAM_PATH


def _start_problem(arguments: list[str], error: OSError | subprocess.TimeoutExpired) -> BackendError:
    program = arguments[0]
    if isinstance(error, subprocess.TimeoutExpired):
        return BackendError(f"`{_shortened(arguments)}` did not answer within {error.timeout:g} s and was ended.")
    if isinstance(error, FileNotFoundError):
        return BackendUnavailable(
            f"{program} is not installed (Debian and Ubuntu: apt-get install {_PACKAGES[program]})."
        )
    if isinstance(error, PermissionError):
        return BackendUnavailable(f"This process may not run {program}.")
    return BackendError(f"{program} could not be started: {error.strerror}.")


_HINTS = {
    # The interface was given addresses of its own before: what is in use is its port.
    "Address already in use": "Another program has its UDP port: ss -lunp shows which.",
    "Protocol not supported": "What bears that name is no interface of WireGuard, or its wireguard-go answers no more: "
    "once it is taken away (ip link delete), it is made anew.",
}


def failure_of(finished: Finished) -> BackendError:
    """What to say of a program that ended with an error."""
    command = _shortened(finished.args)
    if _LACKING_PRIVILEGE.search(finished.stderr):
        return PrivilegeMissing(f"`{command}` was refused: this process lacks the privilege (CAP_NET_ADMIN).")
    reason = _quotable(finished.args[0], finished.stderr.strip())
    hint = next((f" {hint}" for words, hint in _HINTS.items() if words in reason), "")
    return BackendError(f"`{command}` failed with exit status {finished.returncode}{reason}.{hint}")


def _quotable(program: str, complaint: str) -> str:
    """What may be repeated of a program's complaint: of wg(8), which is given keys, next to nothing."""
    if program != "wg":
        return f": {complaint.splitlines()[0].rstrip('.')}" if complaint else ""
    harmless = _HARMLESS_WG_ERROR.search(complaint)
    return f": {harmless[1]}" if harmless else ""


def _shortened(arguments: Sequence[str]) -> str:
    return " ".join(arguments[:6]) + (" …" if len(arguments) > 6 else "")
