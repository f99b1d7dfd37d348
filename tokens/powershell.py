"""The commands that run an install script on Windows, to be pasted into PowerShell 5.1 or 7, opened as administrator.

Fetching a script claims its token, so each command looks first whether the script could do its work, and only then
fetches. Each is one block: whatever fails ends it, and nothing of it stays in the window.
"""

from tokens.quoting import ps_quote

_ELEVATED = (
    "([Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent())"
    ".IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)"
)

# What stops a command before it fetches. The language first: a constrained one knows none of the types that follow.
_CHECKS = (
    (
        "$ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage'",
        "a policy of this machine constrains PowerShell, and keys cannot be handled like that: ask who set it.",
    ),
    (
        f"-not {_ELEVATED}",
        'this needs an administrator: open PowerShell with "Run as administrator" and paste the command there.',
    ),
    (
        "[Environment]::Is64BitOperatingSystem -and -not [Environment]::Is64BitProcess",
        'this is the 32-bit PowerShell, named x86: open the other one with "Run as administrator".',
    ),
)

# Only a group policy beats what `-ExecutionPolicy Bypass` asks for.
_REFUSING_POLICIES = (
    "@('MachinePolicy', 'UserPolicy' | ForEach-Object { Get-ExecutionPolicy -Scope $_ } | "
    "Where-Object { 'AllSigned', 'Restricted' -contains $_ }).Count"
)
_FILES_ARE_REFUSED = (
    _REFUSING_POLICIES,
    "a group policy refuses scripts in files: paste the command without the check.",
)

_TLS = "[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor 3072"
_FETCH = "Invoke-WebRequest -UseBasicParsing -MaximumRedirection 0 -Uri "

# Where users can neither read nor replace what an administrator puts.
_NEW_FILE = "Join-Path ([Environment]::GetFolderPath('Windows')) ('Temp\\' + [Guid]::NewGuid() + '.ps1')"


def windows_command(url: str) -> str:
    """Return the line that fetches the script and runs it without a file, which no execution policy forbids."""
    run = f"$t = ({_FETCH}{ps_quote(url)}).Content; & ([ScriptBlock]::Create($t)) -Text $t"
    return _block(*map(_stop_if, _CHECKS), _TLS, run)


def windows_checked_command(url: str, sha256: str) -> str:
    """Return the line that saves the script, and runs that file only when it has the checksum `sha256`."""
    is_other = f"(Get-FileHash -Algorithm SHA256 -LiteralPath $f).Hash -ne {ps_quote(sha256)}"
    run = (
        f"$f = {_NEW_FILE}; try {{ {_FETCH}{ps_quote(url)} -OutFile $f; "
        f"{_stop_if((is_other, 'what came is not the script that was issued, so it was not run.'))}; "
        f"powershell -NoProfile -ExecutionPolicy Bypass -File $f }} "
        "finally { Remove-Item -LiteralPath $f -ErrorAction SilentlyContinue }"
    )
    return _block(*map(_stop_if, (*_CHECKS, _FILES_ARE_REFUSED)), _TLS, run)


def _stop_if(check: tuple[str, str]) -> str:
    condition, sentence = check
    return f"if ({condition}) {{ Write-Host {ps_quote(f'Stopped: {sentence}')}; $global:LASTEXITCODE = 3; return }}"


def _block(*statements: str) -> str:
    quiet = "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'"
    return f"& {{ {'; '.join((quiet, *statements))} }}"
