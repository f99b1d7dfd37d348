"""The hub's private key at rest: sealed by web, opened by the agent; and where the halves of the sealing key lie."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from hubproject.secret_files import create_private_file
from wireguard.errors import SealingKeyUnusable
from wireguard.sealing import SealingError, generate_sealing_key, seal, sealing_public_half, unseal

# What the sealed key is bound to: a ciphertext moved to another row or column does not open.
PRIVATE_KEY_CONTEXT = "hub_config/1/private_key"


def sealed_private_key(private_key: str) -> str:
    """As the hub's row keeps it; makes the sealing key where there was none. Raises SealingKeyUnusable."""
    return seal(private_key, public_half=_sealing_public_half(), context=PRIVATE_KEY_CONTEXT)


def opened_private_key(sealed: str) -> str:
    """Raises SealingError when the sealing key is wrong or missing."""
    private_half = sealing_private_half()
    if not private_half:
        raise SealingError(
            f"The sealing key is missing: no HUB_SEALING_KEY, no {settings.HUB_DATA_DIR / 'sealing.key'}. "
            "Without it the hub's private key cannot be opened; restore it from a backup."
        )
    return _opened(sealed, private_half)


@lru_cache(maxsize=1)  # the agent asks with every turn, and opening costs it more than any query
def _opened(sealed: str, private_half: str) -> str:
    return unseal(sealed, private_half=private_half, context=PRIVATE_KEY_CONTEXT)


def _sealing_public_half() -> str:
    """The half that seals. Made here, with its private half, only when neither was ever made: before the first hub."""
    public_file: Path = settings.HUB_DATA_DIR / "sealing.pub"
    if not public_file.exists():
        if not sealing_private_half():
            create_private_file(settings.HUB_DATA_DIR / "sealing.key", generate_sealing_key() + "\n")
        create_private_file(public_file, _public_half_of(sealing_private_half()) + "\n")
    public_half = public_file.read_text().strip()
    private_half = sealing_private_half()
    # What is sealed with one key cannot be opened with another; better to say so before there is a hub.
    if private_half and _public_half_of(private_half) != public_half:
        raise SealingKeyUnusable("The sealing key at hand does not belong to sealing.pub.")
    return public_half


def _public_half_of(private_half: str) -> str:
    try:
        return sealing_public_half(private_half)
    except SealingError as problem:
        raise SealingKeyUnusable(str(problem)) from None


def sealing_private_half() -> str:
    """The agent's half, from HUB_SEALING_KEY or the data directory; empty when this process has none."""
    private_file: Path = settings.HUB_DATA_DIR / "sealing.key"
    if settings.HUB_SEALING_KEY:
        return str(settings.HUB_SEALING_KEY)
    return private_file.read_text().strip() if private_file.exists() else ""
