"""The days of a hub: installed, restarted, reloaded, rebooted, upgraded, taken off."""

import inspect
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.deploy.machines import (
    CERTIFICATE,
    CERTIFICATE_KEY,
    CHECKOUT,
    DOMAIN,
    Installed,
    bring_checkout,
    done_well,
    judged,
)
from tests.journeys.demo import PING, NotProven, Report, answers_of
from tests.journeys.lab import Host

HUB_IN_TUNNEL = "10.0.1.1"
INSTALL_SECONDS = 120.0
BACK_SECONDS = 15.0
RELOADS = 50
# Every step of the installer whose line a kill may follow.
STEPS = ["Packages", "Users", "Code and", "Secrets", "PostgreSQL", "Database", "Units", "Web and", "nginx", "Firewall"]
STATE = r"""
find /opt /etc /usr/local /var/lib/wireguard-hub /var/lib/wireguard-hub-agent /var/backups -xdev \
    ! -name 'database.sqlite*' ! -name __pycache__ -printf '%p %y %m %u %g %T@ %l\n' | sort
systemctl show -p MainPID wireguard-hub-api wireguard-hub-agent wireguard-hub-userspace nginx
nft -s list table inet wireguard_hub_host
"""
ERRANDS = ["purge", "backup", "backup-check", "audit-check", "certificate-check"]


# ---- the first day


def install(hub: Installed) -> str:
    hub.follow("look")
    began = time.monotonic()
    hub.follow("install")
    took = time.monotonic() - began
    if hub.server.health() != {"status": "ok", "database": "ok", "agent": "ok"}:
        raise NotProven(f"healthz says {hub.server.health()}")
    return f"{judged(took, INSTALL_SECONDS, 's')}; healthz is ok through nginx and TLS"


def enrol(hub: Installed, name: str, address: str) -> str:
    return hub.enrol(name, address)


def first_hour(hub: Installed) -> str:
    said = hub.follow("first hour")
    wait_until(lambda: hub.server.health().get("status") == "ok")
    if not re.search("curl .*/api/installation/script/", said) or "wgh_" not in said:
        raise NotProven(said[-600:])
    return "setup code, network, install command, API key"


def killed(hub: Installed) -> str:
    """At each step the run is killed as by a power cut of it alone, and begun again."""
    kills = 0
    for step in STEPS:
        run = hub.server.start_install(*hub.options)
        deadline = time.monotonic() + 300
        while f"\n{step}" not in f"\n{run.written()}":
            if run.poll() is not None or time.monotonic() > deadline:
                raise NotProven(f"{step} never came: {run.written()[-600:]}")
            time.sleep(0.02)
        time.sleep(0.3)
        hub.server.run(["pkill", "-KILL", "-f", f"^sh {CHECKOUT}/deploy/install.sh"])
        run.wait(30)
        kills += 1
    began = time.monotonic()
    hub.install()
    return f"{kills} kills, then {time.monotonic() - began:.0f} s to the end; healthz {hub.server.health()['status']}"


# ---- the days after


def days(hub: Installed, report: Report) -> None:
    report.check("a second run changes nothing", second_run, hub)
    report.check("every timer's errand succeeds", errands, hub)
    quiet = "restarts and reloads of agent and web under a running ping"
    report.check(quiet, nothing_lost, hub, lambda: restart_services(hub))
    report.check(f"nginx reloaded {RELOADS} times under load", nginx_reloads, hub)
    report.check("the runbook's look around", look_around, hub)
    report.check("after a reboot the tunnel is back", reboot, hub)


def second_run(hub: Installed) -> str:
    hub.server.hub("list_spokes")
    before = hub.server.run(STATE, check=True).stdout.splitlines()
    began = time.monotonic()
    said = nothing_lost(hub, lambda: done_well(hub.server.install()))
    took = time.monotonic() - began
    changed = set(before) ^ set(hub.server.run(STATE, check=True).stdout.splitlines())
    if changed:
        raise NotProven("; ".join(sorted(changed)[:8]))
    return f"{len(before)} files and processes as they were, {took:.0f} s; {said}"


def errands(hub: Installed) -> str:
    for errand in ERRANDS:
        done = hub.server.run(["systemctl", "start", f"wireguard-hub-{errand}.service"], timeout=180)
        if done.returncode:
            raise NotProven(hub.server.run(f"journalctl -n 5 --no-pager -u wireguard-hub-{errand}").stdout)
    failed = hub.server.run(["systemctl", "--failed", "--no-legend"]).stdout
    if failed.strip():
        raise NotProven(failed)
    return f"{', '.join(ERRANDS)}; no unit failed"


@contextmanager
def pinged(spoke: Host) -> Iterator[list[int]]:
    """The numbers of the pings that were answered meanwhile; it is filled at the end."""
    ping = spoke.start([*PING, HUB_IN_TUNNEL])
    numbers: list[int] = []
    while not answers_of(ping):
        if ping.poll() is not None:
            raise NotProven(ping.complaints())
        time.sleep(0.05)
    yield numbers
    time.sleep(0.5)
    ping.send_signal(signal.SIGINT)
    ping.wait(10)
    numbers += [number for _, number in answers_of(ping)]


def nothing_lost(hub: Installed, act: Callable[[], object]) -> str:
    with pinged(hub.spokes[0]) as numbers:
        act()
    if numbers != list(range(1, len(numbers) + 1)):
        raise NotProven(f"of {max(numbers)} pings {len(numbers)} were answered")
    return f"{len(numbers)} pings, none lost"


def restart_services(hub: Installed) -> None:
    acts = ["restart wireguard-hub-agent", "restart wireguard-hub-api", "reload wireguard-hub-api", "reload nginx"]
    for act in [*acts, "kill -s KILL wireguard-hub-agent", "restart wireguard-hub-agent"]:
        done_well(hub.server.run(f"systemctl {act}", timeout=150))
    wait_until(lambda: hub.server.health().get("status") == "ok")


def look_around(hub: Installed) -> str:
    said = hub.follow("look around")
    return f"{len(said.splitlines())} lines, every command ended well"


def nginx_reloads(hub: Installed) -> str:
    """One request after the other from a spoke. New connections of HTTP/2 that have not asked yet are closed."""
    curl = f"curl -sS --http1.1 -m 20 -o /dev/null -w '%{{http_code}}\\n' https://{DOMAIN}/api/healthz"
    ask = f"while [ ! -e /tmp/enough ]; do {curl}; done"
    hub.spokes[0].run("rm -f /tmp/enough")
    load = [hub.spokes[0].start(f"({ask}) 2>&1") for _ in range(3)]
    for _ in range(RELOADS):
        done_well(hub.server.run(["systemctl", "reload", "nginx"]))
        time.sleep(0.05)
    hub.spokes[0].run("touch /tmp/enough")
    answers = [line for each in load if each.wait(60) is not None for line in each.written().splitlines()]
    bad = [answer for answer in answers if answer != "200"]
    if bad or len(answers) < RELOADS:
        raise NotProven(f"of {len(answers)} answers {len(bad)} were others than 200: {sorted(set(bad))[:5]}")
    return f"{len(answers)} requests, none lost"


def reboot(hub: Installed) -> str:
    """A spoke that talks all the while, as most do. WireGuard lets an idle one find out 15 s after its next packet."""
    spoke = hub.spokes[0]
    began = time.monotonic()
    with pinged(spoke):
        hub.server.reboot()
        up = time.monotonic()
        wait_until(lambda: spoke.ping(HUB_IN_TUNNEL, timeout=0.3))
        took = time.monotonic() - up
    wait_until(lambda: hub.server.health().get("status") == "ok")
    if hub.server.run(["systemctl", "--failed", "--no-legend"]).stdout.strip():
        raise NotProven(hub.server.run(["systemctl", "--failed", "--no-legend"]).stdout)
    said = judged(took, BACK_SECONDS, "s")
    return f"{said} after the machine was up, {time.monotonic() - began:.0f} s after it was told to reboot"


# ---- another release


def upgrades(hub: Installed, report: Report) -> None:
    report.check("an upgrade to another commit under a running ping", upgrade, hub)
    report.check("a migration that fails leaves the hub on its release", failing_upgrade, hub)
    report.check("the release before can be gone back to", go_back, hub)


def another_commit(hub: Installed, name: str) -> str:
    place = f"/root/{name}"
    bring_checkout(hub.server.file(place))
    hub.server.run(f"echo '# {name}' >>{place}/manage.py", check=True)
    return place


def current(hub: Installed) -> str:
    return hub.server.run(["readlink", "-e", "/opt/wireguard-hub/current"]).stdout.strip()


def upgrade(hub: Installed) -> str:
    before, place = current(hub), another_commit(hub, "newer")
    backups = len(hub.server.run("ls /var/backups/wireguard-hub").stdout.split())
    began = time.monotonic()
    said = nothing_lost(hub, lambda: hub.follow("upgrade", cwd=place))
    took = time.monotonic() - began
    made = len(hub.server.run("ls /var/backups/wireguard-hub").stdout.split()) - backups
    if current(hub) == before or not made or hub.server.health()["status"] != "ok":
        raise NotProven(f"current is {current(hub)}, {made} backups were made, {hub.server.health()}")
    return f"{took:.0f} s with a backup before it; {said}; the release before is kept"


def failing_upgrade(hub: Installed) -> str:
    before, place = current(hub), another_commit(hub, "failing")
    migration = f"{place}/hubproject/migrations/9999_fails.py"
    last = hub.server.run(f"ls {place}/hubproject/migrations | grep -o '^0.*[^.py]' | tail -n 1").stdout.strip()
    hub.server.write(
        migration,
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        f"    dependencies = [('hubproject', '{last}')]\n"
        "    operations = [migrations.RunSQL('SELECT no_such_thing')]\n",
    )
    done = hub.server.install(checkout=place)
    if done.returncode == 0 or "the hub goes on with" not in done.stdout or current(hub) != before:
        raise NotProven(f"it ended with {done.returncode}: {done.stdout[-600:]}")
    if hub.server.health()["status"] != "ok":
        raise NotProven(str(hub.server.health()))
    return "told, and healthz is ok"


def go_back(hub: Installed) -> str:
    newer = current(hub)
    older = hub.server.run(["readlink", "-e", "/opt/wireguard-hub/previous"]).stdout.strip()
    hub.follow("go back")
    if current(hub) != older or older == newer:
        raise NotProven(f"current is {current(hub)}, not {older}")
    return f"{hub.server.health()['status']} with {older.rpartition('/')[2]}"


# ---- the last day


def end(hub: Installed, report: Report) -> None:
    report.check("a wrong sealing key is refused, never replaced", wrong_key, hub)
    report.check("crontab lines in place of timers", cron, hub)
    report.check("uninstall leaves nothing but data", uninstall, hub)
    report.check("with --delete-data not even that", delete_data, hub)
    report.check("installed again with a stand-in for certbot, each step starts", by_certbot, hub)


def wrong_key(hub: Installed) -> str:
    key = "/etc/wireguard-hub/credentials/hub_sealing_key"
    keep, put_back = f"mv {key} /root/kept", f"mv /root/kept {key}"
    said = []
    for fake in ("true", f"head -c 32 /dev/urandom | base64 >{key}"):
        hub.server.run(f"{keep}; {fake}", check=True)
        done = hub.server.install()
        there = hub.server.run(f"cat {key}").stdout
        hub.server.run(put_back, check=True)
        if done.returncode != 3 or "sealing key" not in done.stdout:
            raise NotProven(f"it ended with {done.returncode}: {done.stdout[-400:]}")
        said.append(there)
    if said[0]:
        raise NotProven("a new key was made in place of the missing one")
    return "missing and wrong, both with exit code 3"


def cron(hub: Installed) -> str:
    hub.follow("cron")
    lines = hub.server.run("grep -c ' root wireguard-hub ' /etc/cron.d/wireguard-hub", check=True).stdout.strip()
    for line in hub.server.run(
        "grep -o 'root wireguard-hub .*' /etc/cron.d/wireguard-hub", check=True
    ).stdout.splitlines():
        done_well(hub.server.run(line.removeprefix("root "), timeout=180))
    hub.server.run("rm /etc/cron.d/wireguard-hub", check=True)
    return f"{lines} lines, every command ended well"


def uninstall(hub: Installed) -> str:
    done_well(hub.server.install("--uninstall", "--yes"))
    left = hub.server.run(
        "find / -xdev \\( -path /proc -o -path /root -o -path /sys -o -path /var/lib/systemd -o -path /var/log \\) "
        "-prune -o -iname '*wireguard[-_]hub*' -print; nft list tables; ip -br link; ls /run/wireguard"
    ).stdout.split("\n")
    found = {line for line in left if re.search("wireguard.hub|wg0", line)}
    data = {
        "/etc/wireguard-hub",
        "/var/lib/wireguard-hub",
        "/var/lib/wireguard-hub-agent",
        "/var/backups/wireguard-hub",
    }
    more = {line for line in found - data if not line.startswith("/var/backups/wireguard-hub/")}
    if more or not data <= found:
        raise NotProven(f"left: {sorted(more)}; data missing: {sorted(data - found)}")
    if hub.spokes[0].ping(HUB_IN_TUNNEL):
        raise NotProven("the tunnel is still there")
    return "settings, secrets, database, backups, logs"


def delete_data(hub: Installed) -> str:
    done_well(hub.server.install("--uninstall", "--delete-data", "--yes"))
    left = hub.server.run(
        "ls -d /etc/wireguard-hub /var/lib/wireguard-hub* /var/backups/wireguard-hub; getent passwd"
    ).stdout
    if "wireguard-hub" in left:
        raise NotProven(left)
    return "gone, users too"


# An authority cannot be had in a lab: this answers as certbot does once the challenge was fetched over plain http.
CERTBOT = f"""#!/bin/sh
set -e
umask 022
case "$*" in
    'certonly --non-interactive --agree-tos '*' --webroot --webroot-path /var/www/html --domain {DOMAIN}') ;;
    *) exit 2 ;;
esac
mkdir -p /var/www/html/.well-known/acme-challenge /etc/letsencrypt/live/{DOMAIN}
echo proof >/var/www/html/.well-known/acme-challenge/it
[ "$(curl -fsS http://{DOMAIN}/.well-known/acme-challenge/it)" = proof ]
cp {CERTIFICATE} /etc/letsencrypt/live/{DOMAIN}/fullchain.pem
cp {CERTIFICATE_KEY} /etc/letsencrypt/live/{DOMAIN}/privkey.pem
"""


def by_certbot(hub: Installed) -> str:
    """On the machine that was just cleaned: nginx serves the challenge before there is a certificate to name."""
    hub.server.run("cat >/usr/local/bin/certbot && chmod 755 /usr/local/bin/certbot", given=CERTBOT, check=True)
    done_well(hub.server.install("--domain", DOMAIN, "--email", "root@example.com", "--network", "10.0.1.0/24"))
    if hub.server.health().get("status") != "ok":
        raise NotProven(str(hub.server.health()))
    done_well(hub.server.run("/etc/letsencrypt/renewal-hooks/deploy/wireguard-hub"))
    for kind in ("--self-signed", "--certbot"):
        done_well(hub.server.install(kind))
        if (serves_own(hub), hub.server.health().get("status")) != (kind == "--self-signed", "ok"):
            raise NotProven(f"after {kind}: {hub.server.health()}, its own certificate: {serves_own(hub)}")
    return "challenge served over http, then the certificate; the hook reloads nginx; to self-signed and back"


def serves_own(hub: Installed) -> bool:
    """Whether the certificate that nginx serves is the one the installer made."""
    served = (
        f"openssl s_client -connect 127.0.0.1:443 -servername {DOMAIN} </dev/null | openssl x509 -noout -fingerprint"
    )
    made = "openssl x509 -noout -fingerprint -in /etc/wireguard-hub/tls/certificate.pem"
    return hub.server.run(served).stdout == hub.server.run(made).stdout != ""


def wait_until(holds: Callable[[], bool], patience: float = 90.0) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise NotProven(f"not within {patience:.0f} s: {inspect.getsource(holds).strip()}")
        time.sleep(0.1)
