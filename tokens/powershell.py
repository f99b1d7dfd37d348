"""The commands that run an install script on Windows, to be pasted into PowerShell 5.1 or 7, opened as administrator.

Fetching a script claims its token, so each command looks first whether the script could do its work, and only then
fetches. Each is one block: whatever fails ends it, and no variable of it stays in the window. None runs a file, because
a group policy may forbid that.
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
    (
        "[Environment]::OSVersion.Version.Major -lt 10",
        "this needs Windows 10, Windows Server 2016, or newer.",
    ),
)

# 0 leaves the choice to Windows, which is as good; anything added to it would be all there is.
_TLS = (
    "$m = [Net.ServicePointManager]; "
    "if ([int] $m::SecurityProtocol) { $m::SecurityProtocol = $m::SecurityProtocol -bor 3072 }"
)
# A proxy may ask who is there. Each PowerShell has its own place for it.
_PROXY = (
    "$p = [Net.WebRequest]::DefaultWebProxy; "
    "if ($PSVersionTable.PSVersion.Major -gt 5) { $p = [Net.Http.HttpClient]::DefaultProxy }; "
    "if ($p -and -not $p.Credentials) { $p.Credentials = [Net.CredentialCache]::DefaultCredentials }"
)
_FETCH = "Invoke-WebRequest -UseBasicParsing -MaximumRedirection 0 -Uri "

# The hub refuses in JSON; whatever else comes is shown as it is.
_REFUSED = (
    "catch { $s = [string] $_; "
    "try { $e = ConvertFrom-Json $s; if ($e.error) { $s = $e.error + ' ' + $e.recoveryHint } } catch { }; "
    "Write-Host ('Stopped: ' + $s -creplace '[^ -~]', '?'); $global:LASTEXITCODE = 6; return }"
)
_RUN = "& ([ScriptBlock]::Create($t)) -Text $t"

# Where users can neither read nor replace what an administrator puts.
_NEW_FILE = "Join-Path ([Environment]::GetFolderPath('Windows')) ('Temp\\' + [Guid]::NewGuid() + '.txt')"


def windows_command(url: str) -> str:
    """Return the line that fetches the script and runs it."""
    return _block(f"try {{ $t = ({_FETCH}{ps_quote(url)}).Content }} {_REFUSED}")


def windows_checked_command(url: str, sha256: str) -> str:
    """Return the line that saves the script, and runs what it saved only when that has the checksum `sha256`."""
    is_other = f"(Get-FileHash -Algorithm SHA256 -LiteralPath $f).Hash -ne {ps_quote(sha256)}"
    return _block(
        f"$f = {_NEW_FILE}",
        f"try {{ {_FETCH}{ps_quote(url)} -OutFile $f; "
        f"{_stop_if((is_other, 'what came is not the script that was issued, so it was not run.'))}; "
        f"$t = [IO.File]::ReadAllText($f) }} {_REFUSED} "
        "finally { Remove-Item -LiteralPath $f -ErrorAction SilentlyContinue }",
    )


def _stop_if(check: tuple[str, str]) -> str:
    condition, sentence = check
    return f"if ({condition}) {{ Write-Host {ps_quote(f'Stopped: {sentence}')}; $global:LASTEXITCODE = 3; return }}"


def _block(*fetch: str) -> str:
    quiet = "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'"
    return f"& {{ {'; '.join((quiet, *map(_stop_if, _CHECKS), _TLS, _PROXY, *fetch, _RUN))} }}"
