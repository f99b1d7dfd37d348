"""Writes peers into the hub's database: a public key and its allowed-ips a line on standard input."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hubproject.settings")
django.setup()

from django.db import transaction

from wireguard.services import add_peer, lock_hub

with transaction.atomic():
    lock_hub()
    for line in sys.stdin:
        key, allowed_ips = line.split()
        add_peer(public_key=key, allowed_ips=allowed_ips)
