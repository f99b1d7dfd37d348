"""Clients that send their request a letter at a time, by the hundred: does anybody else still get an answer?

    .venv/bin/python -m tests.journeys.slow_clients HOST [PORT] [SOCKETS] [SECONDS]

speaks TLS to a hub at HOST, whatever its certificate, and asks /api/healthz beside 500 slow clients for a minute.
"""

import http.client
import socket
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

BETWEEN_LETTERS = 0.5
LEAST_ASKED = 3


@dataclass
class Found:
    """Of those who asked properly: how many were answered and not, and the longest wait, in seconds."""

    answered: int = 0
    refused: int = 0
    longest: float = 0.0


def slow_clients(
    ask: Callable[[], int], connect: Callable[[], socket.socket], *, sockets: int, seconds: float
) -> Found:
    """Keeps so many slow clients going for so long, and until a few were asked beside them, however slow the machine.

    One that is hung up on comes again.
    """
    found, slow = Found(), [connect() for _ in range(sockets)]
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline or found.answered + found.refused < LEAST_ASKED:
            slow = [_slowly(client, connect) for client in slow]
            _ask_beside(ask, found)
            time.sleep(BETWEEN_LETTERS)
    finally:
        for client in slow:
            client.close()
    return found


def _slowly(client: socket.socket, connect: Callable[[], socket.socket]) -> socket.socket:
    try:
        client.sendall(b"G")
    except OSError:
        client.close()
        with suppress(OSError):
            return connect()
    return client


def _ask_beside(ask: Callable[[], int], found: Found) -> None:
    started = time.monotonic()
    try:
        is_answered = ask() == 200
    except OSError:
        is_answered = False
    found.answered += is_answered
    found.refused += not is_answered
    found.longest = max(found.longest, time.monotonic() - started)


def main(host: str, port: str = "443", sockets: str = "500", seconds: str = "60") -> int:
    context = ssl._create_unverified_context()  # noqa: S323 - nothing is told to whoever answers

    def connect() -> socket.socket:
        return context.wrap_socket(socket.create_connection((host, int(port)), timeout=30), server_hostname=host)

    def ask() -> int:
        connection = http.client.HTTPSConnection(host, int(port), timeout=30, context=context)
        try:
            connection.request("GET", "/api/healthz")
            return connection.getresponse().status
        finally:
            connection.close()

    found = slow_clients(ask, connect, sockets=int(sockets), seconds=float(seconds))
    print(f"{sockets} slow clients: {found.answered} answered, {found.refused} not, longest {found.longest:.2f} s")
    return 0 if found.answered and not found.refused else 1


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 5 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
