"""What is wanted (HubConfig, Peer) and what was last seen (AgentState, PeerStatus), which only the agent writes."""

from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network

from django.db import models
from django.db.models import Q

from hubproject.statements import find

# An agent that has not been heard of for this long is down. It writes every 3 s.
AGENT_SILENCE = timedelta(seconds=20)


class HubConfig(models.Model):
    """The hub's own [Interface] and what spokes are told about it. One row, which is also the mutex of every change."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    interface_name = models.CharField(max_length=15, default="wg0")
    interface_address = models.CharField(max_length=43, help_text="The hub's own address with prefix length.")
    listen_port = models.PositiveIntegerField()
    sealed_private_key = models.TextField(editable=False)
    public_key = models.CharField(max_length=44)
    network_cidr = models.CharField("network", max_length=43)
    interface_address6 = models.CharField(max_length=43, null=True, help_text="The hub's own IPv6 address, likewise.")
    network_cidr6 = models.CharField("IPv6 network", max_length=43, null=True)
    dns = models.JSONField(default=list)
    dns_domains = models.JSONField(default=list)
    endpoint = models.CharField(max_length=261, help_text="host:port that spokes connect to.")
    mtu = models.PositiveIntegerField(default=1420)
    persistent_keepalive = models.PositiveIntegerField(default=25, help_text="Seconds; set on the spokes' side.")
    spoke_to_spoke = models.CharField(max_length=10, default="isolated")
    generation = models.PositiveBigIntegerField(default=1, help_text="Counts the changes of what is wanted.")
    next_host = models.PositiveBigIntegerField(default=2, help_text="The lowest host number never leased so far.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "hub_config"
        verbose_name = verbose_name_plural = "hub configuration"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="hub_config_is_one_row")]

    def __str__(self) -> str:
        return f"{self.interface_name} {self.endpoint}"

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(self.network_cidr)

    @property
    def network6(self) -> IPv6Network | None:
        return IPv6Network(self.network_cidr6) if self.network_cidr6 else None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The hub's own addresses, with prefix length."""
        return (self.interface_address, *filter(None, [self.interface_address6]))


class Peer(models.Model):
    """A live row is a peer that should be on the interface; a removed one tells the agent to take it off."""

    public_key = models.CharField(max_length=44)
    # The same key while the peer is live, null afterwards: unique among live rows by a plain unique index.
    live_key = models.CharField(max_length=44, unique=True, null=True)
    allowed_ips = models.CharField(max_length=200, help_text="What the hub routes to this peer, comma-separated.")
    generation = models.PositiveBigIntegerField(db_index=True, help_text="The generation that last changed this row.")
    # A number alone, for this app knows no clusters: the peers that share one may talk in the mode `cluster`.
    forwarding_group = models.PositiveBigIntegerField(
        null=True, help_text="The cluster the spoke is a confirmed node of."
    )
    removed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "peers"

    def __str__(self) -> str:
        return f"{self.public_key[:8]}… {self.allowed_ips}"


class PeerStatus(models.Model):
    """What the agent last saw of a peer; no row while it was never heard."""

    peer = models.OneToOneField(Peer, models.CASCADE, primary_key=True, related_name="status")
    endpoint = models.CharField(max_length=64, null=True)
    latest_handshake_at = models.DateTimeField(null=True)
    # The newer of the last handshake and the last time the received bytes grew.
    heard_at = models.DateTimeField(null=True, db_index=True)
    # Totals: the interface's counters begin anew with it or with the peer, these do not.
    transfer_rx = models.PositiveBigIntegerField(default=0, help_text="Bytes received from the peer, ever.")
    transfer_tx = models.PositiveBigIntegerField(default=0, help_text="Bytes sent to the peer, ever.")
    seen_rx = models.PositiveBigIntegerField(default=0, help_text="The interface's own counter at the last look.")
    seen_tx = models.PositiveBigIntegerField(default=0, help_text="The interface's own counter at the last look.")
    rate_rx = models.PositiveBigIntegerField(
        null=True, help_text="Bytes received a second, between the last two looks."
    )
    rate_tx = models.PositiveBigIntegerField(null=True, help_text="Bytes sent a second, between the last two looks.")

    class Meta:
        db_table = "peer_status"
        verbose_name_plural = "peer status"

    def __str__(self) -> str:
        return f"status of peer {self.peer_id}"


class TrafficSample(models.Model):
    """What went through the whole hub in one minute. Kept for a week."""

    at = models.DateTimeField(unique=True, help_text="The minute's beginning.")
    received = models.PositiveBigIntegerField(help_text="Bytes received from all peers.")
    sent = models.PositiveBigIntegerField(help_text="Bytes sent to all peers.")

    class Meta:
        db_table = "traffic_samples"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"


class AgentState(models.Model):
    """The agent's own report: what it has applied, when it was alive, what hinders it. One row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    applied_generation = models.PositiveBigIntegerField(default=0)
    alive_at = models.DateTimeField(null=True, help_text="Written every few seconds.")
    synced_at = models.DateTimeField(null=True, help_text="When the interface was last compared with what is wanted.")
    interface_up = models.BooleanField(default=False)
    interface_up_since = models.DateTimeField(null=True)
    is_managing = models.BooleanField(default=True, help_text="False where the agent lacks the privilege.")
    problem = models.TextField(default="", help_text="One sentence; empty when all is well.")
    drift_repairs = models.JSONField(default=dict, help_text="How often each kind of drift was repaired.")
    # Counted for the metrics: over the life of the hub, whichever agent was in charge.
    received = models.PositiveBigIntegerField(default=0, help_text="Bytes received from all peers, ever.")
    sent = models.PositiveBigIntegerField(default=0, help_text="Bytes sent to all peers, ever.")
    handshake_intervals = models.JSONField(default=dict, help_text="A histogram: see add_intervals.")
    handshake_failures = models.PositiveBigIntegerField(
        default=0, help_text="How often a peer fell silent, or was not heard within five minutes of its registration."
    )
    failures_counted_until = models.DateTimeField(null=True)
    last_repair = models.TextField(default="", help_text="One sentence on the last repair of drift.")
    last_repair_at = models.DateTimeField(null=True)
    # The lease that says which agent may act; `term` grows with every change of hands.
    lease_holder = models.TextField(default="")
    lease_expires_at = models.DateTimeField(null=True, help_text="By the holder's clock; empty when nobody holds it.")
    term = models.PositiveBigIntegerField(default=0)
    hold = models.BooleanField(default=False, help_text="Differences are listed, and no peer is cut or revived.")
    differences = models.JSONField(default=list, help_text="What to decide on while on hold.")

    class Meta:
        db_table = "agent_state"
        verbose_name = verbose_name_plural = "agent state"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="agent_state_is_one_row")]

    def __str__(self) -> str:
        return f"applied generation {self.applied_generation}"

    @classmethod
    def current(cls) -> "AgentState":
        """The agent's report, or an empty one when no agent ever ran."""
        return find(cls, "id", 1) or cls()

    def is_alive(self, now: datetime) -> bool:
        # A sign of life from the future was given before the clock was set back, and says nothing.
        return self.alive_at is not None and abs(now - self.alive_at) < AGENT_SILENCE

    def word(self, *, generation: int, now: datetime) -> str:
        """`ok`, `behind`, `down` or `unmanaged`, as the API says it."""
        if not self.is_alive(now):
            return "down"
        if not self.is_managing:
            return "unmanaged"
        is_behind = bool(self.problem) or self.applied_generation < generation
        return "behind" if is_behind else "ok"
