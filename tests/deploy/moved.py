"""A hub that is lost, and comes up again on a bare machine by the runbook's own commands."""

import re
import time

from tests.deploy.life import HUB_IN_TUNNEL, wait_until
from tests.deploy.machines import DOMAIN, Authority, Installed, Server, done_well, judged
from tests.journeys.demo import NotProven, Report, last_line
from tests.journeys.lab import Host, Lab

RESTORE_SECONDS = 600.0


def to_a_bare_machine(lab: Lab, hub: Installed, authority: Authority, report: Report) -> None:
    report.check("two spokes, one of which is removed after the backup", two_spokes, hub)
    report.check("a backup is made while machines join", backup_under_load, hub)
    report.check(
        "the hub is restored on a bare machine by the runbook, at most 10 minutes", restore, lab, hub, authority
    )


def two_spokes(hub: Installed) -> str:
    return f"{hub.enrol('spoke1', '203.0.113.11')} {hub.enrol('spoke2', '203.0.113.12')}"


def backup_under_load(hub: Installed) -> str:
    """Commands are issued and redeemed all the while."""
    load = hub.server.start(
        "n=0; while [ ! -e /run/enough ]; do wireguard-hub issue_token load-$n >/dev/null; n=$((n + 1)); done; echo $n"
    )
    hub.server.hub("issue_token", "before-the-backup")
    began = time.monotonic()
    hub.follow("backup")
    took = time.monotonic() - began
    hub.server.run("touch /run/enough")
    load.wait(60)
    newest = hub.server.run("ls /var/backups/wireguard-hub | tail -n 1").stdout.strip()
    return f"{took:.1f} s with its verification, {load.written().strip()} commands issued meanwhile; {newest}"


def restore(lab: Lab, hub: Installed, authority: Authority) -> str:
    old, removed = hub.server, hub.spokes[-1]
    open_command = last_line(old.hub("issue_token", "after-the-backup"))
    token = re.findall(r"https://[^' ]+", open_command)[0]
    old.hub("remove_spoke", removed.name)
    wait_until(lambda: not removed.ping(HUB_IN_TUNNEL, timeout=0.3))
    kept = {path: path.read_bytes() for path in old.file("/var/backups/wireguard-hub").iterdir()}
    newest = max(kept, key=lambda path: path.name)
    passphrase = old.file("/etc/wireguard-hub/credentials/backup_passphrase").read_text()
    address = old.address
    old.lose_power()
    old.run(["ip", "link", "set", "eth0", "down"])

    began = time.monotonic()
    server = lab.join(Server("newhub", "bookworm"), address)
    server.boot()
    authority.certify(server)
    done_well(server.install(*hub.options[:6]))
    server.file("/var/backups/wireguard-hub").joinpath(newest.name).write_bytes(kept[newest])
    server.write("/etc/wireguard-hub/credentials/backup_passphrase", passphrase)
    hub.server = server
    hub.follow("restore", FILE=f"/var/backups/wireguard-hub/{newest.name}")
    wait_until(lambda: server.health().get("agent") == "behind")  # on hold, nothing of the database is applied
    # Whoever was removed since the backup is in it, and on hold nobody is let in: he is taken off before the release.
    server.hub("remove_spoke", removed.name)
    hub.follow("release")
    staying = hub.spokes[:-1]
    wait_until(lambda: server.health().get("status") == "ok")
    wait_until(lambda: all(spoke.ping(HUB_IN_TUNNEL, timeout=0.3) for spoke in staying))
    took = time.monotonic() - began
    if removed.ping(HUB_IN_TUNNEL):
        raise NotProven("the removed spoke is back")
    token_is_dead(staying[0], token)
    hub.spokes = staying
    said = judged(took, RESTORE_SECONDS, "s")
    return f"{said} from the bare machine to {len(staying)} spokes that ping untouched; who was removed stays out"


def token_is_dead(spoke: Host, url: str) -> None:
    status = spoke.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", url]).stdout
    if not status.startswith("4"):
        raise NotProven(f"an open command of before is answered {status} by {DOMAIN}")
