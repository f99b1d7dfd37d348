"""What a hub keeps from others on its machine, from its own web process, and from slow clients."""

import re
import time

from tests.deploy.life import wait_until
from tests.deploy.machines import DOMAIN, Installed, done_well, judged
from tests.journeys.demo import NotProven, Report

SLOW, SLOW_SECONDS, NORMAL_MS = 500, 60, 500
PLACES = "/etc/wireguard-hub /var/lib/wireguard-hub /var/lib/wireguard-hub-agent /var/backups/wireguard-hub"
# What the web user tries; each line has to fail.
ATTEMPTS = {
    "wg set": "wg set wg0 listen-port 1",
    "wg show": "wg show wg0 dump",
    "the control socket": "test -w /run/wireguard/wg0.sock",
    "the sealing key": "cat /etc/wireguard-hub/credentials/hub_sealing_key",
    "any secret": "ls /etc/wireguard-hub/credentials",
    "the agent's files": "ls /var/lib/wireguard-hub-agent",
    "the backups": "ls /var/backups/wireguard-hub",
    "the settings": "echo HUB_DEBUG=1 >>/etc/wireguard-hub/hub.env",
    "the code": "touch /opt/wireguard-hub/current/manage.py",
    "a file elsewhere": "touch /etc/x /usr/x /opt/x /var/lib/x",
    "another link in /run": "ln -s /etc /run/wireguard-hub-install.draft",
    "the install log": "cat /var/log/wireguard-hub/install.log",
    "to take the log away": "mv /var/log/wireguard-hub/install.log /var/log/wireguard-hub/x",
    "the certificate's key": "cat /etc/ssl/private/hub.key",
}
# Opens many connections that say one letter now and then; ends by itself.
DRIP = """
import socket, ssl, sys, time
sockets = []
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for number in range(int(sys.argv[2])):
    plain = socket.create_connection((sys.argv[1], 443), timeout=30)
    sockets.append(context.wrap_socket(plain) if number % 2 else plain)
    if number % 2:
        head = "POST /api/spoke/register HTTP/1.1\\r\\nHost: %s\\r\\nContent-Length: 4000\\r\\n\\r\\n"
        sockets[-1].sendall((head % sys.argv[4]).encode())
print("open", flush=True)
end = time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    for each in sockets:
        try:
            each.sendall(b"x")
        except OSError:
            pass
    time.sleep(2)
"""


def walls(hub: Installed, report: Report) -> None:
    report.check("no file of ours is open to others", closed_files, hub)
    report.check("a shell of the web user gets nowhere", web_user, hub)
    report.check("neither does the web process in its sandbox", web_sandbox, hub)
    report.check("systemd-analyze security", scores, hub)
    report.check("no secret in any command line or log", no_secret_shown, hub)
    report.check(f"{SLOW} slow sockets for {SLOW_SECONDS} s", slow_sockets, hub)


def closed_files(hub: Installed) -> str:
    others = "-perm /o+rwx ! -type l"
    found = hub.server.run(
        f"find {PLACES} {others}; find /opt/wireguard-hub -perm /go+w ! -type l; find /opt/wireguard-hub ! -user root;"
        "find /etc/systemd/system/wireguard-hub-* /etc/nginx/sites-available/wireguard-hub -perm /go+w ! -type l"
    ).stdout.split()
    if found:
        raise NotProven(", ".join(found[:8]))
    counted = hub.server.run(f"find {PLACES} /opt/wireguard-hub | wc -l").stdout.strip()
    return f"none of {counted} files and directories"


def web_user(hub: Installed) -> str:
    return nothing_succeeds(hub, "setpriv --reuid=wireguard-hub --regid=wireguard-hub --clear-groups --")


def web_sandbox(hub: Installed) -> str:
    """The very properties of the unit, with another program in place of gunicorn."""
    unit = "/etc/systemd/system/wireguard-hub-api.service"
    only = (
        "^(User|Group|NoNew|Capab|Ambient|Protect|Private|Restrict|ReadWrite|Lock|Memory|SystemCall|UMask|Remove|Proc)"
    )
    lines = hub.server.run(f"grep -E '{only}' {unit}", check=True).stdout.splitlines()
    properties = " ".join(f"'--property={line}'" for line in lines if "@chown" not in line)
    return nothing_succeeds(hub, f"systemd-run --quiet --pipe --wait --collect {properties} --")


def nothing_succeeds(hub: Installed, by: str) -> str:
    control = hub.server.run(f"{by} sh -c 'touch /var/lib/wireguard-hub/probe && rm /var/lib/wireguard-hub/probe'")
    if control.returncode:
        raise NotProven(f"it cannot even do what it may: {control.stderr}")
    managed = [
        what for what, command in ATTEMPTS.items() if not hub.server.run([*_words(by), "sh", "-c", command]).returncode
    ]
    if managed:
        raise NotProven(f"it managed: {', '.join(managed)}")
    return f"{len(ATTEMPTS)} attempts failed: {', '.join(ATTEMPTS)}"


def _words(line: str) -> list[str]:
    return [word.strip("'") for word in re.findall(r"'[^']*'|\S+", line)]


def scores(hub: Installed) -> str:
    names = "api agent userspace backup purge"
    said = {}
    for name in names.split():
        done = hub.server.run(f"systemd-analyze security --no-pager wireguard-hub-{name}.service | tail -n 1")
        said[name] = re.findall(r": ([0-9.]+) ", done.stdout)[0]
    if max(map(float, said.values())) > 2.5:
        raise NotProven(str(said))
    return ", ".join(f"{name} {score}" for name, score in said.items())


def no_secret_shown(hub: Installed) -> str:
    secrets = hub.server.run("cat /etc/wireguard-hub/credentials/*", check=True).stdout.split()
    long = [secret for secret in secrets if len(secret) > 30 and "://" not in secret]
    shown = hub.server.run("cat /var/log/wireguard-hub/install.log /proc/[0-9]*/cmdline; journalctl --no-pager").stdout
    if any(secret in shown for secret in long) or not long:
        raise NotProven("one of them is shown")
    return f"{len(long)} secrets looked for in the install log, the journal and every command line"


def slow_sockets(hub: Installed) -> str:
    spoke = hub.spokes[0]
    drip = spoke.start(["python3", "-c", DRIP, hub.server.address, str(SLOW), str(SLOW_SECONDS), DOMAIN])
    wait_until(lambda: "open" in drip.written() or drip.poll() is not None)
    if drip.poll() is not None:
        raise NotProven(drip.complaints()[-300:])
    curl = "curl -sS -m 20 -o /dev/null --insecure -w '%{time_total} %{http_code}'"
    times = []
    while drip.poll() is None:
        said = done_well(hub.server.run(f"{curl} https://{DOMAIN}/api/healthz")).stdout.split()
        if said[1] != "200":
            raise NotProven(f"answered {said[1]}")
        times.append(float(said[0]) * 1000)
        time.sleep(0.5)
    times.sort()
    middle = times[len(times) // 2]
    return (
        f"{len(times)} normal requests meanwhile, median {judged(middle, NORMAL_MS, 'ms')}, slowest {times[-1]:.0f} ms"
    )
