"""Spokes as comma-separated values that a spreadsheet takes for text and not for formulas."""

import csv
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from spokes.models import SpokeQuerySet

# What makes spreadsheets take a cell for a formula or a command.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_COLUMNS = {
    "name": "name",
    "status": "status",
    "address": "token__address",
    "platform": "os",
    "public key": "peer__public_key",
    "endpoint": "peer__status__endpoint",
    "last handshake": "last_handshake",
    "received bytes": "peer__status__transfer_rx",
    "sent bytes": "peer__status__transfer_tx",
    "registered": "registered_at",
    "cluster": "proxmox_cluster__cluster_name",
    "node": "proxmox_node_name",
    "Proxmox VE": "proxmox_version",
}


class _Line:
    """What csv writes to: each line is handed on at once, so that no file is ever held."""

    def write(self, line: str) -> str:
        return line


def csv_lines(spokes: SpokeQuerySet, now: datetime) -> Iterator[str]:
    """A heading, then a line for each spoke, read from the database as they are asked for."""
    writer = csv.writer(_Line(), quoting=csv.QUOTE_ALL)  # in many places a spreadsheet parts cells at semicolons
    yield writer.writerow(_COLUMNS)
    for row in spokes.with_status(now).select_related(None).values_list(*_COLUMNS.values()).iterator(chunk_size=1000):
        yield writer.writerow([as_cell(value) for value in row])


def as_cell(value: Any) -> str:
    """A value as text that no spreadsheet computes."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
