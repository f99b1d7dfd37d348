sees_networks() { :; }

# Each a line "NETWORK dev DEVICE", addresses first.
list_networks() {
    local addresses routes
    addresses=$(ifconfig -a) && routes=$(netstat -rn) || return 1
    printf '%s\n' "$addresses" | networks_of_devices
    printf '%s\n' "$routes" | networks_of_routes
}

networks_of_devices() {
    awk '
    # The bits of a mask in hexadecimal, "0xffffff00".
    function ones(mask,    i, count) {
        for (i = 3; i <= length(mask); i++)
            count += substr("0112122312232334", index("0123456789abcdef", tolower(substr(mask, i, 1))), 1)
        return count + 0
    }
    /^[^ \t]/ { device = $1; sub(/:.*/, "", device) }
    $1 == "inet" || $1 == "inet6" {
        address = $2
        sub(/%.*/, "", address)
        bits = $1 == "inet" ? 32 : 128
        for (i = 3; i < NF; i++) {
            if ($i == "netmask") bits = ones($(i + 1))
            if ($i == "prefixlen") bits = $(i + 1)
            if ($i == "-->") print $(i + 1), "dev", device
        }
        print address "/" bits, "dev", device
    }
    '
}

# Zeros at the end of a network are left out there: "10.0.1/24" and, where the mask follows from the number, "169.254".
# What the kernel has derived from another route (W), and host routes by the loopback, are in the other lines.
networks_of_routes() {
    awk '
    $1 == "Destination" {
        for (i = 1; i <= NF; i++) { if ($i == "Netif") by = i; if ($i == "Flags") flags = i }
        next
    }
    !by || NF < by || $1 == "default" || $1 ~ /#/ || $flags ~ /W/ { next }
    {
        slash = index($1, "/")
        network = slash ? substr($1, 1, slash - 1) : $1
        bits = slash ? substr($1, slash) : ""
        sub(/%.*/, "", network)
        if (network !~ /:/) {
            given = split(network, part, ".")
            if (!slash && given < 4) bits = "/" 8 * given
            for (; given < 4; given++) network = network ".0"
        }
        if (bits != "" || $by !~ /^lo/) print network bits, "dev", $by
    }
    '
}

name_network() { printf '%s on %s' "$1" "$2"; }

look_up() {
    dscacheutil -q host -a name "$1" 2>/dev/null | awk '/^ip(v6)?_address:/ && !seen[$2]++ { print $2 }'
}

# What the answer says counts: route ends with 0 either way.
has_route() {
    case $1 in *:*) set -- -inet6 "$1" ;; esac
    route -n get "$@" 2>/dev/null | grep -q '^ *interface: '
}

# ping_once BYTES ADDRESS
ping_once() { ping -c 1 -t 2 -s "$1" -b "$(device)" "$2" >/dev/null 2>&1; }
