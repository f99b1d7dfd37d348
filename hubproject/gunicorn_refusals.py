"""What gunicorn refuses before any of our code runs, in the one shape of all refusals."""

import json
import socket
from http import HTTPStatus

from gunicorn import util

from hubproject.errors import BadRequest, InternalError

_NOT_IMPLEMENTED = HTTPStatus.NOT_IMPLEMENTED  # a transfer coding that only the client knows: his fault as well


def write_refusal(sock: socket.socket, status: int, _reason: str, _message: str) -> None:
    """In place of gunicorn's `write_error`, which writes a page of HTML that quotes what was sent."""
    refusal = InternalError() if status >= 500 and status != _NOT_IMPLEMENTED else BadRequest()
    body = json.dumps(refusal.body()).encode()
    head = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        "Connection: close",
        "Content-Type: application/json",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        f"Content-Length: {len(body)}",
    ]
    util.write_nonblock(sock, "\r\n".join([*head, "", ""]).encode() + body)
