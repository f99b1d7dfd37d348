    # The same token with the same key is the same registration, however often it is sent.
    function Register-Spoke {
        if ($Spoke.CallbackUrl -cnotmatch '\Ahttps?://') { Stop-Run 3 ('The hub''s address ' + $Spoke.CallbackUrl + ' is not a web address.') }
        $body = [System.Text.Encoding]::UTF8.GetBytes((Format-Request))
        $deadline = (Get-Seconds) + (Get-SecondsSetting 'WIREGUARD_HUB_RETRY_SECONDS' 120)
        $pause = 1
        Send-Request $body
        while (($Spoke.Status -eq 0) -or ($Spoke.Status -eq 429) -or ($Spoke.Status -ge 500)) {
            if ($Spoke.IsDistrusted) {
                Stop-Run 6 ('The hub''s certificate was not accepted (' + $Spoke.Trouble + '): see that the clock is right (' + [DateTime]::UtcNow.ToString('yyyy-MM-dd') + '), and that no proxy changes certificates, then try again.')
            }
            if ((Get-Seconds) + $pause -gt $deadline) {
                Stop-Run 6 ('The hub could not be reached at ' + $Spoke.CallbackUrl + ' (' + $Spoke.Trouble + ').')
            }
            Write-Line ('      The hub is not ready (' + $Spoke.Trouble + '); trying again in ' + $pause + ' s')
            Start-Sleep -Seconds $pause
            $pause = [Math]::Min(2 * $pause, 15)
            Send-Request $body
        }
        Read-Answer
    }

    function Format-Request {
        $version = ((Invoke-Program $Spoke.Wg '--version').Output -split ' ')[1]
        $metadata = @{ wireguardVersion = [string] $version; kernelVersion = [string] [Environment]::OSVersion.Version }
        $request = @{ token = $Spoke.Token; publicKey = $Spoke.PublicKey; os = 'windows'; metadata = $metadata }
        ConvertTo-Json -InputObject $request -Depth 3 -Compress
    }

    # Sets Status to the HTTP status, 0 when there was no answer. A redirect is never followed. The proxy is the system's.
    function Send-Request {
        param(
            [byte[]] $Body
        )
        $Spoke.Status = 0
        $Spoke.Body = ''
        $Spoke.Trouble = 'no answer'
        $Spoke.IsDistrusted = $false
        try {
            $request = [System.Net.WebRequest]::Create($Spoke.CallbackUrl)
            $request.Method = 'POST'
            $request.ContentType = 'application/json'
            $request.Accept = 'application/json'
            $request.Timeout = 20000
            $request.AllowAutoRedirect = $false
            if ($request.Proxy -and -not $request.Proxy.Credentials) { $request.Proxy.Credentials = [System.Net.CredentialCache]::DefaultCredentials }
            $stream = $request.GetRequestStream()
            $stream.Write($Body, 0, $Body.Length)
            $stream.Dispose()
            Read-Response ($request.GetResponse())
        } catch {
            Read-Failure $_.Exception
        }
    }

    # A refusal comes as an exception that carries the answer, somewhere below the one PowerShell shows.
    function Read-Failure {
        param(
            $Failure
        )
        $response = $null
        while ($null -ne $Failure) {
            $Spoke.Trouble = $Failure.Message -creplace '[^ -~]', '?'
            if (($Failure -is [System.Net.WebException]) -and $Failure.Response) { $response = $Failure.Response }
            if ($Failure -is [System.Security.Authentication.AuthenticationException]) { $Spoke.IsDistrusted = $true }
            $Failure = $Failure.InnerException
        }
        if ($null -ne $response) { Read-Response $response }
    }

    function Read-Response {
        param(
            $Response
        )
        try {
            $reader = New-Object System.IO.StreamReader -ArgumentList ($Response.GetResponseStream())
            $buffer = New-Object char[] 65536
            $count = $reader.ReadBlock($buffer, 0, $buffer.Length)
            $Spoke.Body = -join $buffer[0..([Math]::Max($count - 1, 0))]
            $Spoke.HubTime = $Response.Headers['Date']
            $Spoke.OwnTime = Get-Now
            $Spoke.Status = [int] $Response.StatusCode
            $Spoke.Trouble = 'status ' + $Spoke.Status
        } catch {
            $Spoke.Trouble = 'the answer was cut short'
        } finally {
            $Response.Close()
        }
    }

    function Read-Answer {
        $answer = $null
        try {
            $answer = ConvertFrom-Json -InputObject $Spoke.Body
        } catch {
            Write-Note 'The answer is not JSON.'
        }
        if ((200, 201) -notcontains $Spoke.Status) {
            $sentence = ([string] $answer.error + ' ' + $answer.recoveryHint).Trim() -creplace '[^ -~]', '?'
            if (-not $sentence) { $sentence = 'status ' + $Spoke.Status + '.' }
            Stop-Run 6 ('The hub refused: ' + $sentence)
        }
        if (-not ($answer.success -eq $true)) { Stop-Run 6 'The hub gave an answer that makes no sense here.' }
        Use-Answer $answer
        Assert-Values
        Assert-NoOverlap $Spoke.NetworkCIDR
        Assert-NoOverlap $Spoke.NetworkCIDR6
    }

    # What the hub says now is newer than what this script was issued with. IPv6 takes both a network and an address in it.
    function Use-Answer {
        param(
            $Answer
        )
        $Spoke.PeerApplied = $Answer.peerApplied
        $Spoke.HubPublicKey = Select-Said $Answer.hub.publicKey $Spoke.HubPublicKey
        $Spoke.HubEndpoint = Select-Said $Answer.hub.endpoint $Spoke.HubEndpoint
        $Spoke.NetworkCIDR = Select-Said $Answer.hub.networkCIDR $Spoke.NetworkCIDR
        $Spoke.PersistentKeepalive = Select-Said $Answer.hub.persistentKeepalive $Spoke.PersistentKeepalive
        $Spoke.Mtu = Select-Said $Answer.hub.mtu '1420'
        $addresses = @($Answer.allowedIPs)
        $Spoke.SpokeIP = Select-Said $addresses[0] $Spoke.SpokeIP
        $Spoke.SpokeIP6 = ''
        $Spoke.NetworkCIDR6 = [string] $Answer.hub.networkCIDR6
        if ($Spoke.NetworkCIDR6 -and ($addresses.Count -gt 1)) { $Spoke.SpokeIP6 = [string] $addresses[1] } else { $Spoke.NetworkCIDR6 = '' }
        if ($null -ne $Answer.hub.dns) { $Spoke.DnsServers = @($Answer.hub.dns) -join ' ' }
        $Spoke.DnsDomains = @($Answer.hub.dnsDomains) -join ' '
    }

    function Select-Said {
        param(
            $Said,
            [string] $Otherwise
        )
        if ($null -eq $Said) { $Otherwise } else { [string] $Said }
    }
