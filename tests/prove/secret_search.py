"""Plays a whole journey against the real server and then looks for every secret in everything it wrote or served."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.live import LiveHub
from tests.prove.races import fetch, issue, new_key, register, revoke

PAGES = ["/api/hub/config", "/api/hub/status", "/api/installation/tokens", "/api/spoke/list", "/api/healthz"]


def secret_search(hub: LiveHub, tokens: int) -> str:
    """Issues, uses, misuses and revokes; then finds no token, API key or private key in database, log or page."""
    issued = [issue(hub, f"secret-{number}") for number in range(tokens)]
    for number, token in enumerate(issued):
        fetch(hub, token)
        fetch(hub, token)
        hub.call("GET", f"/api/installation/script/{token.secret}")
        hub.call("GET", f"/api/installation/script/{token.secret}/elsewhere?platform=linux")
        hub.call("POST", "/api/spoke/register", {"token": token.secret, "publicKey": "rubbish", "os": "linux"})
        register(hub, token, new_key())
        register(hub, token, new_key())
        if number % 3 == 0:
            revoke(hub, token)
        hub.call("GET", f"/api/installation/token/{token.id}", role="viewer")
    private_key = re.search(r"^PrivateKey = (\S+)$", hub.manage("export_config"), re.MULTILINE)
    assert private_key is not None
    secrets = [token.secret for token in issued] + list(hub.keys.values()) + [private_key[1]]
    places = dict(everything_written(hub)) | dict(everything_served(hub))
    found = [place for place, content in places.items() for secret in secrets if secret.encode() in content]
    assert not found, found
    return f"{len(secrets)} secrets searched in {len(places)} places, {sum(map(len, places.values()))} bytes: 0 hits"


def everything_written(hub: LiveHub) -> Iterator[tuple[str, bytes]]:
    """Every file in the data directory, write-ahead log and logs included; a PostgreSQL database as SQL text."""
    for path in hub.home.rglob("*"):
        if path.is_file():
            yield str(path), Path(path).read_bytes()
    if "DATABASE_URL" in hub.environment:
        yield "dumpdata", hub.manage("dumpdata", "--all").encode()


def everything_served(hub: LiveHub) -> Iterator[tuple[str, bytes]]:
    for path in PAGES:
        yield path, str(hub.call("GET", path, role="viewer")[1]).encode()
