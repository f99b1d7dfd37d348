    # What is allowed into a command line or a file. Every value from the script's head and from the hub passes here first.
    function Test-Number {
        param(
            [string] $Value,
            [int] $Most
        )
        ($Value -cmatch '\A(0|[1-9][0-9]{0,4})\z') -and ([int] $Value -le $Most)
    }

    function Test-IPv4 {
        param(
            [string] $Value
        )
        $Value -cmatch '\A((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.(?!\z)|\z)){4}\z'
    }

    function Test-IPv6 {
        param(
            [string] $Value
        )
        $parsed = $null
        ($Value -cmatch '\A[0-9A-Fa-f]*:[0-9A-Fa-f:]*\z') -and [System.Net.IPAddress]::TryParse($Value, [ref] $parsed)
    }

    function Test-Address {
        param(
            [string] $Value
        )
        (Test-IPv4 $Value) -or (Test-IPv6 $Value)
    }

    function Test-Cidr {
        param(
            [string] $Value
        )
        $parts = @($Value -split '/')
        ($parts.Count -eq 2) -and (Test-IPv4 $parts[0]) -and (Test-Number $parts[1] 32)
    }

    function Test-Cidr6 {
        param(
            [string] $Value
        )
        $parts = @($Value -split '/')
        ($parts.Count -eq 2) -and (Test-IPv6 $parts[0]) -and (Test-Number $parts[1] 128)
    }

    function Test-Domain {
        param(
            [string] $Value
        )
        $Value -cmatch '\A[A-Za-z0-9._][A-Za-z0-9._-]*\z'
    }

    # host:port, a.b.c.d:port or [v6]:port
    function Test-Endpoint {
        param(
            [string] $Value
        )
        $place = $Value.LastIndexOf(':')
        if ($place -lt 1) { return $false }
        $name = $Value.Substring(0, $place)
        if (-not (Test-Number ($Value.Substring($place + 1)) 65535)) { return $false }
        if ($name -cmatch '\A\[.+\]\z') { return (Test-IPv6 ($name.Trim('[', ']'))) }
        Test-Domain $name
    }

    function Test-Key {
        param(
            [string] $Value
        )
        $Value -cmatch '\A[A-Za-z0-9+/]{43}=\z'
    }

    function Split-Words {
        param(
            [string] $Value
        )
        @($Value -split ' ' | Where-Object { $_ })
    }

    function Assert-Value {
        param(
            [bool] $IsGood,
            [string] $Name,
            [string] $Value
        )
        if (-not $IsGood) {
            $shown = $Value -creplace '[^ -~]', '?'
            Stop-Run 6 ('What the hub gave as its ' + $Name + ' makes no sense here: ' + $shown + '.')
        }
    }

    function Assert-Values {
        Assert-Value (Test-Key $Spoke.HubPublicKey) 'public key' $Spoke.HubPublicKey
        Assert-Value (Test-Endpoint $Spoke.HubEndpoint) 'endpoint' $Spoke.HubEndpoint
        Assert-Value (Test-Cidr $Spoke.NetworkCIDR) 'network' $Spoke.NetworkCIDR
        Assert-Value (Test-Cidr $Spoke.SpokeIP) 'address' $Spoke.SpokeIP
        Assert-Value ((-not $Spoke.NetworkCIDR6) -or (Test-Cidr6 $Spoke.NetworkCIDR6)) 'IPv6 network' $Spoke.NetworkCIDR6
        Assert-Value ((-not $Spoke.SpokeIP6) -or (Test-Cidr6 $Spoke.SpokeIP6)) 'IPv6 address' $Spoke.SpokeIP6
        Assert-Value (Test-Number $Spoke.Mtu 65535) 'MTU' $Spoke.Mtu
        Assert-Value (Test-Number $Spoke.PersistentKeepalive 65535) 'keepalive' $Spoke.PersistentKeepalive
        foreach ($word in Split-Words $Spoke.DnsServers) { Assert-Value (Test-Address $word) 'DNS server' $word }
        foreach ($word in Split-Words $Spoke.DnsDomains) { Assert-Value (Test-Domain $word) 'DNS domain' $word }
    }
