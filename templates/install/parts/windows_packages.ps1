    # What counts is what is here afterwards: an installer's exit code also speaks of things that have nothing to do with it.
    function Install-WireGuard {
        if (Find-WireGuard) { return }
        Install-ByWinget
        if (Find-WireGuard) { return }
        Install-ByChocolatey
        if (Find-WireGuard) { return }
        Install-ByMsi
        if (-not (Find-WireGuard)) {
            Stop-Run 5 'WireGuard could not be installed: install it by hand from https://www.wireguard.com/install/, then try again.'
        }
    }

    # By its place among the protected applications: what the path finds can be put there by any program of this user.
    function Install-ByWinget {
        $place = Join-Path $Spoke.ProgramFiles 'WindowsApps\Microsoft.DesktopAppInstaller_*__8wekyb3d8bbwe\winget.exe'
        $winget = Get-ChildItem -Path $place -ErrorAction SilentlyContinue | Sort-Object -Property LastWriteTime | Select-Object -Last 1
        if (-not $winget) { return }
        Write-Line '      winget: WireGuard.WireGuard'
        $null = Test-Program $winget.FullName 'install --id WireGuard.WireGuard --exact --source winget --scope machine --silent --accept-package-agreements --accept-source-agreements --disable-interactivity' 600
    }

    function Install-ByChocolatey {
        $folder = [Environment]::GetEnvironmentVariable('ChocolateyInstall', 'Machine')
        if (-not $folder) { return }
        $choco = Join-Path $folder 'bin\choco.exe'
        if (-not (Test-Path -LiteralPath $choco)) { return }
        Write-Line '      choco: wireguard'
        $null = Test-Program $choco 'install wireguard --yes --no-progress --limit-output' 600
    }

    function Install-ByMsi {
        $name = Find-Msi
        Write-Line ('      download.wireguard.com: ' + $name)
        $file = Join-Path $Spoke.State 'wireguard.msi'
        $null = Get-FromVendor $name $file
        try {
            Assert-Signature $file
            Install-Msi $file
        } finally {
            Remove-Item -LiteralPath $file -Force -ErrorAction SilentlyContinue
        }
    }

    # The vendor's list of what is newest; the signature of the file itself is what is trusted.
    function Find-Msi {
        $list = Get-FromVendor 'latest.sig'
        $pattern = 'wireguard-' + (Get-Architecture) + '-([0-9]+(\.[0-9]+){1,3})\.msi'
        $newest = [regex]::Matches($list, $pattern) | Sort-Object -Property { [version] $_.Groups[1].Value } | Select-Object -Last 1
        if (-not $newest) { Stop-Run 5 'The list of WireGuard installers could not be understood: install WireGuard by hand, then try again.' }
        $newest.Value
    }

    # Into a file, or without one as text.
    function Get-FromVendor {
        param(
            [string] $Name,
            [string] $File = ''
        )
        $url = 'https://download.wireguard.com/windows-client/' + $Name
        try {
            if ($File) {
                Invoke-WebRequest -UseBasicParsing -MaximumRedirection 0 -TimeoutSec 300 -Uri $url -OutFile $File
            } else {
                $answer = Invoke-WebRequest -UseBasicParsing -MaximumRedirection 0 -TimeoutSec 60 -Uri $url
                [System.Text.Encoding]::ASCII.GetString($answer.RawContentStream.ToArray())
            }
        } catch {
            Stop-Run 5 ('WireGuard could not be fetched from ' + $url + ' (' + $_.Exception.Message + '): install it by hand, then try again.')
        }
    }

    function Assert-Signature {
        param(
            [string] $File
        )
        $signature = Get-AuthenticodeSignature -LiteralPath $File
        $signer = ''
        if ($signature.SignerCertificate) {
            $signer = $signature.SignerCertificate.GetNameInfo([System.Security.Cryptography.X509Certificates.X509NameType]::SimpleName, $false)
        }
        if (($signature.Status -ne 'Valid') -or ($signer -cne 'WireGuard LLC')) {
            Stop-Run 5 'The installer that was fetched is not signed by WireGuard LLC, so it was not run.'
        }
    }

    # 1618 is another installer at work; 1641 and 3010 ask for a restart, which WireGuard does not need.
    function Install-Msi {
        param(
            [string] $File
        )
        $msiexec = Join-Path ([Environment]::SystemDirectory) 'msiexec.exe'
        $deadline = (Get-Seconds) + (Get-SecondsSetting 'WIREGUARD_HUB_LOCK_SECONDS' 120)
        while (-not (Test-Program $msiexec ('/i "' + $File + '" /qn /norestart DO_NOT_LAUNCH=1') 600)) {
            if (($Spoke.ProgramCode -ne 1618) -or ((Get-Seconds) -ge $deadline)) { return }
            Write-Line '      Another installer is at work; waiting for it.'
            Start-Sleep -Seconds 5
        }
    }
