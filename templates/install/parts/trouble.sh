# find_trouble: why the hub is not heard, each found by looking; ends without a full stop.
find_trouble() {
    local host
    host=$(endpoint_host)
    if [ -z "$(addresses_of "$host")" ]; then
        printf "the hub's name %s does not resolve on this machine" "$host"
    elif ! has_way_to "$host"; then
        printf 'this machine has no route to the hub at %s' "$(addresses_of "$host" | tr '\n' ' ' | sed 's/ $//')"
    elif ! link_exists "$INTERFACE"; then
        :
    elif is_heard; then
        find_trouble_inside
    elif clock_is_off; then
        printf 'no handshake with %s: the clock of this machine is %s, set it right' "$HUB_ENDPOINT" "$CLOCK"
    elif [ "$(answer peerApplied)" = false ]; then
        printf 'no handshake with %s: the hub has not applied this machine yet, look at its dashboard' "$HUB_ENDPOINT"
    else
        printf 'no handshake with %s: look whether UDP to port %s is blocked on the way, and whether this is the hub' \
            "$HUB_ENDPOINT" "${HUB_ENDPOINT##*:}"
    fi
}

find_trouble_inside() {
    if ! ping_hub 56; then
        printf "the hub shook hands but %s does not answer a ping: look at the hub's firewall" "$(hub_address)"
    elif ! passes_large_packets; then
        printf 'only small packets reach the hub: an MTU of %s is too large for the way there, set a lower one on the hub' "$MTU"
    else
        printf 'it answers now and did not before: look whether packets get lost on the way to %s' "$HUB_ENDPOINT"
    fi
}

# An address is its own; nothing when the name is unknown.
addresses_of() {
    if is_address "$1"; then printf '%s\n' "$1"; else look_up "$1"; fi
}

has_way_to() {
    local address
    for address in $(addresses_of "$1"); do
        ! has_route "$address" || return 0
    done
    return 1
}

# Sets CLOCK to how far this machine's clock is off by the hub's answers; more than a minute counts.
clock_is_off() {
    local theirs offset
    theirs=$(hub_headers | seconds_of_date)
    [ -n "$theirs" ] || return 1
    offset=$(($(date +%s) - theirs))
    if [ "$offset" -gt 60 ]; then
        CLOCK="$offset seconds ahead"
    elif [ "$offset" -lt -60 ]; then
        CLOCK="$((-offset)) seconds behind"
    else
        return 1
    fi
}

# Asking the hub's registration without a body changes nothing.
hub_headers() {
    if have curl; then
        curl -q -sg --proto "=${CALLBACK_URL%%:*}" --max-time 5 -o /dev/null -D - --url "$CALLBACK_URL"
    else
        wget -S -T 5 -O /dev/null "$CALLBACK_URL" 2>&1
    fi
}

# The first Date header on standard input in seconds since 1970; no two machines' `date` read it alike.
seconds_of_date() {
    awk '
    tolower($1) == "date:" && NF >= 6 {
        split($6, time, ":")
        year = $5
        month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", $4) + 2) / 3
        if (month < 3) { month += 12; year-- }
        days = 365 * year + int(year / 4) - int(year / 100) + int(year / 400) + int((153 * month - 457) / 5) + $3 - 719469
        printf "%.0f\n", ((days * 24 + time[1]) * 60 + time[2]) * 60 + time[3]
        exit
    }'
}
