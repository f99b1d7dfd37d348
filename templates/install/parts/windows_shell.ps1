    # First of all, because a constrained language would stop at the first .NET type below.
    if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') {
        Write-Host 'Stopped: a policy of this machine constrains PowerShell, and keys cannot be handled like that: ask who set it.'
        $global:LASTEXITCODE = 3
        if ($PSCommandPath -and -not $Text) { exit 3 }
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
    [System.Net.ServicePointManager]::SecurityProtocol = [System.Net.ServicePointManager]::SecurityProtocol -bor [System.Net.SecurityProtocolType]::Tls12
