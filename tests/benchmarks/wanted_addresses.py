"""Prints, as JSON, every allowed-ip that the database wants on the interface."""

import json

import django

django.setup()

from wireguard.models import Peer

rows = Peer.objects.filter(live_key__isnull=False).values_list("allowed_ips", flat=True)
print(json.dumps([address for row in rows for address in row.split(",")]))
