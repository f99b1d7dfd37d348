"""Install scripts: their text, their checksum, and the commands that run them."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Never
from urllib.parse import urlsplit

from django.conf import settings
from django.template import Engine

from tokens.powershell import windows_checked_command, windows_command
from tokens.quoting import sh_quote


@dataclass(frozen=True, slots=True)
class Script:
    """Where a platform's script comes from and how it is served."""

    template: str
    uninstall_template: str
    content_type: str


_SHELL = "text/x-shellscript"
SCRIPTS = {
    "linux": Script(template="linux.sh", uninstall_template="uninstall-linux.sh", content_type=_SHELL),
    "macos": Script(template="macos.sh", uninstall_template="uninstall-macos.sh", content_type=_SHELL),
    "windows": Script(template="windows.ps1", uninstall_template="uninstall-windows.ps1", content_type="text/plain"),
    "proxmox": Script(template="proxmox.sh", uninstall_template="uninstall-linux.sh", content_type=_SHELL),
}
PLATFORMS: tuple[str, ...] = tuple(SCRIPTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptValues:
    """Everything a script is told; `spoke_ip` is an address with its prefix length, "10.0.1.5/24", `spoke_ip6` too."""

    token: str = field(repr=False)
    spoke_name: str
    hub_endpoint: str
    hub_public_key: str
    spoke_ip: str
    network_cidr: str
    dns_servers: Sequence[str]
    callback_url: str
    persistent_keepalive: int
    spoke_ip6: str = ""
    network_cidr6: str = ""


class UndefinedScriptValueError(LookupError):
    """A script template names a value that does not exist."""


class _UndefinedIsAnError(str):
    """Django asks `string_if_invalid` whether it wants the missing name; this one says yes and raises."""

    __slots__ = ()

    def __contains__(self, _part: object) -> bool:
        return True

    def __mod__(self, name: object) -> Never:
        raise UndefinedScriptValueError(f"The script's template names an unknown value: {name}")


@cache
def script_engine() -> Engine:
    """The engine that renders scripts: no HTML escaping, `sh` and `ps` always loaded, nothing undefined."""
    return Engine(
        dirs=[str(settings.BASE_DIR / "templates" / "install")],
        autoescape=False,
        builtins=["tokens.templatetags.install_quoting"],
        string_if_invalid=_UndefinedIsAnError("undefined"),
    )


def render_script(platform: str, values: ScriptValues) -> str:
    """Return the text to serve; KeyError for a platform outside PLATFORMS, UnquotableError for a bad value."""
    return script_engine().render_to_string(SCRIPTS[platform].template, asdict(values) | {"platform": platform})


def render_uninstall(platform: str) -> str:
    """Return the script that takes a spoke off its machine; KeyError for a platform outside PLATFORMS."""
    return script_engine().render_to_string(SCRIPTS[platform].uninstall_template)


def script_sha256(text: str) -> str:
    """Return the checksum of a script as served, in lower-case hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def install_commands(public_url: str, token: str) -> dict[str, str]:
    """Return, per platform, the one line to paste on the machine."""
    return {platform: _command(public_url, token, platform) for platform in PLATFORMS}


def checked_commands(public_url: str, token: str, sha256_by_platform: dict[str, str]) -> dict[str, str]:
    """Return, per platform, the line that runs the script only when it is byte for byte the one issued."""
    return {
        platform: _checked_command(public_url, token, platform, sha256)
        for platform, sha256 in sha256_by_platform.items()
    }


def _command(public_url: str, token: str, platform: str) -> str:
    if platform == "windows":
        return windows_command(_url(public_url, token, platform))
    return f"{_fetch(public_url, token, platform)} | sh"


def _checked_command(public_url: str, token: str, platform: str, sha256: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError("A SHA-256 is written as 64 lower-case hexadecimal digits.")
    if platform == "windows":
        return windows_checked_command(_url(public_url, token, platform) + f"&sha256={sha256}", sha256)
    fetch = _fetch(public_url, token, platform, f"&sha256={sha256}", options='-o "$f" ')
    tool = "shasum -a 256" if platform == "macos" else "sha256sum"
    check = f'echo "{sha256}  $f" | {tool} -c - && sh "$f"'
    return f'(umask 077; f=$(mktemp "${{TMPDIR:-/tmp}}/spoke.XXXXXX") && {fetch} && {check}; s=$?; rm -f "$f"; exit $s)'


def _fetch(public_url: str, token: str, platform: str, query: str = "", options: str = "") -> str:
    url = _url(public_url, token, platform) + query
    scheme = "http" if urlsplit(public_url).scheme == "http" else "https"
    return f"curl -fsS --proto '={scheme}' {options}{sh_quote(url)}"


def _url(public_url: str, token: str, platform: str) -> str:
    return f"{public_url.rstrip('/')}/api/installation/script/{token}?platform={platform}"
