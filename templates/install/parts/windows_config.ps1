    # The first line of every configuration of ours; one without it belongs to somebody else.
    function Get-Mark { '# wireguard-hub-spoke ' + $Spoke.Id }

    function Get-ConfigFile { Join-Path $Spoke.State ($Spoke.Interface + '.conf') }

    function Find-OwnInterface {
        foreach ($number in (0..9)) {
            $Spoke.Interface = 'wg' + $number
            if (Test-Path -LiteralPath (Get-ConfigFile)) { return $true }
        }
        $Spoke.Interface = ''
        $false
    }

    function Write-Config {
        if (-not [System.Net.Sockets.Socket]::OSSupportsIPv6 -and $Spoke.SpokeIP6) {
            Write-Line '      IPv6 is switched off on this machine, so the tunnel carries IPv4 only.'
            $Spoke.SpokeIP6 = ''
            $Spoke.NetworkCIDR6 = ''
        }
        Assert-Private $Spoke.State
        if (-not (Test-Path -LiteralPath (Get-ConfigFile))) { $Spoke.HasMadeConfig = $true }
        try {
            Save-File (Get-ConfigFile) { Format-Config }
        } catch {
            Stop-Run 3 ((Get-ConfigFile) + ' could not be written: is the disk full?')
        }
    }

    # Without domains every name may be asked of the hub's servers; with domains, rules send only their names there.
    function Format-Config {
        $private = [System.IO.File]::ReadAllText($Spoke.KeyFile).Trim()
        $lines = @((Get-Mark) + ': ' + $Spoke.SpokeName)
        $lines += '[Interface]'
        $lines += 'Address = ' + (Join-Words $Spoke.SpokeIP $Spoke.SpokeIP6)
        $lines += 'PrivateKey = ' + $private
        $lines += 'MTU = ' + $Spoke.Mtu
        if ($Spoke.DnsServers -and -not $Spoke.DnsDomains) { $lines += 'DNS = ' + ((Split-Words $Spoke.DnsServers) -join ', ') }
        $lines += '[Peer]'
        $lines += 'PublicKey = ' + $Spoke.HubPublicKey
        $lines += 'Endpoint = ' + $Spoke.HubEndpoint
        $lines += 'AllowedIPs = ' + (Join-Words $Spoke.NetworkCIDR $Spoke.NetworkCIDR6)
        $lines += 'PersistentKeepalive = ' + $Spoke.PersistentKeepalive
        ($lines -join "`n") + "`n"
    }

    function Join-Words {
        param(
            [string] $First,
            [string] $Second
        )
        if ($Second) { $First + ', ' + $Second } else { $First }
    }

    # The first word of what our configuration says.
    function Get-ConfigValue {
        param(
            [string] $Name
        )
        foreach ($line in [System.IO.File]::ReadAllLines((Get-ConfigFile))) {
            if ($line.StartsWith($Name + ' = ')) { return ($line.Substring($Name.Length + 3) -split ',')[0] }
        }
        ''
    }

    function Read-Config {
        $Spoke.SpokeIP = Get-ConfigValue 'Address'
        $Spoke.Mtu = Get-ConfigValue 'MTU'
        $Spoke.HubEndpoint = Get-ConfigValue 'Endpoint'
        $Spoke.HubPublicKey = Get-ConfigValue 'PublicKey'
        $Spoke.NetworkCIDR = Get-ConfigValue 'AllowedIPs'
        (Test-Number $Spoke.Mtu 65535) -and (Test-Cidr $Spoke.NetworkCIDR) -and (Test-Endpoint $Spoke.HubEndpoint)
    }
