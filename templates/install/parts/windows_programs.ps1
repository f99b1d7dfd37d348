    # Runs a program by its full path, with the bytes of a file, or nothing, as its input: arguments can be read by
    # others, and are written to the event log where processes are audited.
    function Invoke-Program {
        param(
            [string] $Path,
            [string] $Arguments,
            [string] $InputFile = '',
            [int] $Seconds = 60
        )
        $start = New-Object System.Diagnostics.ProcessStartInfo
        $start.FileName = $Path
        $start.Arguments = $Arguments
        $start.WorkingDirectory = [Environment]::SystemDirectory
        $start.UseShellExecute = $false
        $start.CreateNoWindow = $true
        $start.RedirectStandardInput = $true
        $start.RedirectStandardOutput = $true
        $start.RedirectStandardError = $true
        $process = Start-WithoutMark $start
        try {
            $output = $process.StandardOutput.ReadToEndAsync()
            $errors = $process.StandardError.ReadToEndAsync()
            try {
                if ($InputFile) { $process.StandardInput.Write([System.IO.File]::ReadAllText($InputFile)) }
                $process.StandardInput.Close()
            } catch {
                Write-Note 'The program did not read its input.'
            }
            # In short waits, for an interrupt is heard only between them.
            $deadline = (Get-Seconds) + $Seconds
            while (-not $process.WaitForExit(100)) {
                if ((Get-Seconds) -ge $deadline) {
                    $process.Kill()
                    return @{ Code = -1; Output = ''; Errors = 'no end after ' + $Seconds + ' s' }
                }
            }
            # What a program leaves running may hold its output open for ever.
            $null = $output.Wait(5000)
            $null = $errors.Wait(5000)
            return @{ Code = $process.ExitCode; Output = (Read-Done $output); Errors = (Read-Done $errors) }
        } finally {
            $process.Dispose()
        }
    }

    function Read-Done {
        param(
            $Task
        )
        if ($Task.IsCompleted) { [string] $Task.Result } else { '' }
    }

    # In a UTF-8 console, Windows PowerShell 5.1 would begin a program's input with a byte order mark, and no key has one.
    function Start-WithoutMark {
        param(
            $Start
        )
        $before = $null
        try {
            $before = [Console]::InputEncoding
            [Console]::InputEncoding = New-Object System.Text.UTF8Encoding $false
        } catch {
            Write-Note 'There is no console.'
        }
        try {
            [System.Diagnostics.Process]::Start($Start)
        } finally {
            if ($null -ne $before) {
                try { [Console]::InputEncoding = $before } catch { Write-Note 'There is no console.' }
            }
        }
    }

    # Whether it ended well; what it said goes to the log.
    function Test-Program {
        param(
            [string] $Path,
            [string] $Arguments,
            [int] $Seconds = 60
        )
        Write-Note ($Path + ' ' + $Arguments)
        try {
            $done = Invoke-Program $Path $Arguments '' $Seconds
        } catch {
            Write-Note ('It could not be run: ' + $_.Exception.Message)
            return $false
        }
        Write-Note ($done.Output + $done.Errors)
        Write-Note ('It ended with ' + $done.Code)
        $Spoke.ProgramCode = $done.Code
        $done.Code -eq 0
    }
