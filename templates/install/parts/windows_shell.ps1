    # First of all, because a constrained language would stop at the first .NET type below.
    if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') {
        Write-Host 'Stopped: a policy of this machine constrains PowerShell, and keys cannot be handled like that: ask who set it.'
        $global:LASTEXITCODE = 3
        if (-not $Text -and ($Alone -or $PSCommandPath)) { exit 3 }
        return
    }

    # No caller's setting may change what the commands below mean.
    Set-StrictMode -Off
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue'
    $WarningPreference = 'SilentlyContinue'
    $VerbosePreference = 'SilentlyContinue'
    $DebugPreference = 'SilentlyContinue'
    $ConfirmPreference = 'None'
    $WhatIfPreference = $false
    $PSDefaultParameterValues = @{}
    # 0 leaves the choice to Windows, which is as good; anything added to it would be all there is.
    if ([int] [System.Net.ServicePointManager]::SecurityProtocol) {
        [System.Net.ServicePointManager]::SecurityProtocol = [System.Net.ServicePointManager]::SecurityProtocol -bor [System.Net.SecurityProtocolType]::Tls12
    }
    # A proxy may ask who is there. Each PowerShell has its own place for it.
    try {
        $proxy = [System.Net.WebRequest]::DefaultWebProxy
        if ($PSVersionTable.PSVersion.Major -gt 5) { $proxy = [System.Net.Http.HttpClient]::DefaultProxy }
        if ($proxy -and -not $proxy.Credentials) { $proxy.Credentials = [System.Net.CredentialCache]::DefaultCredentials }
    } catch {
        Write-Host ('The proxy of this machine is used as it is: ' + $_.Exception.Message)
    }
