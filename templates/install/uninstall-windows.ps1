# Takes what a WireGuard hub's install script made off this machine: tunnels, services, tasks, configuration, keys.
# WireGuard itself stays. Exit codes: 0 done, 3 this is no administrator, 4 an install script is at work.
# Text is this script itself, where it was not run from a file; Alone tells that the process is its own.
param(
    [string] $Text = '',
    [switch] $Alone
)

& {
{% include "parts/windows_shell.ps1" %}
    $Spoke = @{}
{% include "parts/windows_report.ps1" %}
{% include "parts/windows_formats.ps1" %}
{% include "parts/windows_programs.ps1" %}
{% include "parts/windows_machine.ps1" %}
{% include "parts/windows_state.ps1" %}
{% include "parts/windows_config.ps1" %}
{% include "parts/windows_tunnel.ps1" %}
{% include "parts/windows_refresh.ps1" %}
{% include "parts/windows_verify.ps1" %}
{% include "parts/windows_uninstall.ps1" %}
    function Undo-Run {
        $Spoke.Code = 130
        $Spoke.Sentence = 'Interrupted; run it again.'
        Write-Stop
    }

    function Invoke-Verb {
        Assert-Administrator
        Find-Home
        $ids = @()
        if (Test-Path -LiteralPath $Spoke.Home) { $ids = @(Get-States | ForEach-Object { $_.Name }) }
        Uninstall-Spokes $ids
    }

{% include "parts/windows_main.ps1" %}
}
