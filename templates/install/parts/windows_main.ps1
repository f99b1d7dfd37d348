    # Called last. An interrupt runs nothing but the last block. Where this was pasted, exit would close the window.
    $Spoke.Code = 0
    try {
        Invoke-Verb
        $Spoke.IsOver = $true
    } catch {
        $Spoke.IsOver = $true
        Write-Stop $_
    } finally {
        if (-not $Spoke.IsOver) { Undo-Run }
        Close-State
        $global:LASTEXITCODE = $Spoke.Code
    }
    if ($PSCommandPath -and -not $Text) { exit $Spoke.Code }
