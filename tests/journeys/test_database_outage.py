"""The database goes away and comes back: what is answered meanwhile, and that nobody has to restart anything."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import LiveHub, live_hub
from tests.postgres import newest_binaries, throw_away_server


class Server:
    """A PostgreSQL that can be stopped and started."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.home = Path("/" + url.partition("@//")[2]).parent

    def control(self, word: str) -> None:
        owner = (self.home / "data").stat()
        identity: dict[str, Any] = (
            {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        )
        options = f"-k {self.home} -c listen_addresses='' -c fsync=off"
        command: list[str | Path] = [
            newest_binaries() / "pg_ctl",
            "-D",
            self.home / "data",
            "-w",
            "-m",
            "immediate",
            "-o",
            options,
        ]
        subprocess.run(
            [*command, "-l", self.home / "data" / "restarted.log", word],
            **identity,
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
        )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with throw_away_server() as url:
        server = Server(url)
        yield server
        server.control("stop")


@pytest.fixture
def hub(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveHub]:
    monkeypatch.setenv("DATABASE_URL", server.url)
    with live_hub(tmp_path) as hub:
        hub.start_web()
        hub.start_agent()
        hub.wait_for(lambda: hub.health() == "ok")
        yield hub


def test_calls_are_answered_503_while_it_is_away_and_work_again_when_it_is_back(hub, server):
    assert hub.call("GET", "/api/hub/config", role="viewer")[0] == 200
    server.control("stop")
    try:
        for path in ("/api/hub/config", "/api/spoke/list"):
            status, body = hub.call("GET", path, role="viewer")
            assert (status, body["code"]) == (503, "DATABASE_UNAVAILABLE")
        body = {"token": "A" * 43, "publicKey": "x", "os": "linux"}
        assert hub.call("POST", "/api/spoke/register", body)[0] in {400, 503}
        status, health = hub.call("GET", "/api/healthz")
        assert (status, health["database"]) == (503, "down")
    finally:
        server.control("start")
    hub.wait_for(lambda: hub.call("GET", "/api/hub/config", role="viewer")[0] == 200, seconds=10)
    hub.wait_for(lambda: hub.health() == "ok")
    status, issued = hub.call("POST", "/api/installation/token", {"spokeName": "after"}, role="operator")
    assert status == 201, issued
