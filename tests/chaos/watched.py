"""Live peers watched through WireGuard's own control socket while machines enrol: none may be missing, ever."""

import json
import socket
import sys
import time
import urllib.request
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.machine import HubMachine, new_peers
from tests.journeys.lab import Lab
from wireguard.keys import generate_private_key, public_key_of

EVERY_SECONDS = 0.05


def enrolments_under_watch(machines: int = 200, clients: int = 8, live: int = 100) -> str:
    with Lab() as lab:
        hub = HubMachine(lab)
        hub.start_agent()
        hub.start_web()
        peers = new_peers(live)
        hub.want_peers(peers)
        hub.host.run(f"until [ $(wg show wg0 peers | wc -l) = {live} ]; do sleep 0.05; done", timeout=60)
        watch = hub.host.start([sys.executable, "-m", "tests.chaos.watched"], given="\n".join(key for key, _ in peers))
        while "watching" not in watch.written():
            assert watch.poll() is None, watch.complaints()
            time.sleep(0.02)
        began = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "tests.chaos.watched",
            hub.settings["HUB_PUBLIC_URL"],
            str(machines),
            str(clients),
        ]
        done = hub.host.run(command, given=hub.keys["operator"], timeout=300)
        took = time.monotonic() - began
        assert done.returncode == 0, done.stderr[-2000:]
        hub.host.run(f"until [ $(wg show wg0 peers | wc -l) = {live + machines} ]; do sleep 0.05; done", timeout=60)
        watch.send_signal(15)
        watch.wait(60)
        looks, missing = map(int, watch.written().split()[1:])
    assert looks > took / EVERY_SECONDS / 4, f"only {looks} looks in {took:.0f} s"
    assert missing == 0, f"{missing} of {looks} looks found a live peer missing"
    return (
        f"{clients} clients enrolled {machines} machines in {took:.1f} s while {live} live peers were watched: "
        f"missing in {missing} of {looks} looks"
    )


def _watch(keys: set[str]) -> None:
    """Prints, when told to end, how often it looked and how often one of these keys was missing."""
    import signal

    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    wanted = {b64decode(key).hex() for key in keys}
    looks = missing = 0
    print("watching", flush=True)
    while not told:
        present = {line[11:] for line in _control_socket().splitlines() if line.startswith("public_key=")}
        looks, missing = looks + 1, missing + (not wanted <= present)
        time.sleep(EVERY_SECONDS)
    print(looks, missing)


def _control_socket() -> str:
    answer = b""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(Path("/run/wireguard/wg0.sock")))
        control.sendall(b"get=1\n\n")
        while not answer.endswith(b"\n\n"):
            answer += control.recv(1 << 16)
    return answer.decode()


def _enrol(url: str, key: str, number: int) -> None:
    issued = _post(f"{url}/api/installation/token", {"spokeName": f"machine-{number}"}, key)
    body = {"token": issued["token"]["token"], "publicKey": public_key_of(generate_private_key()), "os": "linux"}
    # Half of web's threads at most wait for the agent; that all peers have come is looked at in the end.
    assert _post(f"{url}/api/spoke/register", body)["success"]


def _post(url: str, body: dict[str, object], key: str = "") -> dict:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        _watch(set(sys.stdin.read().split()))
    else:
        where, how_many, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        secret = sys.stdin.read().strip()
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda number: _enrol(where, secret, number), range(how_many)))
