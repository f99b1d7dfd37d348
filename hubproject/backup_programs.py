"""The programs behind backup and restore: gpg, pg_dump, pg_restore, and the operator's own copy command.

No secret is ever an argument or in an environment: each reaches its program by a descriptor of a file in memory.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
COPY_SECONDS = 3600
# The programs of PostgreSQL speak of what they do; only their last line says what is wrong.
_PACKAGES = {"gpg": "gnupg", "pg_dump": "postgresql-client", "pg_restore": "postgresql-client"}
_GPG = ["gpg", "--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback"]
_SYMMETRIC = ["--symmetric", "--cipher-algo", "AES256", "--s2k-digest-algo", "SHA512", "--s2k-count", "65011712"]


class BackupError(Exception):
    """A backup could not be made, read or restored; the message is one plain line without anything secret in it."""


class ProgramFailed(BackupError):
    """A program ended with an error."""


# --- gpg ----------------------------------------------------------------------------------------------------------


@contextmanager
def encrypting(file: IO[bytes], *, passphrase: str = "", recipient: str = "") -> Iterator[IO[bytes]]:
    """What is written to the yielded pipe arrives encrypted in `file`: for the key in the file `recipient`, if named.

    Raises ProgramFailed at the end when not all of it arrived; a fault of the writer ends gpg in the middle.
    """
    with _gpg_home() as home, ExitStack() as stack:
        # The key comes from a file, and so nobody has to say how far it is trusted.
        how, descriptors = ["--encrypt", "--cipher-algo", "AES256", "--recipient-file", recipient], []
        if not recipient:
            secret = stack.enter_context(file_in_memory(passphrase.encode() + b"\n"))
            descriptors, how = [secret.fileno()], [*_SYMMETRIC, "--passphrase-fd", str(secret.fileno())]
        command = [*_GPG, "--no-autostart", "--homedir", home, *how, "--output", "-"]
        with _running(command, stdin=subprocess.PIPE, stdout=file, pass_fds=descriptors) as gpg:
            assert gpg.stdin is not None  # noqa: S101 - a pipe was asked for
            with suppress(BrokenPipeError):  # gpg has given up, and its exit status says so
                yield gpg.stdin
            with suppress(BrokenPipeError):
                gpg.stdin.close()


@contextmanager
def decrypted(path: Path, *, passphrase: str = "", key: Path | None = None) -> Iterator[IO[bytes]]:
    """The clear content of an encrypted file, in memory, once gpg has found all of it untouched.

    `key` is a file with the recipient's secret key. Raises ProgramFailed.
    """
    with _gpg_home() as home, file_in_memory(passphrase.encode() + b"\n") as secret, file_in_memory() as content:
        by = ["--homedir", home, "--passphrase-fd", str(secret.fileno())]
        if key is not None:
            _run([*_GPG, *by, "--import", str(key)], pass_fds=[secret.fileno()])
            secret.seek(0)
        agent = [] if key is not None else ["--no-autostart"]
        with path.open("rb") as source:
            command = [*_GPG, *agent, *by, "--decrypt"]
            _run(command, stdin=source, stdout=content, pass_fds=[secret.fileno()])
        content.seek(0)
        yield content


def is_for_a_key(path: Path) -> bool:
    """Whether a file is encrypted for somebody's key rather than with a passphrase: its first packet says so."""
    with path.open("rb") as file:
        first = file.read(1)
    tag = first[0] if first else 0
    return (tag & 0x3F if tag & 0x40 else tag >> 2 & 0x0F) == 1  # RFC 4880, 4.2 and 5.1


@contextmanager
def _gpg_home() -> Iterator[str]:
    """A directory of gpg's own in memory where there is any, without keys or settings; no agent outlives it."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of our own in it, readable by us alone
    parent = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="hub-gpg-", dir=parent, ignore_cleanup_errors=True) as home:
        try:
            yield home
        finally:
            if Path(home, "S.gpg-agent").exists():
                with suppress(BackupError):
                    _run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"])


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


@contextmanager
def dumping(dsn: str, password: str, *, snapshot: str, without: str) -> Iterator[IO[bytes]]:
    """The custom archive of pg_dump as of a snapshot, without the schemas of a pattern."""
    what = [f"--snapshot={snapshot}", f"--exclude-schema={without}", "--no-owner", "--no-privileges"]
    command = ["pg_dump", "--format=custom", "--no-password", *what, f"--dbname={dsn}"]
    with _password_file(password) as secret:
        environment = {"PGPASSFILE": f"/proc/self/fd/{secret.fileno()}"}
        with _running(command, stdout=subprocess.PIPE, pass_fds=[secret.fileno()], environment=environment) as dump:
            assert dump.stdout is not None  # noqa: S101 - a pipe was asked for
            yield dump.stdout


@contextmanager
def as_statements(archive: IO[bytes]) -> Iterator[IO[bytes]]:
    """The statements of a custom archive, as psql would read them."""
    archive.seek(0)
    command = ["pg_restore", "--no-owner", "--no-privileges", "--file=-"]
    with _running(command, stdin=archive, stdout=subprocess.PIPE) as restore:
        assert restore.stdout is not None  # noqa: S101 - a pipe was asked for
        yield restore.stdout


@contextmanager
def _password_file(password: str) -> Iterator[IO[bytes]]:
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    with file_in_memory(f"*:*:*:*:{escaped}\n".encode()) as file:
        os.fchmod(file.fileno(), 0o600)  # libpq ignores one that others could read
        yield file


# --- The copy command ---------------------------------------------------------------------------------------------


def copy_elsewhere(command: str, path: Path) -> None:
    """Runs the operator's command with the file's path behind it. Raises ProgramFailed."""
    _run([*shlex.split(command), str(path)], seconds=COPY_SECONDS)


# --- Any program --------------------------------------------------------------------------------------------------


@contextmanager
def file_in_memory(content: bytes = b"") -> Iterator[IO[bytes]]:
    """A file without a name, in no directory of any disk."""
    with os.fdopen(os.memfd_create("backup"), "w+b") as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield file


def _run(command: Sequence[str], *, seconds: float | None = None, **streams: Any) -> None:
    with _running(command, **streams) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{command[0]} took longer than {seconds:.0f} seconds.") from None


@contextmanager
def _running(
    command: Sequence[str], *, environment: dict[str, str] | None = None, **streams: Any
) -> Iterator["subprocess.Popen[bytes]"]:
    """The program while it runs; ended when the block fails. Raises ProgramFailed unless it ends well."""
    name = Path(command[0]).name
    program = shutil.which(command[0], path=PROGRAM_PATH)
    if program is None:
        how = f": install the package {_PACKAGES[name]}" if name in _PACKAGES else ""
        raise ProgramFailed(f"{name} is not there{how}.")
    variables = {"PATH": PROGRAM_PATH, "LC_ALL": "C", "HOME": str(Path.home()), **(environment or {})}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **streams}
    with file_in_memory() as errors:
        process = subprocess.Popen([program, *command[1:]], stderr=errors, env=variables, **streams)  # noqa: S603 - no shell
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            for pipe in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):
                    if pipe is not None:
                        pipe.close()
            process.wait()
        if process.returncode:
            raise ProgramFailed(f"{name} failed: {_last_line(errors) or f'exit status {process.returncode}'}.")


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("gpg: ").rstrip(".")[:200] if lines else ""
