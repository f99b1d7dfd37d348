#!/bin/sh
# Takes what a WireGuard hub's install script made off this Linux machine: tunnel, service, configuration, keys.
# Packages stay. Exit codes: 0 done, 3 this is not root.
# shellcheck disable=SC3043 # every shell this meets has 'local': dash, bash, busybox, ksh, zsh

{% include "parts/shell.sh" %}
{% include "parts/report.sh" %}
{% include "parts/linux_machine_files.sh" %}
{% include "parts/linux_tunnel.sh" %}
STATE_HOME=/var/lib/wireguard-hub-spoke

main() {
    prepare_shell
    is_root || refuse_without_root
    exec </dev/null
    find_service_manager
    remove_tunnels
    rm -rf "$STATE_HOME"
    say 'Removed from this machine. Its packages were left, and so is its entry on the hub: remove the spoke there.'
}

refuse_without_root() {
    printf 'Stopped: this needs root. Run it again with: | sudo sh\n' >&2
    exit 3
}

remove_tunnels() {
    local file
    for file in /etc/wireguard/wg[0-9].conf; do
        is_of_a_hub "$file" || continue
        INTERFACE=${file##*/}
        INTERFACE=${INTERFACE%.conf}
        say "Taking $INTERFACE down"
        stop_tunnel
        rm -f "$file"
    done
}

# The first line is written by the install script; a file without it belongs to somebody else.
is_of_a_hub() {
    local mark
    [ -f "$1" ] || return 1
    IFS= read -r mark <"$1" || return 1
    case $mark in '# wireguard-hub-spoke '*) ;; *) return 1 ;; esac
}

main "$@"
