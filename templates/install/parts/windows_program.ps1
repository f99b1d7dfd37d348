    # A command for every spoke of this machine; it holds no secret.
    function Save-Program {
        try {
            Save-File $Spoke.Program { Format-Program }
        } catch {
            Write-Line ('      ' + $Spoke.Program + ' could not be written; instead, use: ' + (Get-CopyCommand 'status'))
        }
    }

    function Format-Program {
        @'
# Runs resume, status, uninstall or help for each spoke that an install script of a WireGuard hub made here.
param(
    [string] $Verb = 'help'
)

$worst = 0
$powershell = Join-Path ([Environment]::SystemDirectory) 'WindowsPowerShell\v1.0\powershell.exe'
foreach ($copy in @(Get-ChildItem -Path (Join-Path $PSScriptRoot '*\install.ps1'))) {
    & $powershell -NoProfile -ExecutionPolicy Bypass -File $copy.FullName $Verb
    if ($LASTEXITCODE -ne 0) { $worst = $LASTEXITCODE }
}
exit $worst
'@
    }
