from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from hubproject.certificate import CertificateTrouble, check_certificate
from hubproject.commands import RefusingCommand
from hubproject.models import TimerReport
from hubproject.timer_reports import report


class Command(RefusingCommand):
    help = "Says how long the certificate lasts that HUB_PUBLIC_URL serves; fails under 14 days."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default=settings.HUB_PUBLIC_URL, help="another address than HUB_PUBLIC_URL")

    def handle(self, *args: Any, url: str, **options: Any) -> None:
        if not url.startswith(("https://", "http://")):
            raise CommandError(f"{url} is no address such as https://hub.example.com.")
        if not url.startswith("https:"):
            self.stdout.write(f"{url} is not https: there is no certificate to check.")
            return
        now = timezone.now()
        try:
            sentence, expires_at = check_certificate(url, now=now)
        except CertificateTrouble as trouble:
            _report(url, is_good=False, sentence=str(trouble), now=now, expires_at=trouble.expires_at)
            raise CommandError(str(trouble)) from None
        _report(url, is_good=True, sentence=sentence, now=now, expires_at=expires_at)
        self.stdout.write(sentence)


def _report(url: str, **found: Any) -> None:
    """For overview and metrics, which speak of the hub's own address: what another one serves is not for them."""
    if url == settings.HUB_PUBLIC_URL:
        report(TimerReport.Errand.CERTIFICATE_CHECK, **found)
