"""Servers as a hoster hands them over, a checkout on each, and a certificate authority of the lab's own."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.deploy.runbook import commands
from tests.journeys.debian_roots import cache, debian_root, only_one_build
from tests.journeys.demo import NotProven, last_line
from tests.journeys.lab import REPOSITORY, Host, Lab, Process
from tests.journeys.nspawn import Machine

PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
DOMAIN = "hub.example.com"
CERTIFICATE, CERTIFICATE_KEY = "/etc/ssl/hub.pem", "/etc/ssl/private/hub.key"
CHECKOUT = "/root/wireguard-hub"
WHEELS = "/root/wheels"
INSTALL_PATIENCE = 900.0
IS_INSTALLED = ["pyproject.toml", "requirements.txt", "manage.py", "README.md", "CHANGELOG.md", "deploy", "templates"]
APPS = ["hubproject", "wireguard", "tokens", "proxmox", "spokes"]

MAKE_AUTHORITY = """
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=authority of the lab' \
    -keyout ca.key -out ca.crt
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout hub.key -out hub.csr
printf 'subjectAltName=DNS:%s\\n' "$1" >names
openssl x509 -req -in hub.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out hub.crt
cat hub.crt ca.crt >hub.pem
"""


class Authority:
    """Certificates for the lab, in a directory of the test's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        argv = ["sh", "-c", MAKE_AUTHORITY, "sh", DOMAIN]
        subprocess.run(argv, cwd=folder, check=True, capture_output=True)

    def certify(self, server: "Server") -> None:
        server.write(CERTIFICATE, (self.folder / "hub.pem").read_text())
        server.write(CERTIFICATE_KEY, (self.folder / "hub.key").read_text())


class Server(Machine):
    """A bare Debian with a checkout of the project and the wheels it needs."""

    def __init__(self, name: str, release: str) -> None:
        super().__init__(name, debian_root(release, for_a="hub"))
        self.wheels = wheels(release)

    def boot(self) -> None:
        super().boot()
        if not self.file(CHECKOUT).exists():
            bring_checkout(self.file(CHECKOUT))
            shutil.copytree(self.wheels, self.file(WHEELS))
            self.run("cat >>/etc/hosts", given=f"{self.address} {DOMAIN}\n", check=True)

    def install(self, *options: str, checkout: str = CHECKOUT, **more: Any) -> "subprocess.CompletedProcess[str]":
        return self.run(self.install_command(*options, checkout=checkout), timeout=INSTALL_PATIENCE, **more)

    def start_install(self, *options: str, checkout: str = CHECKOUT) -> Process:
        return self.start(self.install_command(*options, checkout=checkout))

    def install_command(self, *options: str, checkout: str) -> list[str]:
        return ["sh", f"{checkout}/deploy/install.sh", "--wheels", WHEELS, *options]

    def hub(self, *command: str, given: str = "") -> str:
        """What `wireguard-hub COMMAND` prints."""
        done = self.run(["wireguard-hub", *command], given=given, timeout=300)
        if done.returncode:
            raise NotProven(
                f"wireguard-hub {command[0]} ended with {done.returncode}: {last_line(done.stderr + done.stdout)}"
            )
        return done.stdout.strip()

    def health(self) -> dict[str, Any]:
        """Empty while nothing answers."""
        curl = f"curl -sS -m 20 --insecure --resolve {DOMAIN}:443:127.0.0.1 https://{DOMAIN}/api/healthz"
        said = self.run(curl).stdout
        try:
            return dict(json.loads(said))
        except ValueError:
            return {}


def bring_checkout(to: Path) -> None:
    """What git keeps of this checkout, changes that are not committed included."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.splitlines()
    for name in names:
        if (REPOSITORY / name).is_file() and name.split("/")[0] in {*IS_INSTALLED, *APPS}:
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, to / name)


def wheels(release: str) -> Path:
    """The locked packages for the Python of a release, fetched once for each state of the lock."""
    lock = REPOSITORY / "requirements.txt"
    folder = cache() / f"wheels-{PYTHONS[release]}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    with only_one_build():
        if not folder.exists():
            unfinished = cache() / "unfinished-wheels"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            # Conditions in the lock are for the Python that asks, which is not the one the wheels are for.
            unconditional = unfinished / "requirements.txt"
            unconditional.write_text(re.sub(r" ; [^\\]+", " ", lock.read_text()))
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--quiet", "--disable-pip-version-check"]
            which = ["--require-hashes", "--no-deps", "--only-binary=:all:", f"--python-version={PYTHONS[release]}"]
            subprocess.run([*pip, *which, "-r", unconditional, "-d", unfinished], check=True)
            unfinished.rename(folder)
    return folder


def enrolling_host(lab: Lab, name: str, address: str, authority: Authority, hub_address: str) -> Host:
    """A machine that finds the hub by its name and trusts the lab's authority."""
    host = lab.host(name, address)
    host.run("cat >>/etc/hosts", given=f"{hub_address} {DOMAIN}\n", check=True)
    host.run("cat >>/etc/ssl/certs/ca-certificates.crt", given=(authority.folder / "ca.crt").read_text(), check=True)
    return host


class Installed:
    """A hub that is installed, and the spokes it has."""

    def __init__(self, lab: Lab, server: Server, authority: Authority, *options: str) -> None:
        self.lab, self.server, self.authority = lab, server, authority
        certificate = ["--certificate", CERTIFICATE, "--certificate-key", CERTIFICATE_KEY]
        self.options = ["--domain", DOMAIN, *certificate, *options]
        self.spokes: list[Host] = []

    def install(self) -> "subprocess.CompletedProcess[str]":
        return done_well(self.server.install(*self.options))

    def follow(self, name: str, *, cwd: str = CHECKOUT, **words: str) -> str:
        """Runs a block of the runbook, line by line, and returns what it said. `words` stand for those in capitals; the
        installer is told in addition where the lab's wheels and certificate are."""
        said = []
        for line in commands(name):
            command = re.sub(r"\b[A-Z]{4,}\b", lambda word: words[word[0]], line) if words else line
            if "deploy/install.sh" in command:
                command = shlex.join(
                    [*command.split(), "--wheels", WHEELS, *(self.options[2:] if "--domain" in line else [])]
                )
            done = done_well(self.server.run(command, cwd=cwd, timeout=INSTALL_PATIENCE))
            said.append(done.stdout)
        return "".join(said)

    def enrol(self, name: str, address: str) -> str:
        spoke = enrolling_host(self.lab, name, address, self.authority, self.server.address)
        said = done_well(spoke.run(last_line(self.server.hub("issue_token", name)), timeout=180)).stdout
        self.spokes.append(spoke)
        return last_line(said)


def times_busy() -> float:
    """How many times as long as on an idle machine things may take: more programs than cores want to run."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def judged(figure: float, most: float, unit: str) -> str:
    """The figure, or NotProven where it is too large for a machine as busy as this."""
    busy = times_busy()
    said = f"{figure:.0f} {unit}" + (f" while the machine was {busy:.1f} times busy" if busy > 1.2 else "")
    if figure > most * busy:
        raise NotProven(f"{said}; the limit is {most:.0f} {unit}")
    return said


def done_well(done: "subprocess.CompletedProcess[str]") -> "subprocess.CompletedProcess[str]":
    if done.returncode:
        raise NotProven(f"it ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-1500:]}")
    return done
