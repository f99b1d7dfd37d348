    # Called last. An interrupt runs nothing but the last blocks. Where this was pasted, ending the process would close the
    # window; where it has one of its own, PowerShell would call an interrupted file a success.
    $Spoke.Code = 0
    try {
        Invoke-Verb
        $Spoke.IsOver = $true
    } catch {
        $Spoke.IsOver = $true
        Write-Stop $_
    } finally {
        try {
            if (-not $Spoke.IsOver) { Undo-Run }
        } finally {
            Close-State
            $global:LASTEXITCODE = $Spoke.Code
            if ($Alone -and -not $Spoke.IsOver) { [Environment]::Exit(130) }
        }
    }
    if (-not $Text -and ($Alone -or $PSCommandPath)) { exit $Spoke.Code }
