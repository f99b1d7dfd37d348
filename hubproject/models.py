"""What belongs to the frame rather than to WireGuard: the audit log, API keys and the first-run setup code."""

from django.db import models
from django.db.models import Q


class Role(models.TextChoices):
    """What somebody may do; each role includes the ones before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def includes(self, other: "Role") -> bool:
        return self.rank >= other.rank


class AuditEvent(models.Model):
    """One thing that happened. Rows are chained, and triggers of the database refuse to change or delete them.

    `hash` is the SHA-256, as 64 hex digits, of the UTF-8 text of this JSON list, written with sorted keys, without
    spaces, and with letters beyond ASCII as they are:

        [id, previous_hash, at, event, actor, object, source_address, user_agent, details]

    `id` counts from 1 without a gap; `previous_hash` is the `hash` of the row before, 64 zeros in the first;
    `at` reads `2026-03-01T12:00:00.000000+00:00`, always UTC and always six digits; `source_address` is null or
    the address as Python's `ipaddress` spells it. Details hold text, integers, booleans, null, lists and objects.
    """

    # Given by the chain's head; the database's own counters have gaps after rollbacks.
    id = models.BigIntegerField("number", primary_key=True)
    at = models.DateTimeField()
    event = models.CharField(max_length=60)
    actor = models.CharField(max_length=200)
    object = models.CharField(max_length=200)
    source_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300)
    details = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        db_table = "audit_events"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["at"], name="audit_events_at"),
            models.Index(fields=["event"], name="audit_events_event"),
            models.Index(fields=["actor"], name="audit_events_actor"),
            models.Index(fields=["object"], name="audit_events_object"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.object}"


class AuditHead(models.Model):
    """The end of the audit log: the number and hash of its last event, so that a cut-off tail is noticed.

    One row, moved in the transaction of each event, and the lock that lets one writer at a time append.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)
    # Written with the row that every event writes anyway, so that the metrics need not count a log that only grows.
    # May be null so that SQLite adds the column in place: a table made anew would have lost its triggers.
    counts = models.JSONField(null=True, help_text="How many events of each kind there ever were.")

    class Meta:
        db_table = "audit_head"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="audit_head_is_one_row")]

    def __str__(self) -> str:
        return f"event {self.number}"


class ApiKey(models.Model):
    """A REST client's credential: a hash, a prefix to recognise it by, a name, a role, an end."""

    name = models.CharField(max_length=63)
    prefix = models.CharField(max_length=12)
    key_hash = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=10, choices=Role.choices)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "api_keys"
        ordering = ["name", "id"]
        verbose_name = "API key"
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(revoked_at=None), name="api_key_name_unique_while_live"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Setup(models.Model):
    """The one row behind the first run: the hash of the setup code, and which of its two doors have shut for good."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    code_hash = models.CharField(max_length=64)
    code_made_at = models.DateTimeField()
    first_admin_made_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "setup"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="setup_is_one_row")]

    def __str__(self) -> str:
        return "first-run setup"


class TimerReport(models.Model):
    """How one of the timers' errands ended the last time; one row an errand, written by the command behind it."""

    class Errand(models.TextChoices):
        BACKUP = "backup"
        BACKUP_CHECK = "backup check"
        AUDIT_CHECK = "audit check"
        CERTIFICATE_CHECK = "certificate check"
        PERMISSIONS_CHECK = "permissions check"

    errand = models.CharField(max_length=20, primary_key=True, choices=Errand.choices)
    ran_at = models.DateTimeField()
    is_good = models.BooleanField()
    sentence = models.CharField(max_length=300)
    last_good_at = models.DateTimeField(null=True)
    # What was looked at ends then: the certificate. Null for everything else.
    expires_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "timer_reports"

    def __str__(self) -> str:
        return f"{self.errand}: {self.sentence}"
