# Makes this Windows machine a spoke of a WireGuard hub. Run it as administrator.
# It may be run as often as you like: it goes on where it stopped, and leaves a connected machine alone.
# Exit codes: 0 connected, 2 wrong usage, 3 this machine cannot be connected as it is, 4 another run is in progress,
# 5 WireGuard could not be installed, 6 the hub refused or could not be reached, 7 registered but not connected yet,
# 130 interrupted: what this run made is gone again, except the keys and the kept copy. "status" also has 1 for a machine
# that is not set up.
# The environment may set how long it waits, in seconds: WIREGUARD_HUB_LOCK_SECONDS for other installers (120),
# WIREGUARD_HUB_RETRY_SECONDS for the hub to accept the registration (120), WIREGUARD_HUB_HANDSHAKE_SECONDS for the hub
# to answer through the tunnel (30).
# Text is this script itself, where it was not run from a file; Alone tells that the process is its own. All of it sits in
# one pair of braces, so PowerShell runs nothing of a download that was cut short.
param(
    [string] $Verb = 'install',
    [string] $Text = '',
    [switch] $Alone
)

& {
{% include "parts/windows_shell.ps1" %}
{% include "parts/windows_values.ps1" %}
{% include "parts/windows_report.ps1" %}
{% include "parts/windows_formats.ps1" %}
{% include "parts/windows_programs.ps1" %}
{% include "parts/windows_machine.ps1" %}
{% include "parts/windows_state.ps1" %}
{% include "parts/windows_networks.ps1" %}
{% include "parts/windows_packages.ps1" %}
{% include "parts/windows_keys.ps1" %}
{% include "parts/windows_register.ps1" %}
{% include "parts/windows_config.ps1" %}
{% include "parts/windows_tunnel.ps1" %}
{% include "parts/windows_refresh.ps1" %}
{% include "parts/windows_verify.ps1" %}
{% include "parts/windows_program.ps1" %}
{% include "parts/windows_uninstall.ps1" %}
{% include "parts/windows_install.ps1" %}
{% include "parts/windows_main.ps1" %}
}
