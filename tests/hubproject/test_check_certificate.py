"""`check_certificate` looks at what is really served, trusted or not, and fails in time."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import CommandError, call_command
from django.utils import timezone

from hubproject import certificate
from hubproject.models import TimerReport
from tests.live import free_port

pytestmark = pytest.mark.django_db


def certificate_file(path: Path, lasts: timedelta) -> Path:
    """A self-signed certificate for localhost with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), timezone.now()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + lasts)
        .sign(key, hashes.SHA256())
    )
    pem, private, none = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, private, none) + made.public_bytes(pem))
    return path


@contextmanager
def served(file: Path) -> Iterator[str]:
    """The URL of a TLS server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain:
                    try:
                        context.wrap_socket(plain, server_side=True).close()
                    except OSError:  # a client that does not trust us goes away
                        continue

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def reported() -> TimerReport:
    return TimerReport.objects.get(errand="certificate check")


def test_one_that_lasts_is_good_even_when_this_machine_does_not_trust_it(tmp_path):
    out = StringIO()
    with served(certificate_file(tmp_path / "pem", timedelta(days=60, hours=1))) as url:
        call_command("check_certificate", url=url, stdout=out)
    assert "lasts 60 days" in out.getvalue()
    assert "does not trust it: self-signed certificate" in out.getvalue()
    assert reported().is_good
    assert abs(reported().expires_at - timezone.now() - timedelta(days=60)) < timedelta(hours=2)


@pytest.mark.parametrize(
    ("lasts", "said"), [(timedelta(days=13, hours=23), "ends in 13 days"), (-timedelta(1), "has expired")]
)
def test_one_that_ends_soon_or_is_over_fails_and_its_end_is_known(tmp_path, lasts, said):
    with served(certificate_file(tmp_path / "pem", lasts)) as url, pytest.raises(CommandError, match=said):
        call_command("check_certificate", url=url)
    assert not reported().is_good
    assert reported().expires_at is not None


def test_nobody_there_is_a_failure(tmp_path):
    with pytest.raises(CommandError, match="Connection refused"):
        call_command("check_certificate", url=f"https://127.0.0.1:{free_port()}")
    assert not reported().is_good


def test_somebody_silent_is_not_waited_for_forever(monkeypatch):
    monkeypatch.setattr(certificate, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(CommandError, match="timed out"):
        call_command("check_certificate", url=f"https://127.0.0.1:{listener.getsockname()[1]}")


def test_a_hub_without_https_has_no_certificate(settings):
    out = StringIO()
    call_command("check_certificate", url="http://127.0.0.1:8000", stdout=out)
    assert "no certificate" in out.getvalue()
    assert not TimerReport.objects.exists()
