    # WireGuard looks an endpoint's name up once, when the tunnel starts. A task looks again, so that a hub that has moved
    # is found. An endpoint that is an address needs none.
    function Set-Refresh {
        if (Test-Address (Get-EndpointHost)) {
            Remove-Refresh
            return
        }
        try {
            $null = Register-ScheduledTask -TaskName (Get-TaskName) -Xml (Format-Task) -Force -ErrorAction Stop
        } catch {
            Write-Line ('      The task that finds a moved hub could not be set up: ' + $_.Exception.Message)
        }
    }

    function Get-TaskName { 'WireGuardHubSpoke-' + $Spoke.Id }

    function Get-EndpointHost { ($Spoke.HubEndpoint -creplace ':[0-9]+\z', '').Trim('[', ']') }

    function Get-PowerShell { Join-Path ([Environment]::SystemDirectory) 'WindowsPowerShell\v1.0\powershell.exe' }

    # As SYSTEM, on batteries too, every five minutes: each look starts a whole PowerShell.
    function Format-Task {
        $arguments = '-NoProfile -NonInteractive -ExecutionPolicy Bypass -WindowStyle Hidden ' + (Format-Run $Spoke.Copy 'refresh')
        $task = @'
<?xml version="1.0"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>Looks every five minutes whether the WireGuard hub has moved</Description></RegistrationInfo>
  <Triggers><TimeTrigger>
    <Repetition><Interval>PT5M</Interval></Repetition><StartBoundary>2020-01-01T00:00:00</StartBoundary>
  </TimeTrigger></Triggers>
  <Principals><Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries><StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT2M</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author"><Exec><Command>COMMAND</Command><Arguments>ARGUMENTS</Arguments></Exec></Actions>
</Task>
'@
        $task = $task.Replace('COMMAND', [System.Security.SecurityElement]::Escape((Get-PowerShell)))
        $task.Replace('ARGUMENTS', [System.Security.SecurityElement]::Escape($arguments))
    }

    function Remove-Refresh {
        $task = Get-ScheduledTask -TaskName (Get-TaskName) -ErrorAction SilentlyContinue
        if ($task) { Unregister-ScheduledTask -TaskName (Get-TaskName) -Confirm:$false -ErrorAction Stop }
    }

    # What the task runs. It leaves a tunnel alone that hears from the hub, or that somebody took down.
    function Update-Endpoint {
        if (-not ((Find-OwnInterface) -and (Read-Config) -and (Find-WireGuard))) { return }
        if (Test-Running) {
            if (-not (Test-Heard)) { Resume-Endpoint }
            return
        }
        # Its endpoint could not be looked up, mostly because the machine started before its network.
        $service = Get-CimInstance -ClassName Win32_Service -Filter ('Name = ''' + (Get-ServiceName) + '''')
        if ($service -and ($service.State -eq 'Stopped') -and ($service.ExitCode -ne 0) -and ($service.StartMode -eq 'Auto')) {
            Start-Service -Name (Get-ServiceName)
        }
    }

    function Resume-Endpoint {
        $used = ((Invoke-Program $Spoke.Wg ('show ' + $Spoke.Interface + ' endpoints')).Output.Trim() -split "`t")[1]
        $used = ([string] $used -creplace ':[0-9]+\z', '').Trim('[', ']')
        $addresses = Resolve-Endpoint
        if (($addresses.Count -eq 0) -or ($addresses -contains $used)) { return }
        $port = ($Spoke.HubEndpoint -split ':')[-1]
        $address = $addresses[0]
        if ($address.Contains(':')) { $address = '[' + $address + ']' }
        $null = Test-Program $Spoke.Wg ('set ' + $Spoke.Interface + ' peer ' + $Spoke.HubPublicKey + ' endpoint ' + $address + ':' + $port)
    }
