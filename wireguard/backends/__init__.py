"""What stands behind the interface: the machine's own programs, or a dict that behaves like the kernel.

A setting names one of the two, as with Django's backends for mail; both are held to one contract test.
"""

from wireguard.backends.contract import (
    Backend,
    BackendError,
    BackendUnavailable,
    InterfaceMissing,
    LinkState,
    PrivilegeMissing,
    setconf_seconds,
)
from wireguard.backends.memory import MemoryBackend
from wireguard.backends.programs import become_wireguard_go
from wireguard.backends.wg import WgBackend

__all__ = [
    "Backend",
    "BackendError",
    "BackendUnavailable",
    "InterfaceMissing",
    "LinkState",
    "MemoryBackend",
    "PrivilegeMissing",
    "WgBackend",
    "become_wireguard_go",
    "setconf_seconds",
]
