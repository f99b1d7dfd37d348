    # The log takes everything said and whatever the tools print; no secret is ever said.
    function Write-Note {
        param(
            [string] $Line
        )
        if ($Spoke.Log) {
            try { [System.IO.File]::AppendAllText($Spoke.Log, $Line + "`r`n") } catch { Write-Host 'The log cannot be written.' }
        }
    }

    function Write-Line {
        param(
            [string] $Line
        )
        Write-Host $Line
        Write-Note $Line
    }

    function Write-Step {
        param(
            [string] $Line
        )
        $Spoke.Step = 1 + $Spoke.Step
        Write-Line ('[' + $Spoke.Step + '/7] ' + $Line)
    }

    # Ends the run: the last lines of the script say the sentence and hand out the code.
    function Stop-Run {
        param(
            [int] $Code,
            [string] $Sentence
        )
        $Spoke.Code = $Code
        $Spoke.Sentence = $Sentence
        throw 'stopped'
    }

    function Write-Stop {
        param(
            $Failure
        )
        if (-not $Spoke.Sentence) {
            $Spoke.Code = 3
            $Spoke.Sentence = 'Something unforeseen happened in line ' + $Failure.InvocationInfo.ScriptLineNumber + ': ' + $Failure.Exception.Message
        }
        Write-Note ('Stopped: ' + $Spoke.Sentence)
        if ($Spoke.Log) { Write-Host ('Details: ' + $Spoke.Log) }
        if ($Spoke.IsKept) { Write-Host ('To try again as administrator: ' + (Get-CopyCommand 'resume')) }
        Write-Host ('Stopped: ' + $Spoke.Sentence)
    }

    function Get-CopyCommand {
        param(
            [string] $Word,
            [string] $Copy = $Spoke.Copy
        )
        'powershell -NoProfile -ExecutionPolicy Bypass ' + (Format-Run $Copy $Word)
    }

    # Runs what a file says, not the file, which a group policy may forbid. Without a dollar, so that cmd and PowerShell both
    # take the line.
    function Format-Run {
        param(
            [string] $Path,
            [string] $Word
        )
        '-Command "& ([ScriptBlock]::Create([IO.File]::ReadAllText(' + (Format-Literal $Path) + '))) ' + $Word + ' -Alone"'
    }

    function Format-Literal {
        param(
            [string] $Value
        )
        "'" + ($Value -creplace '([''\u2018-\u201b])', '$1$1') + "'"
    }

    # A clock that nobody sets.
    function Get-Seconds {
        if (-not $Spoke.Clock) { $Spoke.Clock = [System.Diagnostics.Stopwatch]::StartNew() }
        [int] $Spoke.Clock.Elapsed.TotalSeconds
    }

    function Get-SecondsSetting {
        param(
            [string] $Name,
            [int] $Default
        )
        $value = [Environment]::GetEnvironmentVariable($Name)
        if ($value -cmatch '\A[1-9][0-9]{0,4}\z') { [int] $value } else { $Default }
    }
