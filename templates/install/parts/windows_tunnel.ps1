    function Get-ServiceName { 'WireGuardTunnel$' + $Spoke.Interface }

    function Test-Service { $null -ne (Get-Service -Name (Get-ServiceName) -ErrorAction SilentlyContinue) }

    function Test-Running { (Get-Service -Name (Get-ServiceName) -ErrorAction SilentlyContinue).Status -eq 'Running' }

    # Whatever an interrupted run left half made is started afresh.
    function Start-Tunnel {
        $Spoke.HasStopped = Test-Service
        Set-Dns
        Install-Tunnel
        $deadline = (Get-Seconds) + 30
        while (-not (Test-Running)) {
            if ((Get-Seconds) -ge $deadline) {
                $reason = Find-Trouble
                if ($reason) { $reason = ': ' + $reason }
                Stop-Run 7 ('This machine is registered, but ' + $Spoke.Interface + ' did not start' + $reason + '.')
            }
            Start-Sleep -Milliseconds 200
        }
        $Spoke.HasStopped = $false
    }

    function Install-Tunnel {
        Stop-Tunnel
        $null = Test-Program $Spoke.WireGuard ('/installtunnelservice "' + (Get-ConfigFile) + '"')
    }

    # A service that is being deleted is in the way of its successor until it is gone.
    function Stop-Tunnel {
        if (-not (Test-Service)) { return }
        if (-not ((Find-WireGuard) -and (Test-Program $Spoke.WireGuard ('/uninstalltunnelservice ' + $Spoke.Interface)))) {
            $sc = Join-Path ([Environment]::SystemDirectory) 'sc.exe'
            $null = Test-Program $sc ('stop ' + (Get-ServiceName))
            $null = Test-Program $sc ('delete ' + (Get-ServiceName))
        }
        $deadline = (Get-Seconds) + 30
        while ((Test-Service) -and ((Get-Seconds) -lt $deadline)) { Start-Sleep -Milliseconds 200 }
    }

    # The rules of Windows for names; the line DNS of a configuration would have every name asked of the hub's servers too.
    # The commands of Windows' own modules do not see the preference for errors, so each is told.
    function Set-Dns {
        Remove-Dns
        if (-not ($Spoke.DnsServers -and $Spoke.DnsDomains)) { return }
        try {
            foreach ($domain in Split-Words $Spoke.DnsDomains) {
                $null = Add-DnsClientNrptRule -Namespace ('.' + $domain.Trim('.')) -NameServers (Split-Words $Spoke.DnsServers) -Comment (Get-Mark) -ErrorAction Stop
            }
        } catch {
            Write-Line ('      DNS is left as it is: ' + $_.Exception.Message)
        }
    }

    function Remove-Dns {
        try {
            foreach ($rule in Get-DnsClientNrptRule -ErrorAction Stop) {
                if ($rule.Comment -ceq (Get-Mark)) { Remove-DnsClientNrptRule -Name $rule.Name -Force -ErrorAction Stop }
            }
        } catch {
            Write-Line ('      The rules for names could not be looked at: ' + $_.Exception.Message)
        }
    }
