"""`make run`: web and agent together on one machine, started together and stopped together."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.utils import timezone

STOP_SECONDS = 20


def main() -> int:
    """Prepares the database, says where to go, and runs both processes until a signal or until one of them ends."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hubproject.settings")
    try:
        django.setup()
        call_command("migrate", verbosity=0)
    except ImproperlyConfigured as mistake:
        sys.stderr.write(f"{mistake}\n")
        return 1
    sys.stdout.write(_welcome())
    sys.stdout.flush()
    with _children(_web(), _agent()) as children:
        return _wait(children)


def _web() -> list[str]:
    return [sys.executable, "-m", "gunicorn", "--config", "python:hubproject.gunicorn_conf"]


def _agent() -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), "hub_agent"]


def _welcome() -> str:
    from hubproject.access import make_setup_code
    from hubproject.accounts import first_admin_is_wanted
    from hubproject.audit import Caller
    from wireguard.models import HubConfig

    lines = [f"The hub serves at {settings.HUB_PUBLIC_URL} (admin pages: {settings.HUB_PUBLIC_URL}/admin/)"]
    has_hub, wants_admin = HubConfig.objects.exists(), first_admin_is_wanted()
    if wants_admin or not has_hub:
        code = make_setup_code(by=Caller(actor="run"), now=timezone.now())
        lines.append(f"The setup code is {code}")
    if wants_admin:
        lines.append(f"Nobody can sign in yet. Make the first admin with that code at {settings.HUB_PUBLIC_URL}/setup")
    if not has_hub:
        lines += [
            "The hub is not set up yet. In another terminal:",
            "  .venv/bin/python manage.py init_hub --network 10.0.1.0/24 --endpoint THIS-MACHINE:51820",
            "or POST /api/hub/initialize with the setup code in the header X-Setup-Code.",
        ]
    if not _may_manage_interfaces():
        lines.append(
            "Started without the privilege for it (root, CAP_NET_ADMIN), so the WireGuard interface is not managed: "
            "everything can be tried, but no tunnel comes up."
        )
    lines.append("Ctrl-C stops web and agent.")
    return "\n".join(lines) + "\n"


def _may_manage_interfaces() -> bool:
    """Whether this process has CAP_NET_ADMIN: bit 12 in capabilities(7)'s list."""
    status = Path("/proc/self/status")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE) if status.exists() else None
    return found is not None and bool(int(found[1], 16) >> 12 & 1)


@contextmanager
def _children(*commands: Sequence[str]) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The processes, in sessions of their own so that one Ctrl-C reaches them once: through us."""
    children = [subprocess.Popen(command, start_new_session=True) for command in commands]  # noqa: S603 - our own programs
    try:
        yield children
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
        for child in children:
            _reap(child)


def _reap(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _wait(children: "Sequence[subprocess.Popen[bytes]]") -> int:
    """0 after a signal; 1 when a child ended by itself, which stops the other as well."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(0.2):
        for child in children:
            if child.poll() is not None:
                sys.stderr.write(f"{child.args[-1]!s} ended with status {child.returncode}; stopping.\n")  # type: ignore[index]
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
