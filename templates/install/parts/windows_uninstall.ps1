    # All that an install script made on this machine, whatever an interruption left of it.
    function Remove-Spoke {
        Remove-Tunnel
        Remove-Item -LiteralPath $Spoke.State -Recurse -Force
    }

    # The configuration names the interface, so it goes when all that needs the name is gone.
    function Remove-Tunnel {
        if (Find-OwnInterface) {
            Write-Host ('Taking ' + $Spoke.Interface + ' down')
            Stop-Tunnel
            Remove-Item -LiteralPath (Get-ConfigFile) -Force
        }
        Remove-Dns
        Remove-Refresh
    }

    function Get-States { @(Get-ChildItem -LiteralPath $Spoke.Home -Directory | Where-Object { $_.Name -cmatch '\A[0-9a-f]{16}\z' }) }

    # What the spokes of this machine share goes with the last.
    function Uninstall-Spokes {
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
            $isLast = (Get-States).Count -eq 0
            Close-State
            if ($isLast) { Remove-Item -LiteralPath $Spoke.Home -Recurse -Force }
        }
        Write-Host 'Removed from this machine. WireGuard itself was left, and so was its entry on the hub: remove the spoke in the dashboard.'
    }
