"""The hub on the wire."""

from typing import Any

from rest_framework import serializers

from hubproject.api import PageOut, PageParameters, StrictSerializer
from wireguard.models import HubConfig


class InitializeHub(StrictSerializer):
    """The body of POST /api/hub/initialize; what the values mean is checked by the verb."""

    networkCIDR = serializers.CharField(max_length=43)
    endpoint = serializers.CharField(max_length=261)
    listenPort = serializers.IntegerField(required=False)
    dns = serializers.ListField(child=serializers.CharField(max_length=45), required=False)
    dnsDomains = serializers.ListField(child=serializers.CharField(max_length=253), required=False)
    mtu = serializers.IntegerField(required=False)
    persistentKeepalive = serializers.IntegerField(required=False)
    networkCIDR6 = serializers.CharField(max_length=43, required=False)
    spokeToSpoke = serializers.CharField(max_length=10, required=False)


class UpdateHub(InitializeHub):
    """The body of PUT /api/hub/config: any of the fields, and read-only ones as they are."""

    networkCIDR = serializers.CharField(max_length=43, required=False)
    endpoint = serializers.CharField(max_length=261, required=False)


class HubConfigOut(serializers.ModelSerializer[HubConfig]):
    """hubConfig of API.md. The private key is not a field of anything that answers."""

    id = serializers.IntegerField()
    interfaceName = serializers.CharField(source="interface_name")
    interfaceAddress = serializers.CharField(source="interface_address")
    interfaceAddress6 = serializers.CharField(source="interface_address6", allow_null=True)
    listenPort = serializers.IntegerField(source="listen_port")
    publicKey = serializers.CharField(source="public_key")
    networkCIDR = serializers.CharField(source="network_cidr")
    networkCIDR6 = serializers.CharField(source="network_cidr6", allow_null=True)
    dns = serializers.ListField(child=serializers.CharField())
    dnsDomains = serializers.ListField(source="dns_domains", child=serializers.CharField())
    mtu = serializers.IntegerField()
    persistentKeepalive = serializers.IntegerField(source="persistent_keepalive")
    spokeToSpoke = serializers.CharField(source="spoke_to_spoke")
    createdAt = serializers.DateTimeField(source="created_at")
    updatedAt = serializers.DateTimeField(source="updated_at")

    class Meta:
        model = HubConfig
        fields = [
            "id",
            "interfaceName",
            "interfaceAddress",
            "interfaceAddress6",
            "listenPort",
            "publicKey",
            "networkCIDR",
            "networkCIDR6",
            "dns",
            "dnsDomains",
            "endpoint",
            "mtu",
            "persistentKeepalive",
            "spokeToSpoke",
            "createdAt",
            "updatedAt",
        ]


class StatusParameters(PageParameters):
    """`?page=&pageSize=` of the peers in GET /api/hub/status."""


class PeerOut(serializers.Serializer[Any]):
    """A peer as the agent last saw it; rows are dicts, so that a page of a thousand stays cheap."""

    publicKey = serializers.CharField(source="public_key")
    endpoint = serializers.CharField(source="status__endpoint", allow_null=True)
    allowedIPs = serializers.SerializerMethodField()
    latestHandshake = serializers.DateTimeField(source="status__latest_handshake_at", allow_null=True)
    transferRx = serializers.SerializerMethodField()
    transferTx = serializers.SerializerMethodField()
    persistentKeepalive = serializers.IntegerField(source="persistent_keepalive")

    def get_allowedIPs(self, peer: dict[str, Any]) -> list[str]:
        return str(peer["allowed_ips"]).split(",")

    def get_transferRx(self, peer: dict[str, Any]) -> int:
        return peer["status__transfer_rx"] or 0

    def get_transferTx(self, peer: dict[str, Any]) -> int:
        return peer["status__transfer_tx"] or 0


class HubStatusOut(PageOut):
    """The answer of GET /api/hub/status."""

    interface = serializers.CharField()
    interfaceUp = serializers.BooleanField()
    publicKey = serializers.CharField()
    listenPort = serializers.IntegerField()
    peerCount = serializers.IntegerField()
    generation = serializers.IntegerField()
    appliedGeneration = serializers.IntegerField()
    syncedAt = serializers.DateTimeField(allow_null=True)
    agent = serializers.CharField()
    hold = serializers.BooleanField()
    differences = serializers.ListField(child=serializers.CharField())
    peers = PeerOut(many=True)
