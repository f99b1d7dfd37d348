usage() {
    printf 'Usage: sh %s install\n' "$0" >&2
    exit 2
}

install_spoke() {
    trap close_state EXIT
    trap 'roll_back 129' HUP
    trap 'roll_back 130' INT
    trap 'roll_back 143' TERM
    step 'Checking this machine'
    check_machine
    open_state
    ! is_connected || already_connected
    ! have ip || check_network
    step 'Looking for WireGuard'
    install_packages
    [ -n "$INTERFACE" ] || check_network
    step 'Making keys on this machine'
    make_keys
    step "Registering as $SPOKE_NAME"
    register
    step "Writing $(config_file "$INTERFACE")"
    write_config
    step "Starting $INTERFACE"
    start_tunnel
    step 'Waiting for the hub to answer through the tunnel'
    wait_for_handshake
    say "Connected: $SPOKE_NAME is ${SPOKE_IP%/*} on $INTERFACE, hub $HUB_ENDPOINT."
}

already_connected() {
    local file address endpoint
    file=$(config_file "$INTERFACE")
    address=$(sed -n 's/^Address = //p' "$file")
    endpoint=$(sed -n 's/^Endpoint = //p' "$file")
    say "Already connected: $SPOKE_NAME is ${address%/*} on $INTERFACE, hub $endpoint. Nothing was changed."
    exit 0
}

# Undoes what this run made. Keys and copy stay, so that the next run is the same registration.
roll_back() {
    trap '' HUP INT TERM
    if [ -n "$MADE_CONFIG" ]; then
        find_service_manager
        stop_tunnel
        rm -f "$(config_file "$INTERFACE")"
    fi
    [ -z "$STATE" ] || rm -f "/etc/wireguard/.$INTERFACE.conf.new"
    stop "$1" 'Interrupted; what this run made is undone.'
}

main() {
    prepare_shell
    [ "$*" = install ] || usage
    exec </dev/null
    install_spoke
}
