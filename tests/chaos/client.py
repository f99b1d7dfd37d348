"""Clients that live through enrolments and retry, as processes of the hub's machine: `python -m tests.chaos.client`.

The plan is JSON on standard input; every request leaves a line of JSON on standard output once its answer is there or
is not to come. SIGTERM ends it gently: lives that have begun go on to their end, with patience.
"""

import dataclasses
import hashlib
import http.client
import json
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.chaos.history import NO_ANSWER, Request
from wireguard.keys import generate_private_key, public_key_of

ANSWER_SECONDS = 40.0


@dataclass(frozen=True)
class Plan:
    """Who does what. `at` and `register_at` are host:port; `keys` are API keys of operators, used in turns.

    `stay` is the share of spokes that nobody removes; `pause` the seconds between two lives of one client at most.
    """

    at: str
    keys: list[str]
    register_at: str = ""
    clients: int = 6
    seed: int = 1
    lives: int = 1_000_000
    pause: float = 0.0
    patience: float = 120.0
    stay: float = 0.5
    kind: str = "enrolment"


class GivesUp(Exception):
    """Nobody gave a definite answer for as long as the client's patience lasts."""


class Client:
    """One client; what it does next is decided by its own seeded dice."""

    def __init__(self, number: int, plan: Plan, tell: Callable[[Request], None]) -> None:
        self._plan = plan
        self._number = number
        self._dice = random.Random(f"{plan.seed}/{number}")
        self._tell = tell
        self._headers = {"Authorization": f"Bearer {plan.keys[number % len(plan.keys)]}"}

    def run(self, stop: threading.Event) -> None:
        life = {"enrolment": self.enrolment, "issue": self.issue_only, "calm": self.calm}[self._plan.kind]
        for number in range(self._plan.lives):
            if stop.is_set():
                return
            try:
                life(f"c{self._number}-{number}-{self._plan.kind}")
            except GivesUp:
                return
            stop.wait(self._dice.random() * self._plan.pause)

    # --- Lives ----------------------------------------------------------------------------------------------------

    def issue_only(self, name: str) -> None:
        self._issue(name)

    def calm(self, name: str) -> None:
        secret = self._issue(name)
        self._register(name, secret, _new_key())

    def enrolment(self, name: str) -> None:
        """From the token to a spoke, and often off again, with what impatient people do in between."""
        secret, key = self._issue(name), _new_key()
        if self._happens(0.1):
            secret = self._reissue(name, secret, key)
        if self._happens(0.3):
            self._persist("fetch", name, "GET", f"/api/installation/script/{secret}?platform=linux", token=secret)
        if self._happens(0.1):
            self._persist("revoke", name, "DELETE", f"/api/installation/token/{self._token_id}", token=secret)
            self._register(name, secret, key)
            return
        answer = self._register(name, secret, key)
        if "spokeId" in answer:
            self._life_as_spoke(name, secret, key, answer["spokeId"])

    def _life_as_spoke(self, name: str, secret: str, key: str, spoke: str) -> None:
        status = ("GET", f"/api/spoke/{spoke}/status")
        self._persist("status", name, *status, spoke=spoke)
        if self._happens(0.3):
            self._register(name, secret, key)
        if self._happens(0.2):
            self._register(name, secret, _new_key())
        if self._happens(0.1):
            self._persist("list", name, "GET", f"/api/spoke/list?search={name}")
        if not self._happens(self._plan.stay):
            self._persist("remove", name, "DELETE", f"/api/spoke/{spoke}", spoke=spoke, token=secret)
            self._persist("status", name, *status, spoke=spoke)
            self._register(name, secret, key)

    def _happens(self, share: float) -> bool:
        return self._dice.random() < share

    # --- Acts -----------------------------------------------------------------------------------------------------

    def _issue(self, name: str) -> str:
        """A secret for this name, also where the answer with the first one was lost."""
        status, answer = self._persist("issue", name, "POST", "/api/installation/token", {"spokeName": name})
        for _ in range(5 if status == 409 else 0):
            path = f"/api/installation/tokens?status=unused&search={name}"
            _, found = self._persist("find", name, "GET", path)
            ids = [token["id"] for token in found["tokens"] if token["spokeName"] == name]
            path = f"/api/installation/token/{ids[0] if ids else 'none'}/reissue"
            status, answer = self._persist("reissue", name, "POST", path)
            if status == 201:
                break
        if status != 201:
            raise GivesUp
        self._token_id = answer["token"]["id"]
        return str(answer["token"]["token"])

    def _reissue(self, name: str, secret: str, key: str) -> str:
        """A new secret; the old one is tried, too."""
        path = f"/api/installation/token/{self._token_id}/reissue"
        status, answer = self._ask("reissue", name, "POST", path, replaces=secret)
        if status != 201:
            # Whether it has worked nobody knows, so the newest is asked for by name.
            new = self._issue(name)
        else:
            self._token_id, new = answer["token"]["id"], str(answer["token"]["token"])
        self._register(name, secret, key)
        return new

    def _register(self, name: str, secret: str, key: str) -> dict[str, Any]:
        body = {"token": secret, "publicKey": key, "os": "linux"}
        return self._persist("register", name, "POST", "/api/spoke/register", body, token=secret, key=key)[1]

    def _persist(self, act: str, name: str, *what: Any, **about: str) -> tuple[int, dict[str, Any]]:
        """The first definite answer."""
        began = time.monotonic()
        while True:
            status, answer = self._ask(act, name, *what, **about)
            if status not in {NO_ANSWER, 503}:
                return status, answer
            if time.monotonic() - began > self._plan.patience:
                raise GivesUp
            time.sleep(0.2 + 0.3 * self._dice.random())

    def _ask(
        self, act: str, name: str, method: str, path: str, body: Any = None, **about: str
    ) -> tuple[int, dict[str, Any]]:
        about = {what: _sha256(value) if what in {"token", "replaces"} else value for what, value in about.items()}
        began = time.monotonic()
        status, answer = self._exchange(method, path, body, to_register=act == "register")
        ended = time.monotonic()
        if "token" in answer:
            about["token"] = _sha256(answer["token"]["token"])
        told = {kind: value for kind, value in answer.items() if not kind.endswith("Commands")}
        self._tell(Request(act, name, began, ended, status, _without_secret(told), **about))
        return status, answer

    def _exchange(self, method: str, path: str, body: Any, *, to_register: bool) -> tuple[int, dict[str, Any]]:
        where = self._plan.register_at if to_register and self._plan.register_at else self._plan.at
        connection = http.client.HTTPConnection(where, timeout=ANSWER_SECONDS)
        headers = {"Content-Type": "application/json", "Host": self._plan.at}
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, headers if to_register else headers | self._headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return NO_ANSWER, {}
        finally:
            connection.close()
        return answer.status, json.loads(text) if text.startswith(b"{") else {}


def _new_key() -> str:
    return public_key_of(generate_private_key())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _without_secret(answer: dict[str, Any]) -> dict[str, Any]:
    if "token" not in answer:
        return answer
    return answer | {"token": {name: answer["token"][name] for name in ("id", "allowedIPs", "spokeName")}}


def main() -> None:
    plan, lock, stop = Plan(**json.load(sys.stdin)), threading.Lock(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def tell(request: Request) -> None:
        with lock:
            print(json.dumps(dataclasses.asdict(request)), flush=True)

    threads = [threading.Thread(target=Client(number, plan, tell).run, args=[stop]) for number in range(plan.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)  # a signal is handled between two waits


if __name__ == "__main__":
    main()
