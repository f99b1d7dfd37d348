# Takes what a WireGuard hub's install script made off this machine: tunnels, services, configuration, keys.
# Packages stay. Exit codes: 0 done, 3 this is not root, 4 an install script is at work.
# shellcheck disable=SC3043 # every shell this meets has 'local': dash, bash, busybox, ksh, zsh

# In braces, of which a shell runs nothing before the closing one: a download that was cut short does nothing.
{
{% include "parts/shell.sh" %}
{% include "parts/report.sh" %}
{% include "parts/lock.sh" %}
{% include "parts/files.sh" %}
{% include "parts/uninstall.sh" %}
