"""What nft(8) asks the kernel to learn whether anything has changed: linux/netfilter/nfnetlink.h and nf_tables.h."""

import socket
import struct

_NETLINK_NETFILTER, _NF_TABLES = 12, 10 << 8
_NEW_GENERATION = _NF_TABLES | 15
_GET_GENERATION = struct.pack("=IHHIIBBH", 20, _NF_TABLES | 16, 1, 1, 0, 0, 0, 0)


def ruleset_generation(*, timeout: float) -> int | None:
    """A number that moves with every change of any table; None where the kernel does not tell. `timeout` in seconds."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as kernel:
            kernel.settimeout(timeout)
            kernel.send(_GET_GENERATION)
            return _generation_in(kernel.recv(8192))
    except OSError:
        return None


def _generation_in(answer: bytes) -> int | None:
    """NFTA_GEN_ID, the first attribute of the kernel's answer; None when it is an error."""
    if len(answer) < 28 or struct.unpack_from("=H", answer, 4)[0] != _NEW_GENERATION:
        return None
    length, kind, generation = struct.unpack_from("=HH4s", answer, 20)
    return int.from_bytes(generation, "big") if (length, kind) == (8, 1) else None
