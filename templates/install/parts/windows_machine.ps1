    function Assert-Administrator {
        if ($env:OS -ne 'Windows_NT') { Stop-Run 3 'This script is for Windows.' }
        $identity = [System.Security.Principal.WindowsIdentity]::GetCurrent()
        $principal = New-Object System.Security.Principal.WindowsPrincipal $identity
        if (-not $principal.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
            Stop-Run 3 'This needs an administrator: open PowerShell with "Run as administrator" and do the same there.'
        }
        if ([Environment]::Is64BitOperatingSystem -and -not [Environment]::Is64BitProcess) {
            Stop-Run 3 'This is the 32-bit PowerShell, named x86: open the other one with "Run as administrator".'
        }
        if ([Environment]::OSVersion.Version.Major -lt 10) { Stop-Run 3 'This needs Windows 10, Windows Server 2016, or newer.' }
    }

    # Windows says here what the machine is, whatever this process is emulated as.
    function Get-Architecture {
        switch ([Environment]::GetEnvironmentVariable('PROCESSOR_ARCHITECTURE', 'Machine')) {
            'AMD64' { 'amd64' }
            'ARM64' { 'arm64' }
            'x86' { 'x86' }
            default { Stop-Run 3 'WireGuard for Windows does not know the processor of this machine.' }
        }
    }

    # Nobody but an administrator can make a folder below this one, so none can have been put there for us to find.
    function Find-Home {
        $Spoke.ProgramFiles = [Environment]::GetFolderPath('ProgramFiles')
        $Spoke.Home = Join-Path $Spoke.ProgramFiles 'WireGuardHub'
    }

    function Find-WireGuard {
        $folder = Join-Path $Spoke.ProgramFiles 'WireGuard'
        $Spoke.WireGuard = Join-Path $folder 'wireguard.exe'
        $Spoke.Wg = Join-Path $folder 'wg.exe'
        (Test-Path -LiteralPath $Spoke.WireGuard) -and (Test-Path -LiteralPath $Spoke.Wg)
    }
