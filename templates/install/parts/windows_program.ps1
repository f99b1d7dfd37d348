    # A command for every spoke of this machine; it holds no secret.
    function Save-Program {
        try {
            Save-File $Spoke.Program { Format-Program }
        } catch {
            Write-Line ('      ' + $Spoke.Program + ' could not be written; instead, use: ' + (Get-CopyCommand 'status'))
        }
    }

    function Format-Program {
        $program = @'
# Runs resume, status, uninstall or help for each spoke that an install script of a WireGuard hub made here.
# Alone tells that the process is its own.
param(
    [string] $Verb = 'help',
    [switch] $Alone
)

$folder = FOLDER
$worst = 0
$copies = @(Get-ChildItem -Path (Join-Path $folder '*\install.ps1'))
foreach ($copy in $copies) {
    $text = [IO.File]::ReadAllText($copy.FullName)
    & ([ScriptBlock]::Create($text)) -Verb $Verb -Text $text -Alone:$Alone
    if ($LASTEXITCODE -ne 0) { $worst = $LASTEXITCODE }
}
if ($copies.Count -eq 0) {
    Write-Host 'This machine is no spoke. What is left of one, the uninstall script of its hub takes off.'
    $worst = 1
}
if ($copies.Count -eq 0 -and $Verb -eq 'uninstall' -and -not (Test-Path -Path (Join-Path $folder '*\*'))) {
    Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue
    $worst = 0
}
$global:LASTEXITCODE = $worst
if ($Alone -or $PSCommandPath) { exit $worst }
'@
        $program.Replace('FOLDER', (Format-Literal $Spoke.Home))
    }
