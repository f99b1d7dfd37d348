# When the hub was last heard, in seconds since 1970; 0 for never.
last_handshake() {
    wg show "$(device)" latest-handshakes 2>/dev/null | awk -v newest=0 '$2 > newest { newest = $2 } END { print newest "" }'
}

# A live tunnel shakes hands at least every three minutes.
is_heard() {
    local last
    last=$(last_handshake)
    [ "${last:-0}" -gt "$(($(date +%s) - 180))" ]
}

# The hub has the first address of its network.
hub_address() {
    local network
    network=${NETWORK_CIDR%/*}
    printf '%s.%s' "${network%.*}" "$((${network##*.} + 1))"
}

# ping_hub BYTES: whether a packet with so much in it goes to the hub through the tunnel and back. Without ping the
# handshake has to do.
ping_hub() { ! have ping || ping_once "$1" "$(hub_address)"; }

# The largest packets the tunnel takes, less their headers; one may get lost.
passes_large_packets() { ping_hub "$((MTU - 28))" || ping_hub "$((MTU - 28))"; }

# What our configuration says, with the whole truth about it: heard, and packets of any size come back.
is_connected() {
    { have wg && sees_networks && find_own_interface && link_exists "$INTERFACE" && read_config; } || return 1
    # Without keepalive, or fresh from sleep, it is the first packet that makes WireGuard shake hands.
    { ping_hub 56 || ping_hub 56; } && is_heard && passes_large_packets
}

read_config() {
    SPOKE_IP=$(config_value Address)
    MTU=$(config_value MTU)
    HUB_ENDPOINT=$(config_value Endpoint)
    NETWORK_CIDR=$(config_value AllowedIPs)
    is_number "$MTU" 65535 && is_cidr "$NETWORK_CIDR" && is_endpoint "$HUB_ENDPOINT"
}

wait_for_hub() {
    local deadline
    deadline=$(($(seconds) + $(seconds_setting "${WIREGUARD_HUB_HANDSHAKE_SECONDS-}" 30)))
    # Traffic makes WireGuard try.
    until ping_hub 56 && is_heard; do
        [ "$(seconds)" -lt "$deadline" ] || not_connected
        sleep 0.2 2>/dev/null || sleep 1
    done
    passes_large_packets || not_connected
    have ping || say '      There is no ping on this machine, so only the handshake was seen.'
}

# A link that was there may be gone again: wg-quick takes it down when a later step of its own fails.
not_connected() {
    link_exists "$INTERFACE" || not_started
    stop 7 "Registered $SPOKE_NAME as ${SPOKE_IP%/*} on $INTERFACE, but $(find_trouble). The tunnel stays up and connects when it can."
}
