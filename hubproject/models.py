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
    """One thing that happened."""

    at = models.DateTimeField()
    event = models.CharField(max_length=60)
    actor = models.CharField(max_length=200)
    object = models.CharField(max_length=200)
    source_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300)
    details = models.JSONField(default=dict)

    class Meta:
        db_table = "audit_events"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.event} {self.object}"


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
