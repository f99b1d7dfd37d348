    # All that an install script made on this machine, whatever an interruption left of it.
    function Remove-Spoke {
        Remove-Tunnel
        Remove-Folder $Spoke.State
    }

    # A folder that a window stands in stays, without what was in it.
    function Remove-Folder {
        param(
            [string] $Path
        )
        foreach ($file in @(Get-ChildItem -LiteralPath $Path -File -Recurse -Force)) { Remove-Item -LiteralPath $file.FullName -Force }
        try {
            Remove-Item -LiteralPath $Path -Recurse -Force
        } catch {
            Write-Host ($Path + ' is empty, but something still uses it: remove it by hand.')
        }
    }

    # The configuration names the interface, so it goes when all that needs the name is gone.
    function Remove-Tunnel {
        if (Find-OwnInterface) {
            Write-Host ('Taking ' + $Spoke.Interface + ' down')
            Stop-Tunnel
            if (Test-Service) { Stop-Run 3 ('The service ' + (Get-ServiceName) + ' does not go away: restart Windows, then uninstall again.') }
            Remove-Item -LiteralPath (Get-ConfigFile) -Force
        }
        Remove-Dns
        Remove-Refresh
    }

    function Get-States { @(Get-ChildItem -LiteralPath $Spoke.Home -Directory | Where-Object { $_.Name -cmatch '\A[0-9a-f]{16}\z' }) }

    # From elsewhere, because PowerShell removes no folder that it stands in.
    function Uninstall-Spokes {
        param(
            [string[]] $Ids
        )
        $before = [Environment]::CurrentDirectory
        Push-Location -LiteralPath ([Environment]::SystemDirectory)
        [Environment]::CurrentDirectory = [Environment]::SystemDirectory
        try {
            Remove-Spokes $Ids
        } finally {
            try {
                Pop-Location
                [Environment]::CurrentDirectory = $before
            } catch {
                Write-Note 'The folder that this was run in is gone.'
            }
        }
    }

    # What the spokes of this machine share goes with the last.
    function Remove-Spokes {
        param(
            [string[]] $Ids
        )
        if (Test-Path -LiteralPath $Spoke.Home) {
            Lock-Home
            $Spoke.Log = ''
            foreach ($id in $Ids) {
                Use-State $id
                if (Test-Path -LiteralPath $Spoke.State) { Remove-Spoke }
            }
            $isLast = @(Get-States | Where-Object { $Ids -notcontains $_.Name }).Count -eq 0
            $Spoke.Lock.Dispose()
            if ($isLast) { Remove-Folder $Spoke.Home }
        }
        Write-Host 'Removed from this machine. WireGuard itself was left, and so was its entry on the hub: remove the spoke in the dashboard.'
    }
