    # One folder for each token, so that keys and copy of an earlier run are found again and never mixed with another's.
    function Find-State {
        Find-Home
        $sha256 = [System.Security.Cryptography.SHA256]::Create()
        $sum = $sha256.ComputeHash([System.Text.Encoding]::ASCII.GetBytes($Spoke.Token))
        $digits = [BitConverter]::ToString($sum) -creplace '-', ''
        Use-State ($digits.Substring(0, 16).ToLowerInvariant())
        $Spoke.KeyFile = Join-Path $Spoke.State 'private.key'
        $Spoke.Copy = Join-Path $Spoke.State 'install.ps1'
        $Spoke.Program = Join-Path $Spoke.Home 'wireguard-hub-spoke.ps1'
    }

    function Use-State {
        param(
            [string] $Id
        )
        $Spoke.Id = $Id
        $Spoke.State = Join-Path $Spoke.Home $Id
    }

    function Open-State {
        Find-State
        New-PrivateFolder $Spoke.Home
        New-PrivateFolder $Spoke.State
        Save-Copy
        Lock-Home
        $Spoke.Log = Join-Path $Spoke.State 'install.log'
        Write-Note ('--- ' + [DateTime]::UtcNow.ToString('s') + 'Z Windows ' + [Environment]::OSVersion.Version + ', PowerShell ' + $PSVersionTable.PSVersion)
    }

    # SYSTEM and Administrators by their well-known ids, for their names differ from language to language; nobody else,
    # and nothing inherited.
    function New-PrivateFolder {
        param(
            [string] $Path
        )
        try {
            if (-not (Test-Path -LiteralPath $Path)) { $null = New-Item -ItemType Directory -Path $Path }
            $access = New-Object System.Security.AccessControl.DirectorySecurity
            $access.SetSecurityDescriptorSddlForm('O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)')
            Set-Acl -LiteralPath $Path -AclObject $access
        } catch {
            Stop-Run 3 ($Path + ' cannot be made for administrators alone: ' + $_.Exception.Message)
        }
        Assert-Private $Path
    }

    # Looks at what is there instead of trusting what was asked for.
    function Assert-Private {
        param(
            [string] $Path
        )
        $access = Get-Acl -LiteralPath $Path
        $isPrivate = $access.AreAccessRulesProtected
        foreach ($rule in $access.GetAccessRules($true, $true, [System.Security.Principal.SecurityIdentifier])) {
            if ('S-1-5-18', 'S-1-5-32-544' -cnotcontains $rule.IdentityReference.Value) { $isPrivate = $false }
        }
        if (-not $isPrivate) { Stop-Run 3 ($Path + ' can be read by others than administrators, and the keys belong there.') }
    }

    # Windows gives the lock back however a run ends.
    function Lock-Home {
        try {
            $Spoke.Lock = New-Object System.IO.FileStream -ArgumentList (Join-Path $Spoke.Home 'lock'), ([System.IO.FileMode]::OpenOrCreate), ([System.IO.FileAccess]::ReadWrite), ([System.IO.FileShare]::None)
        } catch {
            Stop-Run 4 'Another run is in progress on this machine.'
        }
    }

    # The token works once, so whatever goes wrong from here on, another run at work too, the saved copy can be run again.
    function Save-Copy {
        try {
            if ($Text) {
                Save-File $Spoke.Copy { $Text }
            } elseif ($PSCommandPath -and ($PSCommandPath -ne $Spoke.Copy)) {
                Copy-Item -LiteralPath $PSCommandPath -Destination $Spoke.Copy -Force
            }
        } catch {
            Stop-Run 3 ('This script could not be kept in ' + $Spoke.State + ': is the disk full?')
        }
        if (-not (Test-Path -LiteralPath $Spoke.Copy)) { Stop-Run 3 'This script was not run by the command that the hub prints, so it could not be kept: reissue the token in the dashboard.' }
        $Spoke.IsKept = $true
    }

    # What the block gives becomes the file, as ASCII without a byte order mark, in one step, and on the disk before
    # anything else happens. A block, because a policy may have the values of parameters logged.
    function Save-File {
        param(
            [string] $Path,
            [scriptblock] $Content
        )
        $new = $Path + '.new'
        $bytes = [System.Text.Encoding]::ASCII.GetBytes([string] (& $Content))
        $stream = New-Object System.IO.FileStream -ArgumentList $new, ([System.IO.FileMode]::Create), ([System.IO.FileAccess]::Write)
        try {
            $stream.Write($bytes, 0, $bytes.Length)
            $stream.Flush($true)
        } finally {
            $stream.Dispose()
        }
        # In Windows PowerShell, a move onto a file deletes that first.
        if (Test-Path -LiteralPath $Path) {
            [System.IO.File]::Replace($new, $Path, [NullString]::Value)
        } else {
            Move-Item -LiteralPath $new -Destination $Path
        }
    }
