    function Write-Help {
        Write-Host ('Usage, as administrator: ' + (Get-CopyCommand 'COMMAND' $Spoke.Program))
        Write-Host ''
        Write-Host '  resume      go on where an earlier run stopped; may be run as often as you like'
        Write-Host '  status      say how the tunnel is; exit code 0 connected, 1 not set up, 7 not connected'
        Write-Host '  uninstall   take the tunnel, its service, its configuration and its keys off this machine'
    }

    function Connect-Spoke {
        Write-Step 'Checking this machine'
        Open-State
        if (Test-Connected) {
            Write-Line ('Already connected: ' + $Spoke.SpokeName + ' is ' + ($Spoke.SpokeIP -split '/')[0] + ' on ' + $Spoke.Interface + ', hub ' + $Spoke.HubEndpoint + '. Nothing was changed.')
            return
        }
        Save-Program
        Assert-Network
        Write-Step 'Looking for WireGuard'
        Install-WireGuard
        Write-Step 'Making keys on this machine'
        New-Key
        Write-Step ('Registering as ' + $Spoke.SpokeName)
        Register-Spoke
        Write-Step ('Writing ' + (Get-ConfigFile))
        Write-Config
        Set-Refresh
        Write-Step ('Starting ' + $Spoke.Interface)
        Start-Tunnel
        Write-Step 'Waiting for the hub to answer through the tunnel'
        Wait-ForHub
        Write-Line ('Connected: ' + $Spoke.SpokeName + ' is ' + ($Spoke.SpokeIP -split '/')[0] + ' on ' + $Spoke.Interface + ', hub ' + $Spoke.HubEndpoint + '.')
    }

    # Undoes what this run made, and starts what it stopped. Keys and copy stay, so that the next run is the same registration.
    function Undo-Run {
        $Spoke.Code = 130
        try {
            if ($Spoke.HasMadeConfig) { Remove-Tunnel } elseif ($Spoke.HasStopped) { Install-Tunnel }
            $Spoke.Sentence = 'Interrupted; run it again.'
            if ('install', 'resume' -contains $Verb) { $Spoke.Sentence = 'Interrupted; what this run made is undone.' }
        } catch {
            Write-Note $_.Exception.Message
            $Spoke.Code = 130
            $Spoke.Sentence = 'Interrupted; not all that this run made could be undone.'
        }
        Write-Stop
    }

    function Invoke-Verb {
        Assert-Administrator
        Find-State
        switch ($Verb) {
            'install' { Connect-Spoke }
            'resume' { Connect-Spoke }
            'status' { Show-Status }
            'uninstall' { Uninstall-Spokes @($Spoke.Id) }
            'refresh' { Update-Endpoint }
            'help' { Write-Help }
            default {
                Write-Help
                Stop-Run 2 ('There is no command ' + $Verb + '.')
            }
        }
    }
