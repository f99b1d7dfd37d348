"""A machine's identity: its name, what it said of itself, its peer, its token, its cluster."""

from datetime import datetime

from django.db import models
from django.db.models import Case, F, Value, When

from hubproject.liveness import Status, condition_of
from proxmox.models import Cluster
from tokens.models import InstallationToken
from wireguard.models import Peer


class OperatingSystem(models.TextChoices):
    LINUX = "linux", "Linux"
    MACOS = "macos", "macOS"
    WINDOWS = "windows", "Windows"
    PROXMOX = "proxmox", "Proxmox VE"


class SpokeQuerySet(models.QuerySet["Spoke"]):
    def live(self) -> "SpokeQuerySet":
        return self.filter(removed_at=None)

    def with_status(self, now: datetime) -> "SpokeQuerySet":
        """Adds `status` as of `now` and what the wire needs beside it, in one query."""
        cases = [When(condition_of(status, now), then=Value(status.value)) for status in Status]
        return self.select_related("peer", "token").annotate(  # type: ignore[no-redef]
            status=Case(*cases, output_field=models.CharField()),
            last_handshake=F("peer__status__latest_handshake_at"),
        )

    def with_seen(self, now: datetime) -> "SpokeQuerySet":
        """`with_status`, and beside it what the agent last saw: endpoint, rates and totals in bytes."""
        seen = ("endpoint", "heard_at", "rate_rx", "rate_tx", "transfer_rx", "transfer_tx")
        return self.with_status(now).annotate(**{name: F(f"peer__status__{name}") for name in seen})


class Spoke(models.Model):
    """A machine that registered. Its key is on its peer, its address on its token."""

    id = models.UUIDField(primary_key=True)
    token = models.OneToOneField(InstallationToken, models.PROTECT, related_name="spoke")
    peer = models.OneToOneField(Peer, models.PROTECT, related_name="spoke")
    name = models.CharField(max_length=63, db_index=True)
    registered_at = models.DateTimeField(db_index=True)
    registered_from = models.GenericIPAddressField(null=True)
    removed_at = models.DateTimeField(null=True, db_index=True)
    os = models.CharField("platform", max_length=10, choices=OperatingSystem.choices)
    is_proxmox = models.BooleanField(default=False)
    proxmox_cluster = models.ForeignKey(Cluster, models.SET_NULL, null=True, related_name="nodes")
    proxmox_node_name = models.CharField(max_length=63, default="")
    proxmox_version = models.CharField(max_length=63, default="")
    confirmed = models.BooleanField(default=False, help_text="An operator confirmed that it is a node of its cluster.")
    metadata = models.JSONField(default=dict)

    # Not columns: `with_status` reads them,
    status: str
    last_handshake: datetime | None
    # and `with_seen` these as well; None while it was never heard.
    endpoint: str | None
    heard_at: datetime | None
    rate_rx: int | None
    rate_tx: int | None
    transfer_rx: int | None
    transfer_tx: int | None

    objects = SpokeQuerySet.as_manager()

    class Meta:
        db_table = "spoke_registrations"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
