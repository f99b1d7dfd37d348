"""`make deploy-test`: deploy/install.sh on whole Debian systems, from a bare server to its end as a hub.

Each claim is tried out and printed in one line with the figures seen. `ONLY=debian12`, `ONLY=restore` or
`ONLY=debian13` runs a part.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.deploy import bad_input, hardened, life, moved
from tests.deploy.machines import Authority, Installed, Server
from tests.journeys.debian_roots import RootUnavailable
from tests.journeys.demo import Report, say
from tests.journeys.lab import Lab, LabUnavailable


def debian12(lab: Lab, authority: Authority, report: Report) -> None:
    """SQLite; a certificate of somebody else's authority."""
    server = lab.join(Server("hub12", "bookworm"), "203.0.113.1")
    server.boot()
    authority.certify(server)
    hub = Installed(lab, server, authority, "--network", "10.0.1.0/24")
    bad_input.refusals(server, report)
    if not report.check("Debian 12: from a bare server to a hub, at most 120 s", life.install, hub):
        return
    if not report.check("a spoke enrols over TLS through nginx", life.enrol, hub, "spoke1", "203.0.113.11"):
        return
    life.days(hub, report)
    hardened.walls(hub, report)
    life.end(hub, report)


def restore(lab: Lab, authority: Authority, report: Report) -> None:
    """Lost, and back on another bare machine."""
    server = lab.join(Server("oldhub", "bookworm"), "203.0.113.1")
    server.boot()
    authority.certify(server)
    hub = Installed(lab, server, authority, "--network", "10.0.1.0/24")
    if report.check("a hub to lose", life.install, hub):
        moved.to_a_bare_machine(lab, hub, authority, report)


def debian13(lab: Lab, authority: Authority, report: Report) -> None:
    """PostgreSQL; an install that is killed again and again."""
    server = lab.join(Server("hub13", "trixie"), "203.0.113.1")
    server.boot()
    authority.certify(server)
    hub = Installed(lab, server, authority, "--database", "postgres")
    if not report.check("Debian 13, PostgreSQL: killed at each step, the same command completes", life.killed, hub):
        return
    report.check("the runbook's first hour", life.first_hour, hub)
    if not report.check("a spoke enrols over TLS through nginx", life.enrol, hub, "spoke1", "203.0.113.11"):
        return
    life.days(hub, report)
    hardened.walls(hub, report)
    life.upgrades(hub, report)
    life.end(hub, report)


PARTS: dict[str, Callable[[Lab, Authority, Report], None]] = {
    "debian12": debian12,
    "restore": restore,
    "debian13": debian13,
}


def main(only: list[str]) -> int:
    report = Report()
    began = time.monotonic()
    for name in only or PARTS:
        say(f"--- {name}")
        try:
            with tempfile.TemporaryDirectory() as folder, Lab() as lab:
                PARTS[name](lab, Authority(Path(folder)), report)
        except (LabUnavailable, RootUnavailable) as reason:
            say(f"deploy-test: {reason}")
            return 1
    say(f"deploy-test: {report.tried - report.failed} of {report.tried} proven in {time.monotonic() - began:.0f} s")
    return int(report.failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
