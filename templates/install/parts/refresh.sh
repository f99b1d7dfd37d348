endpoint_host() {
    local host
    host=${HUB_ENDPOINT%:*}
    host=${host#'['}
    host=${host%']'}
    printf '%s' "$host"
}

# What the timer runs. It leaves a tunnel alone that hears from the hub, or that somebody took down.
refresh_spoke() {
    { find_own_interface && [ -n "$(config_value Endpoint)" ]; } || exit 0
    HUB_ENDPOINT=$(config_value Endpoint)
    HUB_PUBLIC_KEY=$(config_value PublicKey)
    if link_exists "$INTERFACE"; then
        is_heard || follow_hub
    else
        restart_if_failed
    fi
}

follow_hub() {
    local used
    used=$(wg show "$(device)" endpoints | cut -f 2)
    used=${used%:*}
    used=${used#'['}
    used=${used%']'}
    ! addresses_of "$(endpoint_host)" | grep -qxF "$used" || return 0
    WG_ENDPOINT_RESOLUTION_RETRIES=1 wg set "$(device)" peer "$HUB_PUBLIC_KEY" endpoint "$HUB_ENDPOINT"
}
