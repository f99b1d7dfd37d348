"""See it in one minute: a hub and two spokes on this one machine, joined by real tunnels, with proof.

Run by `make demo`. Every machine here is a host of a `Lab`, with a network, files and processes of its own;
this machine itself is left exactly as it is. Each claim is tried out and printed with the figures seen.
"""

import json
import re
import secrets
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.journeys.lab import Host, Lab, LabUnavailable, Process, footprint, require_root_and_tools

HUB = "203.0.113.1"
WEB_PORT = 8000
WEB = f"http://{HUB}:{WEB_PORT}"
HUB_IN_TUNNEL = "10.0.1.1"
SETTINGS = {
    "HUB_PUBLIC_URL": WEB,
    "HUB_ALLOW_PLAIN_HTTP": "1",
    "HUB_BIND": f"{HUB}:{WEB_PORT}",
    "HUB_ALLOWED_HOSTS": f"127.0.0.1,{HUB}",
    "HUB_DATA_DIR": "/var/lib/wireguard-hub-demo",
}
KEY_HEADER = "/run/demo-api-key"
# -D puts a time stamp before each answer, which is how the moment a tunnel dies is measured.
PING = ("ping", "-n", "-D", "-i", "0.05")
WATCHED_SECONDS = 2.5
DEAD_WITHIN = 2.0
PATIENCE = 60.0


class NotProven(Exception):
    """A check did not find what it claims."""


# --- The report ---------------------------------------------------------------------------------------------


def say(text: str = "") -> None:
    print(text, flush=True)


class Report:
    """Counts what was proven and what was not."""

    def __init__(self) -> None:
        self.tried = 0
        self.failed = 0

    def check(self, claim: str, proof: Callable[..., str], *given: Any) -> bool:
        """Prints `ok` with the figures that `proof` returns, or `FAIL` with the reason it raises."""
        self.tried += 1
        try:
            say(f"ok   {claim}: {proof(*given)}")
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the claim is not proven
            self.failed += 1
            say(f"FAIL {claim}: {error if isinstance(error, NotProven) else repr(error)}")
            return False
        return True

    def close(self) -> int:
        if self.failed:
            say(f"demo: FAILED ({self.failed} of {self.tried})")
            return 1
        say(f"demo: ok ({self.tried} checks)")
        return 0


# --- The machines -------------------------------------------------------------------------------------------


class Hub:
    """The hub's machine: what an operator does there, and the REST interface as an operator uses it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.launched: Process | None = None

    def launch(self) -> None:
        self.launched = self.host.start([sys.executable, "-m", "hubproject.run"], env=SETTINGS)

    def manage(self, *command: str, given: str = "") -> str:
        """What one of the product's commands prints."""
        argv = [sys.executable, "manage.py", *command]
        done = self.host.run(argv, given=given, env=SETTINGS)
        if done.returncode:
            raise NotProven(f"manage.py {command[0]} ended with {done.returncode}: {last_line(done.stderr)}")
        return done.stdout.strip()

    def call(self, method: str, path: str, *more: str) -> tuple[int, dict[str, Any]]:
        """Status and body of a call; status 0 while nothing answers."""
        curl = ["curl", "-sS", "-X", method, "-w", "\n%{http_code}", *more, WEB + path]
        body, _, status = self.host.run(curl).stdout.rpartition("\n")
        return int(status or 0), json.loads(body or "{}") if status != "000" else {}

    def call_as_operator(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        # The key is in a file: command lines can be read by everyone on a machine.
        return self.call(method, path, "-H", f"@{KEY_HEADER}")

    def peer(self, public_key: str) -> list[str]:
        """Key, preshared key, endpoint, addresses and latest handshake of a peer, as wg shows them."""
        return next((fields[:5] for fields in self.host.wg_dump()[1:] if fields[0] == public_key), [])


@dataclass
class Spoke:
    host: Host
    script_url: str = ""
    script_said: str = ""
    identifier: str = ""
    public_key: str = ""
    address: str = ""

    @property
    def name(self) -> str:
        return self.host.name


# --- The proofs: each returns what it saw, or raises NotProven ----------------------------------------------


def hub_answers(hub: Hub) -> str:
    began = time.monotonic()
    hub.launch()
    wait_for_health(hub, lambda health: health.get("database") == "ok")
    return f"{WEB}/api/healthz is ok {time.monotonic() - began:.1f} s after the start"


def hub_is_set_up(hub: Hub) -> str:
    began = time.monotonic()
    hub.manage("init_hub", "--network", "10.0.1.0/24", "--endpoint", f"{HUB}:51820")
    wait_for_health(hub, lambda health: health.get("agent") == "ok")
    key = hub.manage("create_api_key", "--role", "operator", "--name", "demo")
    hub.host.write(KEY_HEADER, f"Authorization: Bearer {key}\n")
    return f"network 10.0.1.0/24, interface up, agent ok, API key made in {time.monotonic() - began:.1f} s"


def wait_for_health(hub: Hub, good: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        status, health = hub.call("GET", "/api/healthz")
        if status == 200 and good(health):
            return
        if hub.launched and hub.launched.poll() is not None:
            raise NotProven(f"the launcher ended with {hub.launched.returncode}")
        if time.monotonic() > deadline:
            raise NotProven(f"after {PATIENCE:.0f} s healthz answers {status} {health}")
        time.sleep(0.1)


def spoke_enrols(hub: Hub, spoke: Spoke) -> str:
    command = last_line(hub.manage("issue_token", spoke.name))
    spoke.script_url = re.findall(r"https?://[^'\" ]+", command)[0]
    say(f"     {spoke.name}# {command}")
    began = time.monotonic()
    done = spoke.host.run(command)
    took = time.monotonic() - began
    spoke.script_said = done.stdout + done.stderr
    if done.returncode or "Connected" not in spoke.script_said:
        raise NotProven(f"the command ended with {done.returncode}: {last_line(spoke.script_said)}")
    return f"exit 0 after {took:.1f} s, {last_line(done.stdout)}"


def spoke_shook_hands(spoke: Spoke) -> str:
    interface, peer = spoke.host.wg_dump()[:2]
    spoke.public_key, latest = interface[1], int(peer[4])
    if not latest:
        raise NotProven("there was no handshake yet")
    return f"{max(0, int(time.time()) - latest)} s ago with {peer[2]}"


def spoke_reaches_hub(spoke: Spoke) -> str:
    fastest = spoke.host.round_trip(HUB_IN_TUNNEL, count=3)
    if fastest is None:
        raise NotProven(f"no answer from {HUB_IN_TUNNEL}")
    return f"3 of 3 answers from {HUB_IN_TUNNEL}, the fastest in {fastest:.2f} ms"


def token_is_spent(spoke: Spoke) -> str:
    curl = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", spoke.script_url]
    status = spoke.host.run(curl).stdout
    if status != "410":
        raise NotProven(f"the second fetch was answered {status}")
    return "the second fetch of the same script is answered 410"


def hub_lists_all(hub: Hub, spokes: list[Spoke]) -> str:
    rows = listed(hub)
    for spoke in spokes:
        if spoke.name not in rows:
            raise NotProven(f"{spoke.name} is missing")
        row = rows[spoke.name]
        spoke.identifier, spoke.address = row["id"], row["allowedIPs"][0].partition("/")[0]
    return ", ".join(f"{spoke.name} at {spoke.address}" for spoke in spokes)


def hub_sees_all_active(hub: Hub, spokes: list[Spoke]) -> str:
    began = time.monotonic()
    while True:
        rows, waited = listed(hub), time.monotonic() - began
        states = {spoke.name: rows[spoke.name]["status"] for spoke in spokes}
        if set(states.values()) == {"active"}:
            return f"{' and '.join(states)} active, after {waited:.1f} s"
        if waited > PATIENCE:
            raise NotProven(f"after {waited:.0f} s the list says {states}")
        time.sleep(0.2)


def listed(hub: Hub) -> dict[str, dict[str, Any]]:
    status, answer = hub.call_as_operator("GET", "/api/spoke/list")
    if status != 200:
        raise NotProven(f"the list is answered {status} {answer}")
    return {row["name"]: row for row in answer["spokes"]}


def spokes_are_apart(hub: Hub, one: Spoke, other: Spoke) -> str:
    forwarding = hub.host.run(["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout.strip()
    if forwarding != "1":
        raise NotProven("the hub's host does not forward at all, so this proves nothing")
    for spoke, towards in ((one, other), (other, one)):
        # Only what is sent into the tunnel can be refused by the hub.
        route = spoke.host.run(["ip", "route", "get", towards.address]).stdout
        if " dev wg" not in route:
            raise NotProven(f"{spoke.name} does not send into its tunnel: {route.strip()}")
        ping = start_ping(spoke, towards.address, "-c", "5", "-W", "0.5")
        ping.wait(PATIENCE)
        if answers_of(ping):
            raise NotProven(f"{towards.name} answered {spoke.name}")
    return "0 of 5 pings answered in either direction, while ip_forward is 1 on the hub"


@dataclass
class Removal:
    """What two pings, every 50 ms, saw while one of the two spokes was removed."""

    status: int
    answer: dict[str, Any]
    asked_at: float
    removed: list[tuple[float, int]]
    stayed: list[tuple[float, int]]
    stopped_at: float
    entry_before: list[str]
    entry_after: list[str]


def remove_while_pinging(hub: Hub, gone: Spoke, staying: Spoke) -> Removal:
    entry = hub.peer(staying.public_key)
    pings = [start_ping(spoke, HUB_IN_TUNNEL) for spoke in (gone, staying)]
    for ping in pings:
        wait_for_answers(ping, lambda answers: len(answers) > 5)
    asked_at = time.time()
    status, answer = hub.call_as_operator("DELETE", f"/api/spoke/{gone.identifier}")
    time.sleep(WATCHED_SECONDS)
    stopped_at = time.time()
    # Who stays is watched until he has had an answer after that, however late a busy machine makes it.
    wait_for_answers(pings[1], lambda answers: answers[-1][0] >= stopped_at)
    for ping in pings:
        ping.send_signal(signal.SIGINT)
        ping.wait(PATIENCE)
    removed, stayed = (answers_of(ping) for ping in pings)
    return Removal(status, answer, asked_at, removed, stayed, stopped_at, entry, hub.peer(staying.public_key))


def removed_is_dead(removal: Removal) -> str:
    if removal.status not in {200, 202}:
        raise NotProven(f"DELETE was answered {removal.status} {removal.answer}")
    if not removal.removed or removal.removed[0][0] > removal.asked_at:
        raise NotProven("its ping was not answered before either")
    lived = max(0.0, removal.removed[-1][0] - removal.asked_at)
    if lived > DEAD_WITHIN:
        raise NotProven(f"its ping was still answered {lived:.2f} s after the DELETE")
    silence = removal.stopped_at - max(removal.asked_at, removal.removed[-1][0])
    return f"DELETE answered {removal.status}, last ping {lived * 1000:.0f} ms later, silent for {silence:.1f} s"


def other_never_dropped(removal: Removal) -> str:
    numbers = [number for _, number in removal.stayed]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise NotProven(f"of {max(numbers, default=0)} pings only {len(numbers)} were answered")
    if removal.stayed[-1][0] < removal.stopped_at:
        raise NotProven(f"no answer in the last {removal.stopped_at - removal.stayed[-1][0]:.1f} s")
    if not removal.entry_before or removal.entry_before != removal.entry_after:
        raise NotProven("the hub's peer entry or its handshake changed")
    return f"{len(numbers)} pings every 50 ms, none lost; same peer entry, same handshake"


def start_ping(spoke: Spoke, address: str, *more: str) -> Process:
    return spoke.host.start([*PING, *more, address])


def answers_of(ping: Process) -> list[tuple[float, int]]:
    """When each answer came, and the number of the ping it answers."""
    found = re.findall(r"^\[([0-9.]+)\] [0-9]+ bytes from .*icmp_seq=([0-9]+) ", ping.written(), re.MULTILINE)
    return [(float(when), int(number)) for when, number in found]


def wait_for_answers(ping: Process, enough: Callable[[list[tuple[float, int]]], bool]) -> bool:
    """Whether a ping that runs comes to have answers that are enough."""
    deadline = time.monotonic() + PATIENCE
    while not enough(answers_of(ping)):
        if ping.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def machine_is_unchanged(before: dict[str, object]) -> str:
    now = footprint()
    changed = [what for what, was in before.items() if now[what] != was]
    if changed:
        raise NotProven(f"changed: {', '.join(changed)}")
    return f"same {', '.join(before)}"


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["(it said nothing)"])[-1].strip()


# --- The course of it ---------------------------------------------------------------------------------------


def demonstrate(hub: Hub, spokes: list[Spoke], report: Report) -> None:
    """Later steps need the earlier ones, so the first that leaves no ground to stand on ends it."""
    say(f"The hub starts at {WEB}, with an empty database.")
    if not report.check("the hub answers", hub_answers, hub):
        return
    if not report.check("the hub is set up", hub_is_set_up, hub):
        return
    say("Each spoke runs the command that the hub prints for it.")
    if not all(enrol(hub, spoke, report) for spoke in spokes):
        return
    if not report.check("the hub lists both", hub_lists_all, hub, spokes):
        return
    gone, staying = spokes
    report.check("the spokes do not reach each other", spokes_are_apart, hub, gone, staying)
    say("The hub looks at its peers every 10 s; the next look tells it who is there.")
    report.check("the hub sees both", hub_sees_all_active, hub, spokes)
    remove(hub, gone, staying, report)


def enrol(hub: Hub, spoke: Spoke, report: Report) -> bool:
    return (
        report.check(f"{spoke.name} enrols itself", spoke_enrols, hub, spoke)
        and report.check(f"{spoke.name} shook hands", spoke_shook_hands, spoke)
        and report.check(f"{spoke.name} reaches the hub through the tunnel", spoke_reaches_hub, spoke)
        and report.check(f"{spoke.name}'s token works once", token_is_spent, spoke)
    )


def remove(hub: Hub, gone: Spoke, staying: Spoke, report: Report) -> None:
    say(f"Now {gone.name} is removed while both spokes ping the hub.")
    removal = remove_while_pinging(hub, gone, staying)
    report.check(f"{gone.name} is cut off", removed_is_dead, removal)
    report.check(f"{staying.name} never noticed", other_never_dropped, removal)


def show_logs(hub: Hub, spokes: list[Spoke]) -> None:
    said = {spoke.name: spoke.script_said for spoke in spokes}
    if hub.launched:
        said["the hub"] = hub.launched.written() + hub.launched.complaints()
    for name, text in said.items():
        if text:
            say(f"--- what {name} said last ---")
            say("\n".join(text.splitlines()[-40:]))


def keep_admin_up(hub: Hub) -> None:
    """The browser runs on this machine, not in the hub's network: a port of the loopback here leads there."""
    password = secrets.token_urlsafe(15)
    hub.manage("create_admin", "demo", given=f"{password}\n")
    say(f"\nThe admin is up:  http://127.0.0.1:{hub.host.publish(WEB_PORT)}/admin/")
    say(f"Sign in as:       demo  {password}")
    say("Ctrl-C ends it and takes everything down.")
    try:
        while hub.launched and hub.launched.poll() is None:
            time.sleep(0.2)
    except KeyboardInterrupt:
        say()


def run_in_lab(report: Report) -> None:
    say("Two spokes and a hub, each with a network, files and processes of its own, on this machine.")
    with Lab() as lab:
        hub = Hub(lab.host("hub", HUB, forwarding=True))
        spokes = [Spoke(lab.host(f"spoke{number}", f"203.0.113.1{number}")) for number in (1, 2)]
        demonstrate(hub, spokes, report)
        if report.failed:
            show_logs(hub, spokes)
        elif sys.stdin.isatty() and sys.stdout.isatty():
            keep_admin_up(hub)


def main() -> int:
    report = Report()
    try:
        require_root_and_tools()
        before = footprint()
        run_in_lab(report)
        report.check("this machine is as it was", machine_is_unchanged, before)
    except LabUnavailable as reason:
        say(f"demo: {reason}")
        return 1
    except KeyboardInterrupt:
        say("demo: interrupted, everything was taken down")
        return 130
    return report.close()


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
