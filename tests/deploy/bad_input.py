"""What the installer refuses on a bare server, in one line each, before it has changed anything."""

from tests.deploy.machines import CERTIFICATE, CERTIFICATE_KEY, CHECKOUT, DOMAIN, Server
from tests.journeys.demo import NotProven, Report

LISTEN = (
    "use Socket; socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);"
    "bind(S, sockaddr_in(80, INADDR_ANY)) or die; listen(S, 1); print qq(ready\\n); $| = 1; sleep 60;"
)
CERTIFIED = ["--domain", DOMAIN, "--certificate", CERTIFICATE, "--certificate-key", CERTIFICATE_KEY]
WALK = "find /etc /opt /usr/local /var/lib /run/systemd/system -xdev -printf '%p %y %m %u %T@ %l\\n' | sort"


def refusals(server: Server, report: Report) -> None:
    before = server.run(WALK, check=True).stdout
    report.check("without root it says so", refused, server, "sudo -u nobody", CERTIFIED, "needs root", 1, 3)
    report.check("another system is refused", other_system, server)
    report.check("a taken port is told with its holder", port_taken, server)
    absent = [*CERTIFIED[:3], "/etc/ssl/absent.pem", *CERTIFIED[4:]]
    report.check("a missing certificate file is told", refused, server, "", absent, "There is no file", 3)
    unknown = ["--domain", "nowhere.example.com"]
    report.check("a name that does not resolve", refused, server, "", unknown, "does not resolve", 3)
    report.check("an interface of somebody else's", foreign_interface, server)
    report.check("a dry run names every step", dry_run, server)
    report.check("none of it has changed anything", unchanged, server, before)


def refused(server: Server, by: str, options: list[str], sentence: str, *codes: int) -> str:
    done = server.run(f"cd / && {by} sh {CHECKOUT}/deploy/install.sh {' '.join(options)}")
    said = done.stdout + done.stderr
    if by and done.returncode == 2 and "cannot open" in said.lower():  # a user who cannot even read root's files
        done = server.run(f"cp -r {CHECKOUT} /tmp/checkout && cd / && {by} sh /tmp/checkout/deploy/install.sh")
        server.run("rm -rf /tmp/checkout")
        said = done.stdout + done.stderr
    if done.returncode not in codes or sentence not in said:
        raise NotProven(f"it ended with {done.returncode}: {said.strip()[-400:]}")
    return next(line for line in said.splitlines() if sentence in line)


def other_system(server: Server) -> str:
    server.run(
        "cp -P /etc/os-release /root/os-release; rm /etc/os-release; echo ID=fedora >/etc/os-release", check=True
    )
    try:
        return refused(server, "", CERTIFIED, "This is fedora", 3)
    finally:
        server.run("rm /etc/os-release; cp -P /root/os-release /etc/os-release", check=True)


def port_taken(server: Server) -> str:
    holder = server.start(["perl", "-e", LISTEN])
    try:
        while "80" not in server.run("ss -Hltn sport = :80").stdout:
            if holder.poll() is not None:
                raise NotProven(holder.complaints())
        return refused(server, "", CERTIFIED, "Port 80/tcp is taken by", 3)
    finally:
        server.run("pkill -x perl")
        holder.wait(10)


def foreign_interface(server: Server) -> str:
    server.run("mkdir -p /etc/wireguard && touch /etc/wireguard/wg0.conf", check=True)
    try:
        return refused(server, "", CERTIFIED, "interface wg0 already", 3)
    finally:
        server.run("rm -r /etc/wireguard", check=True)


def dry_run(server: Server) -> str:
    done = server.run(["sh", f"{CHECKOUT}/deploy/install.sh", "--dry-run", *CERTIFIED])
    steps = [line for line in done.stdout.splitlines() if line.startswith("Would do: ")]
    if done.returncode or len(steps) < 10:
        raise NotProven(f"it ended with {done.returncode} after {len(steps)} steps: {done.stdout + done.stderr}")
    return f"{len(steps)} steps"


def unchanged(server: Server, before: str) -> str:
    changed = {
        line for line in set(before.splitlines()) ^ set(server.run(WALK, check=True).stdout.splitlines())
        if line.split()[0] not in {"/etc", "/etc/os-release"}
    }  # fmt: skip
    if changed:
        raise NotProven("; ".join(sorted(changed)[:6]))
    return f"{len(before.splitlines())} files as they were"
