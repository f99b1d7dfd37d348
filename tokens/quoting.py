"""Quoting of values for the shells that run our install scripts."""

import re
import unicodedata

# Control characters, lone surrogates and the two separators that some readers take for the end of a line.
# Nothing legitimate contains them, and a newline could end the here-document that carries a script's body.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})

# PowerShell ends a single-quoted literal at any of these, and takes any of them doubled for itself.
_POWERSHELL_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")


class UnquotableError(ValueError):
    """The value holds a character that no script of ours may carry."""


def sh_quote(value: object) -> str:
    """Return `value` as one single-quoted POSIX shell word; raise UnquotableError on control characters."""
    return "'" + _checked(value).replace("'", "'\\''") + "'"


def ps_quote(value: object) -> str:
    """Return `value` as one single-quoted PowerShell literal; raise UnquotableError on control characters."""
    return "'" + _POWERSHELL_QUOTES.sub(r"\1\1", _checked(value)) + "'"


def _checked(value: object) -> str:
    text = str(value)
    for character in text:
        if unicodedata.category(character) in _REFUSED_CATEGORIES:
            raise UnquotableError(f"U+{ord(character):04X} cannot be part of a script's value.")
    return text
