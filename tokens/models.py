"""The right to become a spoke, and the address that goes with it."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Case, Count, F, Q, Value, When

from wireguard.models import HubConfig


class State(models.TextChoices):
    """Where a token is in its life. A row may still say issued or claimed when time has made it expired."""

    ISSUED = "issued"
    CLAIMED = "claimed"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    REVOKED = "revoked"


def registration_grace() -> timedelta:
    """How long after its claim a token may register even if its validity ran out in between."""
    return timedelta(minutes=settings.TOKEN_REGISTRATION_MINUTES)


class TokenQuerySet(models.QuerySet["InstallationToken"]):
    """The conditions that every door shares."""

    def claimable(self, now: datetime) -> "TokenQuerySet":
        return self.filter(state=State.ISSUED, expires_at__gt=now)

    def redeemable(self, now: datetime) -> "TokenQuerySet":
        return self.filter(
            Q(state=State.ISSUED, expires_at__gt=now)
            | Q(state=State.CLAIMED, expires_at__gt=now)
            | Q(state=State.CLAIMED, claimed_at__gt=now - registration_grace())
        )

    def in_states(self, states: Iterable[State], now: datetime) -> "TokenQuerySet":
        """The tokens that are in one of these states as of `now`: in SQL what `state_at` says of one row."""
        return self.annotate(current_state=_current_state(now)).filter(current_state__in=states)

    def lapsed(self, now: datetime) -> "TokenQuerySet":
        """Unredeemed tokens that time has ended but whose row does not say so yet: they still hold their lease."""
        return self.filter(_lapsed(now))

    def count_by_state(self, now: datetime) -> dict[State, int]:
        """How many tokens are in each state as of `now`: counted in an index, less what time alone has ended."""
        counts = dict.fromkeys(State, 0) | _numbers(self)
        for state, number in _numbers(self.lapsed(now)).items():
            counts[state] -= number
            counts[State.EXPIRED] += number
        return counts


def _numbers(tokens: TokenQuerySet) -> dict[State, int]:
    rows = tokens.order_by().values_list("state").annotate(number=Count("*"))
    return {State(name): number for name, number in rows}


def _lapsed(now: datetime) -> Q:
    return Q(state=State.ISSUED, expires_at__lte=now) | Q(
        state=State.CLAIMED, expires_at__lte=now, claimed_at__lte=now - registration_grace()
    )


def _current_state(now: datetime) -> Case:
    return Case(
        When(_lapsed(now), then=Value(State.EXPIRED.value)), default=F("state"), output_field=models.CharField()
    )


class InstallationToken(models.Model):
    """A one-time token. While `lease_host` and `lease_name` are set, the row is the lease of its address and name."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    hub = models.ForeignKey(HubConfig, models.PROTECT, related_name="tokens", default=1)
    token_hash = models.CharField(max_length=64, unique=True)
    token_prefix = models.CharField(max_length=6)
    spoke_id = models.UUIDField(default=uuid.uuid4, db_index=True)
    spoke_name = models.CharField(max_length=63)
    platform = models.CharField(max_length=10, default="", help_text="What the operator expects the machine to be.")
    # Issued by "enrol this node": whoever registers as this node of this cluster needs no other confirmation.
    expected_cluster = models.UUIDField(null=True)
    expected_node = models.CharField(max_length=63, default="")
    host = models.PositiveBigIntegerField(help_text="The address's number within the network.")
    address = models.GenericIPAddressField()
    address6 = models.GenericIPAddressField("IPv6 address", null=True, help_text="The same host in the IPv6 prefix.")
    lease_host = models.PositiveBigIntegerField(unique=True, null=True)
    lease_name = models.CharField(max_length=63, unique=True, null=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.ISSUED)
    created_at = models.DateTimeField()
    issued_by = models.CharField(max_length=200, default="", help_text="Who issued it, as the audit log names him.")
    expires_at = models.DateTimeField(db_index=True)
    claimed_at = models.DateTimeField(null=True)
    claimed_from = models.GenericIPAddressField(null=True)
    redeemed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True, help_text="When it was revoked or found expired.")
    # What the script is rendered from, as it was at issue; registering answers with the hub's current values.
    hub_endpoint = models.CharField(max_length=261)
    hub_public_key = models.CharField(max_length=44)
    network_cidr = models.CharField(max_length=43)
    network_cidr6 = models.CharField(max_length=43, null=True)
    dns = models.JSONField(default=list)
    persistent_keepalive = models.PositiveIntegerField(default=25)

    objects = TokenQuerySet.as_manager()

    class Meta:
        db_table = "installation_tokens"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["state", "expires_at"], name="token_state_expiry"),
            models.Index(fields=["-created_at", "id"], name="token_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.token_prefix}… for {self.spoke_name}"

    @property
    def used_at(self) -> datetime | None:
        """When it was claimed, or redeemed by a client that fetched no script."""
        return self.claimed_at or self.redeemed_at

    @property
    def allowed_ips(self) -> list[str]:
        """The spoke's addresses with their networks' prefix lengths, as the wire has them."""
        addresses = [f"{self.address}/{self.network_cidr.partition('/')[2]}"]
        if self.address6 and self.network_cidr6:
            addresses.append(f"{self.address6}/{self.network_cidr6.partition('/')[2]}")
        return addresses

    @property
    def routed_ips(self) -> list[str]:
        """What the hub routes to the spoke: its own addresses and nothing else."""
        return [f"{self.address}/32", *([f"{self.address6}/128"] if self.address6 else [])]

    def state_at(self, now: datetime) -> State:
        """The state as of `now`: what the row says, unless time has ended it."""
        is_ended = self.state == State.ISSUED and self.expires_at <= now
        if self.state == State.CLAIMED and self.claimed_at is not None:
            is_ended = self.expires_at <= now and self.claimed_at <= now - registration_grace()
        return State.EXPIRED if is_ended else State(self.state)


class RestingAddress(models.Model):
    """A released address. Those never used are leased first, then the one that has rested longest."""

    host = models.PositiveBigIntegerField(primary_key=True)
    hub = models.ForeignKey(HubConfig, models.CASCADE, related_name="resting_addresses", default=1)
    released_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "resting_addresses"
        verbose_name_plural = "resting addresses"

    def __str__(self) -> str:
        return f"host {self.host}"
