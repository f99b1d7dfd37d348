    # Called last. An interrupt runs nothing but the last blocks, and may stop any command there, so the innermost calls none.
    # Where this was pasted, ending the process would close the window; a process of its own would not say that it was
    # interrupted.
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
            if ($Spoke.Lock) { $Spoke.Lock.Dispose() }
            $global:LASTEXITCODE = $Spoke.Code
            if ($Alone -and -not $Spoke.IsOver) { [Environment]::Exit(130) }
        }
    }
    if (-not $Text -and ($Alone -or $PSCommandPath)) { exit $Spoke.Code }
