"""What may stand in a log: never a whole installation token or API key."""

import logging
import re

# 43 characters of base64url are a token of ours. A WireGuard key ends in "=" and is public wherever we log it.
_SECRET = re.compile(r"(?<![A-Za-z0-9_-])((?:wgh_)?[A-Za-z0-9_-]{6})[A-Za-z0-9_-]{37}(?![A-Za-z0-9_=-])")


def mask_secrets(text: str) -> str:
    """The text with every token cut to its prefix of six characters."""
    return _SECRET.sub(r"\1…", text)


class MaskingFormatter(logging.Formatter):
    """Masks the finished line, so that a secret is hidden wherever it came from: message, arguments or traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return mask_secrets(super().format(record))
