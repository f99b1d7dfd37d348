"""Spokes on the wire."""

import json
import re
from typing import Any

from rest_framework import serializers

from hubproject.api import PageOut, PageParameters, StrictSerializer
from hubproject.liveness import Status
from spokes.filters import ORDERING_NAMES
from spokes.models import OperatingSystem, Spoke
from spokes.services import Machine, Registration

MAX_METADATA_BYTES = 8 * 1024
MAX_METADATA_DEPTH = 4
_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)


class PlainText(serializers.CharField):
    """One line of printable text, as a machine's own names are."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not text.isprintable():
            raise serializers.ValidationError("Must be one line of printable text.")
        return text


class RegisterSpoke(StrictSerializer):
    """The body of POST /api/spoke/register."""

    token = serializers.CharField(trim_whitespace=False)
    publicKey = serializers.CharField(trim_whitespace=False)
    os = serializers.CharField(max_length=10)
    isProxmox = serializers.BooleanField(required=False)
    proxmoxNodeName = PlainText(max_length=63, required=False)
    proxmoxClusterName = PlainText(max_length=63, required=False)
    proxmoxClusterFingerprint = serializers.CharField(max_length=95, required=False)
    proxmoxVersion = PlainText(max_length=63, required=False)
    metadata = serializers.DictField(required=False)

    def validate_os(self, text: str) -> OperatingSystem:
        try:
            return OperatingSystem(text.lower())
        except ValueError:
            names = ", ".join(OperatingSystem.values)
            raise serializers.ValidationError(f"Must be one of {names}.") from None

    def validate_proxmoxClusterFingerprint(self, text: str) -> str:
        digits = text.replace(":", "").lower()
        if not _FINGERPRINT.fullmatch(digits):
            raise serializers.ValidationError("Must be a SHA-256 fingerprint: 64 hex digits, colons allowed.")
        return digits

    def validate_metadata(self, metadata: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(metadata, ensure_ascii=False).encode()) > MAX_METADATA_BYTES:
            raise serializers.ValidationError("Must be at most 8 KiB of JSON.")
        if _depth(metadata) > MAX_METADATA_DEPTH:
            raise serializers.ValidationError("Must be nested at most 4 levels deep.")
        return metadata

    def machine(self, values: dict[str, Any]) -> Machine:
        """What the machine says of itself, as the verb wants it."""
        return Machine(
            os=values["os"],
            is_proxmox=values.get("isProxmox", values["os"] == OperatingSystem.PROXMOX),
            node_name=values.get("proxmoxNodeName", ""),
            cluster_name=values.get("proxmoxClusterName", ""),
            cluster_fingerprint=values.get("proxmoxClusterFingerprint", ""),
            proxmox_version=values.get("proxmoxVersion", ""),
            metadata=values.get("metadata", {}),
        )


def _depth(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


class ListParameters(PageParameters):
    """`?status=&os=&search=&cluster=&ordering=&page=&pageSize=`."""

    status = serializers.ChoiceField(Status.choices, required=False)
    os = serializers.ChoiceField(OperatingSystem.choices, required=False)
    search = serializers.CharField(max_length=100, required=False)
    cluster = serializers.UUIDField(required=False)
    ordering = serializers.ChoiceField(ORDERING_NAMES, default="name")


class SpokeOut(serializers.ModelSerializer[Spoke]):
    """spoke of API.md, from a row that `with_status` has read."""

    tokenId = serializers.UUIDField(source="token_id")
    publicKey = serializers.CharField(source="peer.public_key")
    allowedIPs = serializers.ListField(source="token.allowed_ips", child=serializers.CharField())
    registeredAt = serializers.DateTimeField(source="registered_at")
    lastHandshake = serializers.DateTimeField(source="last_handshake", allow_null=True)
    status = serializers.CharField()
    isProxmox = serializers.BooleanField(source="is_proxmox")
    proxmoxClusterId = serializers.UUIDField(source="proxmox_cluster_id", allow_null=True)
    proxmoxNodeName = serializers.SerializerMethodField()
    proxmoxVersion = serializers.SerializerMethodField()
    metadata = serializers.DictField()

    class Meta:
        model = Spoke
        fields = [
            "id",
            "tokenId",
            "name",
            "publicKey",
            "allowedIPs",
            "registeredAt",
            "lastHandshake",
            "status",
            "os",
            "isProxmox",
            "proxmoxClusterId",
            "proxmoxNodeName",
            "proxmoxVersion",
            "metadata",
        ]

    def get_proxmoxNodeName(self, spoke: Spoke) -> str | None:
        return spoke.proxmox_node_name or None

    def get_proxmoxVersion(self, spoke: Spoke) -> str | None:
        return spoke.proxmox_version or None


class SpokePage(PageOut):
    """The answer of GET /api/spoke/list."""

    spokes = SpokeOut(many=True)
    totalCount = serializers.IntegerField()
    activeCount = serializers.IntegerField()
    inactiveCount = serializers.IntegerField()
    pendingCount = serializers.IntegerField()


# Made once, with its fields: making them is dearer than using them.
_SPOKE_OUT = SpokeOut()


def registration_out(registration: Registration) -> dict[str, Any]:
    """The answer to a register call. The hub's values here are current and win on the machine."""
    spoke, hub = registration.spoke, registration.hub
    return {
        "success": True,
        "spoke": _SPOKE_OUT.to_representation(spoke),
        "spokeId": str(spoke.id),
        "spokeName": spoke.name,
        "allowedIPs": spoke.token.allowed_ips,
        "status": spoke.status,
        "hub": {
            "publicKey": hub.public_key,
            "endpoint": hub.endpoint,
            "networkCIDR": hub.network_cidr,
            "networkCIDR6": hub.network_cidr6,
            "dns": hub.dns,
            "dnsDomains": hub.dns_domains,
            "mtu": hub.mtu,
            "persistentKeepalive": hub.persistent_keepalive,
        },
        "peerApplied": registration.peer_applied,
    }
