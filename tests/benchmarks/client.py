"""Machines that enrol, and people that look, over HTTP: started in a machine of the lab by `servant`."""

import http.client
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.servant import serve
from wireguard.keys import generate_private_key, public_key_of


class Client:
    def __init__(self, url: str, operator: str) -> None:
        self.url, self.operator = url, operator
        self.bodies: list[bytes] = []
        self.number = 0

    def issue(self, count: int, keys: Sequence[str] = ()) -> None:
        """Install commands for so many machines, kept for `register`; with these public keys or new ones."""
        keys = keys or [public_key_of(generate_private_key()) for _ in range(count)]
        for key in keys[:count]:
            answer = self._send("/api/installation/token", {"spokeName": f"machine-{self.number}"}, self.operator)
            body = {"token": answer["token"]["token"], "publicKey": key, "os": "linux"}
            self.bodies.append(json.dumps(body).encode())
            self.number += 1

    def register(self, count: int, clients: int = 1) -> float:
        """So many of them enrol. Returns how long that took, in seconds."""
        bodies = [self.bodies.pop() for _ in range(count)]
        started = time.monotonic()
        with ThreadPoolExecutor(clients) as pool:
            for answer in pool.map(lambda body: self._send("/api/spoke/register", body), bodies):
                assert answer["success"], answer
        return time.monotonic() - started

    def enrol(self, clients: int) -> list[str]:
        """All of them enrol. Returns what went wrong, an empty text for each where nothing did."""

        def complaint(body: bytes) -> str:
            try:
                return "" if self._send("/api/spoke/register", body)["success"] else "no success"
            except Exception as problem:  # noqa: BLE001 - whatever it is, it is counted
                return repr(problem)

        with ThreadPoolExecutor(clients) as pool:
            complaints = list(pool.map(complaint, self.bodies))
        self.bodies.clear()
        return complaints

    def bare(self, url: str, count: int, every: float = 0.0) -> None:
        """As many calls of the trivial view, each so many seconds after the one before, or right after it."""
        started, body = time.monotonic(), json.dumps({"token": "t" * 43, "publicKey": "k" * 44}).encode()
        for number in range(count):
            time.sleep(max(0.0, started + number * every - time.monotonic()))
            assert self._send(url, body)["success"]

    def get(self, path: str, count: int, cookie: str = "") -> None:
        headers = {"Cookie": f"sessionid={cookie}"} if cookie else {"Authorization": f"Bearer {self.operator}"}
        for _ in range(count):
            status, text = self._exchange("GET", path, b"", headers)
            assert status == 200, (path, status, text[:200])

    def _send(self, path: str, body: bytes | dict[str, Any], key: str = "") -> Any:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        status, text = self._exchange(
            "POST", path, body if isinstance(body, bytes) else json.dumps(body).encode(), headers
        )
        assert status == 201, (path, status, text)
        return json.loads(text)

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        where = urlsplit(path if "://" in path else self.url + path)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        connection.request(method, where.path + (f"?{where.query}" if where.query else ""), body or None, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text


if __name__ == "__main__":
    client = Client(sys.argv[1], sys.stdin.readline().strip())
    serve(enrol=client.enrol, issue=client.issue, register=client.register, bare=client.bare, get=client.get)
