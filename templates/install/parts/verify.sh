PINGER=''

# When the hub was last heard, in seconds since 1970; 0 for never.
last_handshake() {
    wg show "$INTERFACE" latest-handshakes 2>/dev/null | awk -v newest=0 '$2 > newest { newest = $2 } END { print newest "" }'
}

# A live tunnel shakes hands at least every three minutes.
is_connected() {
    local last
    { have wg && have ip && find_own_interface && link_exists "$INTERFACE"; } || return 1
    last=$(last_handshake)
    [ "${last:-0}" -gt "$(($(date +%s) - 180))" ]
}

wait_for_handshake() {
    local deadline last
    deadline=$(($(seconds) + $(seconds_setting "${WIREGUARD_HUB_HANDSHAKE_SECONDS-}" 30)))
    poke_hub
    until last=$(last_handshake) && [ "${last:-0}" -gt 0 ]; do
        [ "$(seconds)" -lt "$deadline" ] || no_handshake
        sleep 0.2 2>/dev/null || sleep 1
    done
}

# Traffic makes WireGuard try. The hub has the first address of its network.
poke_hub() {
    local network
    have ping || return 0
    network=${NETWORK_CIDR%/*}
    ping -c 30 "${network%.*}.$((${network##*.} + 1))" >/dev/null 2>&1 &
    PINGER=$!
}

no_handshake() {
    local reason
    if [ "$(answer peerApplied)" = false ]; then
        reason='the hub has not applied this machine yet: look at its dashboard'
    else
        reason="look whether UDP to port ${HUB_ENDPOINT##*:} is blocked on the way, and whether $HUB_ENDPOINT is the hub"
    fi
    stop 7 "Registered $SPOKE_NAME as ${SPOKE_IP%/*} on $INTERFACE, but no handshake with $HUB_ENDPOINT: $reason. The tunnel stays up and connects when it can."
}
