"""The user guide, `deploy/USER-GUIDE.md`, as a page: the few marks it uses, and no others, become HTML."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

FILE = settings.BASE_DIR / "deploy" / "USER-GUIDE.md"
_PICTURE = re.compile(r"!\[(.*)\]\((?:user-guide/)?([\w-]+\.png)\)")
_INLINE = re.compile(r"(`[^`]+`|\*\*[^*]+\*\*)")
_ITEM = re.compile(r"(?:- |\d+\. )(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """`kind` is heading, paragraph, list, steps, picture or command; a picture's `text` describes it."""

    kind: str
    text: SafeString | str = ""
    items: tuple[SafeString, ...] = ()
    file: str = ""
    anchor: str = ""


@cache
def guide() -> tuple[Block, ...]:
    return tuple(blocks_of(FILE.read_text()))


def blocks_of(text: str) -> Iterator[Block]:
    """The blocks of a text, which empty lines divide; its title is left out, for the page has one."""
    for block in re.split(r"\n\s*\n", text.strip()):
        if block.startswith("# "):
            continue
        if block.startswith("## "):
            yield Block("heading", block[3:], anchor=re.sub(r"\W+", "-", block[3:].lower()).strip("-"))
        elif found := _PICTURE.fullmatch(block):
            yield Block("picture", found[1], file=found[2])
        elif block.startswith("    "):
            yield Block("command", "\n".join(line.strip() for line in block.splitlines()))
        elif _ITEM.match(block):
            yield Block("list" if block.startswith("-") else "steps", items=tuple(_items(block)))
        else:
            yield Block("paragraph", _inline(" ".join(block.split())))


def _items(block: str) -> Iterator[SafeString]:
    for item in re.split(r"\n(?=- |\d+\. )", block):
        found = _ITEM.fullmatch(item)
        yield _inline(" ".join((found[1] if found else item).split()))


def _inline(text: str) -> SafeString:
    return format_html_join("", "{}", ((_marked(part),) for part in _INLINE.split(text)))


def _marked(part: str) -> SafeString | str:
    if part.startswith("`"):
        return format_html("<code>{}</code>", part.strip("`"))
    return format_html("<b>{}</b>", part.strip("*")) if part.startswith("**") else part
