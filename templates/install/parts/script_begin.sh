#
# All of this script sits in functions, in one pair of braces, and its last line calls them: a download that was cut
# short does nothing, for a shell runs nothing of what is in braces before it has seen the closing one.
# It saves the script it carries (below, up to END_OF_SPOKE_SCRIPT) and runs that copy as root: the token works
# once, so whatever goes wrong afterwards, the saved copy can be run again.
# shellcheck disable=SC3043 # every shell this meets has 'local': dash, bash, busybox, ksh, zsh

{
{% include "parts/shell.sh" %}
{% include "parts/saver.sh" %}
main() {
    prepare_shell
    [ "$#" -gt 0 ] || exit 2
    create_copy
    save_proxies
    cat >"$COPY" <<'END_OF_SPOKE_SCRIPT' || lose_copy
#!/bin/sh
# Makes this machine a spoke of a WireGuard hub. Run it as root: sh FILE install
# It may be run as often as you like: it goes on where it stopped, and leaves a connected machine alone.
# Exit codes: 0 connected, 2 wrong usage, 3 this machine cannot be connected as it is, 4 another run is in progress,
# 5 packages could not be installed, 6 the hub refused or could not be reached, 7 registered but not connected yet,
# 129, 130, 143 interrupted: what this run made is gone again, except the keys and this copy. "status" also has 1 for a
# machine that is not set up.
# The environment may set how long it waits, in seconds: WIREGUARD_HUB_LOCK_SECONDS for other package managers (120),
# WIREGUARD_HUB_RETRY_SECONDS for the hub to accept the registration (120), WIREGUARD_HUB_HANDSHAKE_SECONDS for the hub
# to answer through the tunnel (30).
# shellcheck disable=SC3043 # every shell this meets has 'local': dash, bash, busybox, ksh, zsh

{% include "parts/values.sh" %}
{% include "parts/shell.sh" %}
{% include "parts/report.sh" %}
{% include "parts/formats.sh" %}
{% include "parts/json.sh" %}
{% include "parts/lock.sh" %}
{% include "parts/state.sh" %}
{% include "parts/files.sh" %}
{% include "parts/machine.sh" %}
{% include "parts/networks.sh" %}
{% include "parts/packages.sh" %}
