# Changes nothing. Exit codes: 0 connected, 1 not set up, 7 not connected.
status_spoke() {
    { find_own_interface && read_config; } || not_set_up
    printf 'Name:      %s\nAddress:   %s\nInterface: %s (%s)\n' \
        "$SPOKE_NAME" "${SPOKE_IP%/*}" "$INTERFACE" "$(if link_exists "$INTERFACE"; then echo up; else echo down; fi)"
    printf 'Endpoint:  %s\nHandshake: %s\n' "$(show_endpoint)" "$(show_handshake)"
    if is_connected; then
        echo 'Connected.'
    else
        show_trouble
    fi
}

not_set_up() {
    printf 'Not set up. To go on, run as root: sh %s resume\n' "$0"
    exit 1
}

show_endpoint() {
    local used
    used=$(wg show "$(device)" endpoints 2>/dev/null | cut -f 2)
    printf '%s' "$HUB_ENDPOINT"
    [ -z "$used" ] || [ "$used" = "$HUB_ENDPOINT" ] || printf ', now %s' "$used"
}

show_handshake() {
    local last
    last=$(last_handshake)
    if [ "${last:-0}" -gt 0 ]; then
        printf '%s seconds ago' "$(($(date +%s) - last))"
    else
        printf never
    fi
}

show_trouble() {
    local reason
    reason=$(find_trouble)
    [ -n "$reason" ] || reason="$INTERFACE is down; to start it, run: wireguard-hub-spoke resume"
    printf 'Not connected: %s.\n' "$reason"
    exit 7
}
