"""Tokens on the wire."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from hubproject.api import PageOut, PageParameters, QueryParameters, StrictSerializer
from tokens import scripts
from tokens.models import InstallationToken, State
from tokens.services import IssuedToken


class IssueToken(StrictSerializer):
    """The body of POST /api/installation/token."""

    spokeName = serializers.CharField(trim_whitespace=False)
    customIP = serializers.CharField(required=False)
    expiresInHours = serializers.IntegerField(required=False)
    platform = serializers.ChoiceField(scripts.PLATFORMS, required=False)


class UninstallParameters(QueryParameters):
    """`?platform=linux`."""

    platform = serializers.CharField(default="")


class ScriptParameters(QueryParameters):
    """`?platform=linux[&sha256=…]`; whether there is a script for the platform is for the verb to say."""

    platform = serializers.CharField(default="")
    sha256 = serializers.CharField(required=False)


# What the list's `status` means in states.
STATUSES = {
    "unused": (State.ISSUED,),
    "used": (State.CLAIMED, State.REDEEMED),
    "expired": (State.EXPIRED,),
    "revoked": (State.REVOKED,),
}


class TokenListParameters(PageParameters):
    """`?status=&search=&page=&pageSize=`."""

    status = serializers.ChoiceField(list(STATUSES), required=False)
    search = serializers.CharField(max_length=100, required=False)


class TokenOut(serializers.ModelSerializer[InstallationToken]):
    """token of API.md; its secret is added at issue only. Needs `now` in the context: expiry is a matter of time."""

    tokenPrefix = serializers.CharField(source="token_prefix")
    spokeId = serializers.UUIDField(source="spoke_id")
    spokeName = serializers.CharField(source="spoke_name")
    allowedIPs = serializers.ListField(source="allowed_ips", child=serializers.CharField())
    state = serializers.SerializerMethodField()
    used = serializers.SerializerMethodField()
    usedAt = serializers.DateTimeField(source="used_at", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")
    expiresAt = serializers.DateTimeField(source="expires_at")
    hubEndpoint = serializers.CharField(source="hub_endpoint")
    hubPublicKey = serializers.CharField(source="hub_public_key")
    networkCIDR = serializers.CharField(source="network_cidr")
    dns = serializers.ListField(child=serializers.CharField())
    persistentKeepalive = serializers.IntegerField(source="persistent_keepalive")
    claimedFrom = serializers.CharField(source="claimed_from", allow_null=True)

    class Meta:
        model = InstallationToken
        fields = [
            "id",
            "tokenPrefix",
            "spokeId",
            "spokeName",
            "allowedIPs",
            "state",
            "used",
            "usedAt",
            "createdAt",
            "expiresAt",
            "hubEndpoint",
            "hubPublicKey",
            "networkCIDR",
            "dns",
            "persistentKeepalive",
            "claimedFrom",
        ]

    def get_state(self, row: InstallationToken) -> str:
        return row.state_at(self.context["now"]).value

    def get_used(self, row: InstallationToken) -> bool:
        return row.used_at is not None


class TokenPage(PageOut):
    """The answer of GET /api/installation/tokens."""

    tokens = TokenOut(many=True)
    totalCount = serializers.IntegerField()
    unusedCount = serializers.IntegerField()
    usedCount = serializers.IntegerField()
    expiredCount = serializers.IntegerField()
    revokedCount = serializers.IntegerField()


def issued_out(issued: IssuedToken, now: datetime) -> dict[str, Any]:
    """The answer to an issue: the one time the secret is shown."""
    token = TokenOut(issued.row, context={"now": now}).data
    return {
        "success": True,
        "token": {**token, "token": issued.secret, "scriptSha256": issued.script_sha256},
        "installCommands": issued.install_commands,
        "checkedCommands": issued.checked_commands,
    }
