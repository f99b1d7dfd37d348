refuse_overlap() {
    refuse_overlap_with "$NETWORK_CIDR"
    [ -z "$NETWORK_CIDR6" ] || refuse_overlap_with "$NETWORK_CIDR6"
}

refuse_overlap_with() {
    local networks taken
    networks=$(list_networks 2>/dev/null) || stop 3 'The addresses and routes of this machine could not be read.'
    taken=$(printf '%s\n' "$networks" | overlapping "$1" "$(device)") ||
        stop 3 'The addresses and routes of this machine could not be understood.'
    [ -z "$taken" ] || {
        # shellcheck disable=SC2086 # a network and, mostly, its device
        taken=$(name_network $taken)
        stop 3 "The hub's network $1 overlaps $taken, which this machine already uses."
    }
}

# overlapping NETWORK DEVICE: the first address or route on standard input that shares an address with NETWORK,
# and its device. What DEVICE carries is our own. A default route, also one in two halves, yields to any network.
overlapping() {
    awk -v network="$1" -v own="$2" '
    # An address is a word of 0 and 1; some busybox can neither raise to a power nor shift.
    function binary(number, width,    word) {
        for (; width > 0; width--) { word = number % 2 word; number = int(number / 2) }
        return word
    }
    function bits4(address,    part) {
        split(address, part, ".")
        return binary(part[1], 8) binary(part[2], 8) binary(part[3], 8) binary(part[4], 8)
    }
    function hexadecimal(digits,    i, number) {
        for (i = 1; i <= length(digits); i++)
            number = number * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
        return number + 0
    }
    function groups(text,    part, count, i, word) {
        count = split(text, part, ":")
        for (i = 1; i <= count; i++) word = word binary(hexadecimal(part[i]), 16)
        return word
    }
    function bits6(address,    gap, left, right) {
        gap = index(address, "::")
        if (!gap) return groups(address)
        left = groups(substr(address, 1, gap - 1))
        right = groups(substr(address, gap + 2))
        while (length(left) + length(right) < 128) left = left "0"
        return left right
    }
    # The part of an address that its network has in common.
    function prefix(cidr,    slash, bits, shown) {
        slash = index(cidr, "/")
        shown = slash ? substr(cidr, 1, slash - 1) : cidr
        bits = shown ~ /:/ ? bits6(shown) : bits4(shown)
        return slash ? substr(bits, 1, substr(cidr, slash + 1) + 0) : bits
    }
    function judge(cidr, device,    found, shorter) {
        if (device == own || (cidr ~ /:/) != (network ~ /:/)) return
        found = prefix(cidr)
        if (length(found) < 2) return
        shorter = length(found) < length(wanted) ? length(found) : length(wanted)
        if (substr(found, 1, shorter) != substr(wanted, 1, shorter)) return
        print cidr, device
        exit
    }
    BEGIN { wanted = prefix(network) }
    /^[0-9]+: / { for (i = 3; i < NF; i++) if ($i ~ /^(inet6?|peer)$/) judge($(i + 1), $2); next }
    {
        device = ""
        for (i = 1; i < NF; i++) if ($i == "dev") device = $(i + 1)
        target = $1 ~ /^[a-z]+$/ && $1 != "default" ? $2 : $1
        # Every IPv6 address of the machine, our own too, is also such a route; the list of addresses has it.
        if (target ~ /:/ && target !~ /\// && $1 ~ /^(local|anycast)$/) next
        if (target ~ /^[0-9]/ || target ~ /:/) judge(target, device)
    }
    '
}
