    # An address is its own; nothing when the name is unknown. WireGuard takes IPv4 first.
    function Resolve-Endpoint {
        $found = @()
        try {
            $found = @([System.Net.Dns]::GetHostAddresses((Get-EndpointHost)) | Sort-Object -Property AddressFamily | ForEach-Object { $_.ToString() })
        } catch {
            Write-Note ('The name of the hub: ' + $_.Exception.Message)
        }
        , $found
    }

    # When the hub was last heard, in seconds since 1970; 0 for never.
    function Get-Handshake {
        $last = ((Invoke-Program $Spoke.Wg ('show ' + $Spoke.Interface + ' latest-handshakes')).Output.Trim() -split "`t")[1]
        if ($last -cmatch '\A[0-9]+\z') { [long] $last } else { [long] 0 }
    }

    function Get-Now { [DateTimeOffset]::UtcNow.ToUnixTimeSeconds() }

    # A live tunnel shakes hands at least every three minutes.
    function Test-Heard { (Get-Handshake) -gt ((Get-Now) - 180) }

    # The hub has the first address of its network.
    function Get-HubAddress {
        $bytes = [System.Net.IPAddress]::Parse(($Spoke.NetworkCIDR -split '/')[0]).GetAddressBytes()
        $bytes[3] = 1 + $bytes[3]
        $bytes -join '.'
    }

    # Whether a packet with so much in it goes to the hub through the tunnel and back, in one piece.
    function Test-Ping {
        param(
            [int] $Size
        )
        $ping = New-Object System.Net.NetworkInformation.Ping
        try {
            $options = New-Object System.Net.NetworkInformation.PingOptions -ArgumentList 64, $true
            $content = New-Object byte[] $Size
            $ping.Send([string] (Get-HubAddress), 2000, $content, $options).Status -eq 'Success'
        } catch {
            $false
        } finally {
            $ping.Dispose()
        }
    }

    # The largest packets the tunnel takes, less their headers; one may get lost.
    function Test-LargePackets { (Test-Ping ([int] $Spoke.Mtu - 28)) -or (Test-Ping ([int] $Spoke.Mtu - 28)) }

    # A silent tunnel shakes hands when there is traffic, so it is asked before it is judged; one packet may get lost.
    function Test-Answer { (Test-Ping 56) -or (Test-Ping 56) }

    # What our configuration says, with the whole truth about it: heard, and packets of any size come back.
    function Test-Connected {
        if (-not ((Find-WireGuard) -and (Find-OwnInterface) -and (Read-Config) -and (Test-Running))) { return $false }
        (Test-Answer) -and (Test-Heard) -and (Test-LargePackets)
    }

    # Traffic makes WireGuard try.
    function Wait-ForHub {
        $deadline = (Get-Seconds) + (Get-SecondsSetting 'WIREGUARD_HUB_HANDSHAKE_SECONDS' 30)
        while (-not ((Test-Ping 56) -and (Test-Heard))) {
            if ((Get-Seconds) -ge $deadline) { Stop-Unconnected }
            Start-Sleep -Milliseconds 200
        }
        if (-not (Test-LargePackets)) { Stop-Unconnected }
    }

    function Stop-Unconnected {
        Stop-Run 7 ('Registered ' + $Spoke.SpokeName + ' as ' + ($Spoke.SpokeIP -split '/')[0] + ' on ' + $Spoke.Interface + ', but ' + (Find-Trouble) + '. The tunnel stays up and connects when it can.')
    }

    # Why the hub is not heard, each found by looking; ends without a full stop.
    function Find-Trouble {
        $addresses = Resolve-Endpoint
        if ($addresses.Count -eq 0) { return ('the hub''s name ' + (Get-EndpointHost) + ' does not resolve on this machine') }
        if (-not (Find-NetRoute -RemoteIPAddress $addresses[0] -ErrorAction SilentlyContinue)) {
            return ('this machine has no route to the hub at ' + $addresses[0])
        }
        if (-not (Test-Running)) { return '' }
        if ((Test-Answer) -or (Test-Heard)) { return (Find-TroubleInside) }
        $trouble = 'no handshake with ' + $Spoke.HubEndpoint + ': '
        $clock = Get-ClockTrouble
        if ($clock) { return ($trouble + 'the clock of this machine is ' + $clock + ', set it right') }
        if ($Spoke.PeerApplied -eq $false) { return ($trouble + 'the hub has not applied this machine yet, look at its dashboard') }
        $trouble + 'look whether UDP to port ' + ($Spoke.HubEndpoint -split ':')[-1] + ' is blocked on the way, and whether this is the hub'
    }

    function Find-TroubleInside {
        if (-not (Test-Answer)) { return ('the hub shook hands but ' + (Get-HubAddress) + ' does not answer a ping: look at the hub''s firewall') }
        if (-not (Test-LargePackets)) {
            return ('only small packets reach the hub: an MTU of ' + $Spoke.Mtu + ' is too large for the way there, set a lower one on the hub')
        }
        'the tunnel is new; look again in a moment'
    }

    # How far this machine's clock was off by the hub's last answer; more than a minute counts.
    function Get-ClockTrouble {
        if (-not $Spoke.HubTime) { return '' }
        $theirs = [DateTimeOffset]::Parse($Spoke.HubTime, [System.Globalization.CultureInfo]::InvariantCulture).ToUnixTimeSeconds()
        $offset = $Spoke.OwnTime - $theirs
        if ($offset -gt 60) { return ([string] $offset + ' seconds ahead') }
        if ($offset -lt -60) { return ([string] (-$offset) + ' seconds behind') }
        ''
    }

    # Changes nothing. Exit codes: 0 connected, 1 not set up, 7 not connected.
    function Show-Status {
        if (-not ((Find-OwnInterface) -and (Read-Config))) {
            $Spoke.Code = 1
            Write-Host ('Not set up. To go on, run as administrator: ' + (Get-CopyCommand 'resume'))
            return
        }
        $isHere = Find-WireGuard
        Write-Host ('Name:      ' + (Get-SpokeName))
        Write-Host ('Address:   ' + ($Spoke.SpokeIP -split '/')[0])
        Write-Host ('Interface: ' + $Spoke.Interface)
        Write-Host ('Endpoint:  ' + $Spoke.HubEndpoint)
        if ($isHere) { Write-Host ('Handshake: ' + (Get-HandshakeText)) }
        if (Test-Connected) {
            Write-Host 'Connected.'
            return
        }
        $Spoke.Code = 7
        $reason = $Spoke.Interface + ' is down; to start it, run: ' + (Get-CopyCommand 'resume')
        if ($isHere -and (Test-Running)) { $reason = Find-Trouble }
        Write-Host ('Not connected: ' + $reason + '.')
    }

    function Get-SpokeName { ([System.IO.File]::ReadAllLines((Get-ConfigFile))[0] -split ': ')[1] }

    function Get-HandshakeText {
        $last = Get-Handshake
        if ($last -gt 0) { [string] ((Get-Now) - $last) + ' seconds ago' } else { 'never' }
    }
