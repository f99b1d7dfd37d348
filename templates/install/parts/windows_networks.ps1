    # The bits that the addresses of a network have in common, as a word of 0 and 1.
    function Get-CommonBits {
        param(
            [string] $Network
        )
        $parts = @($Network -split '/')
        $bytes = [System.Net.IPAddress]::Parse(($parts[0] -split '%')[0]).GetAddressBytes()
        $bits = ''
        foreach ($byte in $bytes) { $bits += [Convert]::ToString($byte, 2).PadLeft(8, '0') }
        $bits.Substring(0, [int] $parts[1])
    }

    function Read-Routes {
        $routes = @()
        try {
            $routes = @(Get-NetRoute -ErrorAction Stop)
        } catch {
            Write-Note $_.Exception.Message
        }
        if ($routes.Count -eq 0) { Stop-Run 3 'The addresses and routes of this machine could not be read.' }
        $routes
    }

    # Every address of the machine is also a route. What our own tunnel carries is not in the way, and a default route,
    # also one in two halves, yields to any network.
    function Assert-NoOverlap {
        param(
            [string] $Network
        )
        if (-not $Network) { return }
        $wanted = Get-CommonBits $Network
        foreach ($route in Read-Routes) {
            $prefix = [string] $route.DestinationPrefix
            if ($route.InterfaceAlias -eq $Spoke.Interface) { continue }
            if ($prefix.Contains(':') -ne $Network.Contains(':')) { continue }
            $taken = Get-CommonBits $prefix
            $shorter = [Math]::Min($taken.Length, $wanted.Length)
            if ($taken.Length -ge 2 -and $taken.Substring(0, $shorter) -ceq $wanted.Substring(0, $shorter)) {
                Stop-Run 3 ('The hub''s network ' + $Network + ' overlaps ' + $prefix + ' on ' + $route.InterfaceAlias + ', which this machine already uses.')
            }
        }
    }

    # All that has to be right before the hub hears of this machine.
    function Assert-Network {
        if (-not (Test-Cidr $Spoke.NetworkCIDR)) { Stop-Run 3 ('The hub''s network ' + $Spoke.NetworkCIDR + ' is not an IPv4 network.') }
        Assert-OnlyEnrolment
        if (-not (Find-OwnInterface)) { Find-FreeInterface }
        Assert-NoOverlap $Spoke.NetworkCIDR
        Assert-NoOverlap $Spoke.NetworkCIDR6
    }

    # The hub's network can be here once only, and the tunnel that has it may be the one this machine is reached by.
    function Assert-OnlyEnrolment {
        foreach ($file in Get-ChildItem -Path (Join-Path $Spoke.Home '*\wg?.conf')) {
            if ($file.DirectoryName -eq $Spoke.State) { continue }
            if ([System.IO.File]::ReadAllLines($file.FullName) -ccontains ('PublicKey = ' + $Spoke.HubPublicKey)) {
                Stop-Run 3 ('This machine is a spoke of this hub already, by ' + $file.Name + '. To replace it, take it off first: ' + (Get-CopyCommand 'uninstall' (Join-Path $file.DirectoryName 'install.ps1')))
            }
        }
    }

    function Find-FreeInterface {
        foreach ($number in (0..9)) {
            if (Test-Free ('wg' + $number)) {
                $Spoke.Interface = 'wg' + $number
                return
            }
        }
        Stop-Run 3 'wg0 to wg9 are all taken on this machine.'
    }

    # Not a tunnel, not a network adapter, and not stored in the WireGuard application.
    function Test-Free {
        param(
            [string] $Name
        )
        $Spoke.Interface = $Name
        $stored = Join-Path $Spoke.ProgramFiles ('WireGuard\Data\Configurations\' + $Name + '.conf*')
        $adapters = @([System.Net.NetworkInformation.NetworkInterface]::GetAllNetworkInterfaces() | Where-Object { $_.Name -eq $Name })
        $isKept = Test-Path -Path (Join-Path $Spoke.Home ('*\' + $Name + '.conf'))
        -not ((Test-Service) -or (Test-Path -Path $stored) -or $isKept -or $adapters.Count)
    }
