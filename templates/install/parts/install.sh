usage() {
    printf 'Usage: sh %s install [--dry-run] | resume | status | uninstall | --help\n' "$0" >&2
    exit 2
}

print_help() {
    printf 'Usage: wireguard-hub-spoke COMMAND, or: sh %s COMMAND\n\n' "$0"
    cat <<'END_OF_HELP'
  install     connect this machine to the hub; may be run as often as you like
              --dry-run: check the machine, say what would be done, and change nothing
  resume      the same as install: go on where an earlier run stopped
  status      say how the tunnel is; exit code 0 connected, 1 not set up, 7 not connected
  uninstall   take the tunnel, its service, its configuration and its keys off this machine
END_OF_HELP
}

install_spoke() {
    trap close_state EXIT
    trap 'roll_back 129' HUP
    trap 'roll_back 130' INT
    trap 'roll_back 143' TERM
    # Whoever stops reading what is said does not stop the work.
    trap : PIPE
    prepare_run
    drop_dead_dns
    keep_program
    ! sees_networks || check_network
    step 'Looking for WireGuard'
    install_packages
    [ -n "$INTERFACE" ] || check_network
    check_kernel
    step 'Making keys on this machine'
    make_keys
    step "Registering as $SPOKE_NAME"
    register
    step "Writing $(config_file "$INTERFACE")"
    find_service_manager
    write_config
    keep_refreshing
    step "Starting $INTERFACE"
    start_tunnel
    step 'Waiting for the hub to answer through the tunnel'
    wait_for_hub
    say "Connected: $SPOKE_NAME is ${SPOKE_IP%/*} on $INTERFACE, hub $HUB_ENDPOINT."
}

prepare_run() {
    local told
    step 'Checking this machine'
    check_machine
    load_proxies
    open_state
    ! told=$(tell_connection) || { say "$told" && exit 0; }
}

tell_connection() {
    is_connected &&
        printf 'Already connected: %s is %s on %s, hub %s. Nothing was changed.' \
            "$SPOKE_NAME" "${SPOKE_IP%/*}" "$INTERFACE" "$HUB_ENDPOINT"
}

# Only the copy and its state are kept: the script was fetched, so its link is used up.
try_install() {
    trap close_state EXIT
    prepare_run
    ! sees_networks || check_network
    step 'Looking for WireGuard'
    try_packages
    say "      Would register as $SPOKE_NAME at $CALLBACK_URL"
    say "      Would write $(config_file "${INTERFACE:-wg0}") for ${SPOKE_IP%/*} and start it, with the hub at $HUB_ENDPOINT"
    say "Nothing was changed. The install command is used up, so go on soon, as root, with: sh $COPY install"
}

# Undoes what this run made. Keys and copy stay, so that the next run is the same registration.
roll_back() {
    trap '' HUP INT TERM
    if [ -n "$MADE_CONFIG" ]; then
        remove_tunnel
    elif [ -n "$LOCK" ]; then
        remove_temporaries
        { [ -z "$WAS_UP" ] || link_exists "$INTERFACE"; } || run_tunnel
    fi
    stop "$1" 'Interrupted; what this run made is undone.'
}

main() {
    prepare_shell
    exec </dev/null
    VERB=${1-}
    case $* in
    install | resume) install_spoke ;;
    'install --dry-run') try_install ;;
    --help | 'install --help') print_help ;;
    status | uninstall | refresh)
        check_root
        find_state
        "$VERB"_spoke
        ;;
    *) usage ;;
    esac
}

uninstall_spoke() { uninstall "$ID"; }
