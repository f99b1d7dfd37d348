"""The certificate that the hub's public address really serves, and how long it lasts."""

import socket
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509

SHORT = timedelta(days=14)
SECONDS = 15.0


class CertificateTrouble(Exception):
    """Nothing was served, or what was served ends soon; one line. `expires_at` where it is known."""

    def __init__(self, line: str, expires_at: datetime | None = None) -> None:
        self.expires_at = expires_at
        super().__init__(line)


@dataclass(frozen=True, slots=True)
class Served:
    """When it ends, and why this machine would not trust it: an empty text when it would."""

    expires_at: datetime
    distrust: str


def check_certificate(url: str, *, now: datetime) -> tuple[str, datetime]:
    """A sentence and the end of the certificate served at an https URL. Raises CertificateTrouble."""
    try:
        at = urlsplit(url)
        host, port = at.hostname or "", at.port or 443
    except ValueError as fault:
        raise CertificateTrouble(f"{url} is no address: {_reason(fault)}.") from None
    try:
        served = _served(host, port)
    except (OSError, ValueError) as fault:
        raise CertificateTrouble(f"No certificate could be had from {host} port {port}: {_reason(fault)}.") from None
    left, until = served.expires_at - now, served.expires_at
    day = f"{served.expires_at:%Y-%m-%d %H:%M} UTC"
    note = f" This machine does not trust it: {served.distrust}." if served.distrust else ""
    if left <= timedelta(0):
        raise CertificateTrouble(f"The certificate of {host} has expired, on {day}.", until)
    if left < SHORT:
        raise CertificateTrouble(
            f"The certificate of {host} ends in {left.days} days, on {day}.{note}", served.expires_at
        )
    return f"The certificate of {host} lasts {left.days} days, until {day}.{note}", until


def _served(host: str, port: int) -> Served:
    """Taken as it is first, for one that is not trusted or over has an end as well."""
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    raw = _handshake(host, port, blind)
    distrust = ""
    try:
        _handshake(host, port, ssl.create_default_context())
    except ssl.SSLCertVerificationError as refusal:
        distrust = refusal.verify_message.rstrip(".")
    return Served(x509.load_der_x509_certificate(raw).not_valid_after_utc, distrust)


def _handshake(host: str, port: int, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection((host, port), timeout=SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def _reason(fault: Exception) -> str:
    return str(getattr(fault, "strerror", None) or fault).strip().rstrip(".") or type(fault).__name__
