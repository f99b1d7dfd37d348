"""The installed web front in small: the product's nginx configuration before a real gunicorn on a unix socket."""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubproject.service_manager import web_answers
from tests.live import ROOT, LiveHub, end, free_port, live_hub

NAME = "hub.example.com"
HASHED = "look.0123456789ab.css"
WRAPPER = """
{user}
pid {home}/nginx.pid;
error_log {home}/logs/main.log info;
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    client_body_temp_path {home}/temp; proxy_temp_path {home}/temp; fastcgi_temp_path {home}/temp;
    uwsgi_temp_path {home}/temp; scgi_temp_path {home}/temp;
    access_log off;
    include {home}/site.conf;
}}
"""


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def all(self, name: str) -> list[str]:
        """Every header of this name."""
        return [value for header, value in self.headers if header.lower() == name.lower()]


@dataclass
class Front:
    """`tls`, `plain` and `metrics` are ports of 127.0.0.1."""

    home: Path
    hub: LiveHub
    tls: int
    plain: int
    metrics: int
    web: "subprocess.Popen[bytes] | None" = None
    nginx: "subprocess.Popen[bytes] | None" = None

    @property
    def bind(self) -> str:
        return self.hub.environment["HUB_BIND"]

    def start_web(self) -> None:
        self.web = self.hub.start([sys.executable, "-m", "gunicorn", "--config", "python:hubproject.gunicorn_conf"])
        self.hub.wait_for(lambda: web_answers(self.bind))

    def start_nginx(self) -> None:
        self.nginx = self.hub.start(["nginx", "-c", str(self.home / "nginx.conf"), "-g", "daemon off;"])
        self.hub.wait_for(lambda: listens(self.tls))

    def secure(self, *, name: str | None = NAME) -> ssl.SSLSocket:
        """A TLS connection that asks for this name."""
        context = ssl.create_default_context(cafile=str(self.home / "certificate.pem"))
        if name != NAME:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", self.tls), timeout=30)
        return context.wrap_socket(raw, server_hostname=name)

    def ask(self, method: str, path: str, body: Any = None, *, role: str = "", **headers: str) -> Answer:
        """Over TLS, as a machine elsewhere would."""
        connection = http.client.HTTPConnection(NAME, self.tls, timeout=30)
        connection.sock = self.secure()
        return self._asked(connection, method, path, body=body, role=role, given=headers)

    def ask_plainly(self, port: int, method: str, path: str, **headers: str) -> Answer:
        """Without TLS."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        return self._asked(connection, method, path, body=None, role="", given={"Host": NAME} | headers)

    def _asked(
        self, connection: http.client.HTTPConnection, method: str, path: str, *, body: Any, role: str, given: Any
    ) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in given.items()}
        headers |= {"Host": headers.get("Host", NAME), "Content-Type": "application/json"}
        if role:
            headers["Authorization"] = f"Bearer {self.hub.keys[role]}"
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def say(self, request: bytes) -> bytes:
        """Any bytes at all over TLS, and all that came back."""
        with self.secure() as connection:
            connection.sendall(request)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
            return b"".join(parts)

    def logs(self) -> str:
        """What nginx and the hub have written by now; each writes of a request when its answer has gone, so later."""
        files = [*(self.home / "logs").iterdir(), self.hub.home / "log"]
        return "".join(file.read_text() for file in files)

    def requests_logged(self) -> int:
        return len((self.home / "logs/wireguard-hub-access.log").read_text().splitlines())


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def rendered(template: str, replacements: dict[str, str]) -> str:
    """The configuration with other ports and places, and without IPv6."""
    text = re.sub(r"^ *listen \[::\].*\n", "", template, flags=re.MULTILINE)
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def web_front() -> Iterator[Front]:
    """Hub, gunicorn and nginx; the agent is the test's to start."""
    home = Path(tempfile.mkdtemp(prefix="front-"))  # short: the name of a unix socket may have 107 bytes
    settings = {
        "HUB_BIND": f"unix:{home}/web.sock",
        "HUB_PUBLIC_URL": f"https://{NAME}",
        "HUB_TRUSTED_PROXIES": "1",
    }
    try:
        with live_hub(home / "hub", **settings) as hub:
            front = Front(home, hub, free_port(), free_port(), free_port())
            _write_files(front)
            front.start_web()
            front.start_nginx()
            yield front
            if front.nginx:
                end(front.nginx)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _write_files(front: Front) -> None:
    home = front.home
    for directory in ("logs", "temp", "current/static", "www/.well-known/acme-challenge"):
        (home / directory).mkdir(parents=True)
    (home / "current/deploy").symlink_to(ROOT / "deploy")
    (home / "current/static" / HASHED).write_text("p { color: black }\n" * 100)
    (home / "www/.well-known/acme-challenge/proof").write_text("proof")
    _certificate(home)
    replacements = {
        "@SERVER_NAME@": NAME,
        "@CERTIFICATE@": f"{home}/certificate.pem",
        "@CERTIFICATE_KEY@": f"{home}/key.pem",
        "listen 443 ": f"listen 127.0.0.1:{front.tls} ",
        "listen 80 ": f"listen 127.0.0.1:{front.plain} ",
        "listen 80;": f"listen 127.0.0.1:{front.plain};",
        "127.0.0.1:9586": f"127.0.0.1:{front.metrics}",
        "/run/wireguard-hub/web.sock": f"{home}/web.sock",
        "/opt/wireguard-hub/current": f"{home}/current",
        "/var/log/nginx": f"{home}/logs",
        "/var/www/html": f"{home}/www",
    }
    template = (ROOT / "deploy/nginx/wireguard-hub.conf").read_text()
    (home / "site.conf").write_text(rendered(template, replacements))
    user = "user root;" if os.geteuid() == 0 else ""
    (home / "nginx.conf").write_text(WRAPPER.format(home=home, user=user))


def _certificate(home: Path) -> None:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", str(home / "key.pem"), "-out", str(home / "certificate.pem")]
    names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    subprocess.run(["openssl", "req", "-x509", *curve, *files, "-days", "2", *names], capture_output=True, check=True)
