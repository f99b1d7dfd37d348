"""What systemd is told of a service: that it is ready, how it is, and that it still lives. See sd_notify(3)."""

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable

from django.conf import settings

ANSWER_SECONDS = 20.0
RETRY_SECONDS = 0.2
# Asked of the web process to see that it answers; which answer does not matter, and no database is needed for it.
_PROBE = b"HEAD /static/hub.svg HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def notify(**states: str) -> None:
    """One datagram such as `READY=1`; nothing at all where no service manager asked for it."""
    address = settings.SERVICE_MANAGER_SOCKET
    if not address:
        return
    text = "\n".join(f"{name}={value.replace(chr(10), ' ')}" for name, value in states.items())
    # A service manager that does not listen is no reason to stop serving.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
        # Names in the abstract space are written with an @ for their leading zero byte.
        teller.sendto(text.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


class Liveness:
    """What a service says each time it has done something: ready at first, then that it lives, and any new word."""

    def __init__(self, tell: Callable[..., None] = notify) -> None:
        self._tell = tell
        self._said = ""

    def __call__(self, status: str) -> None:
        """Has done something and is in this state, one short line."""
        news = {} if status == self._said else {"READY": "1", "STATUS": status}
        self._tell(**news, WATCHDOG="1")
        self._said = status


def watch_web(bind: str) -> None:
    """Tells the service manager that web is ready once a worker answers, and that it lives for as long as one does.

    In a thread of its own, which ends with the process: gunicorn's first process answers nothing itself.
    """
    if settings.SERVICE_MANAGER_SOCKET:
        threading.Thread(target=_watch_web, args=(bind, Liveness()), daemon=True).start()


def _watch_web(bind: str, liveness: Liveness, pause: Callable[[float], object] | None = None) -> None:
    wait = pause or threading.Event().wait
    between = settings.SERVICE_MANAGER_WATCHDOG_SECONDS / 4 or 15.0
    while True:
        answers = web_answers(bind)
        if answers:
            liveness(f"answers at {bind}")
        wait(between if answers else RETRY_SECONDS)


def web_answers(bind: str) -> bool:
    """Whether a worker answers there, whatever it answers."""
    path = bind.removeprefix("unix:")
    host, _, port = bind.rpartition(":")
    is_path = path != bind
    with (
        contextlib.suppress(OSError, http.client.HTTPException),
        socket.socket(_family(host, is_path=is_path)) as asking,
    ):
        asking.settimeout(ANSWER_SECONDS)
        asking.connect(path if is_path else (_reachable(host), int(port)))
        asking.sendall(_PROBE)
        answer = http.client.HTTPResponse(asking, method="HEAD")
        answer.begin()
        return True
    return False


def _family(host: str, *, is_path: bool) -> socket.AddressFamily:
    if is_path:
        return socket.AF_UNIX
    return socket.AF_INET6 if host.startswith("[") else socket.AF_INET


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "[::]": "::1", "": "127.0.0.1"}.get(host, host.strip("[]"))  # noqa: S104 - compared, not bound
