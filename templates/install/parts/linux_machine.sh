INTERFACE=''
OS=linux

check_machine() {
    [ "$(uname -s)" = Linux ] || stop 3 'This script is for Linux.'
    is_root || stop 3 "This needs root: become root and run: sh $COPY install"
    check_tools
    if [ "$PLATFORM" = proxmox ] || is_proxmox; then check_proxmox; fi
}

check_tools() {
    local tool
    for tool in awk cat chmod cp cut date grep head ln mkdir mv readlink rm sed sha256sum sleep tail tr; do
        have "$tool" || stop 3 "The tool '$tool' is missing on this machine."
    done
    have curl || have wget || stop 3 'Neither curl nor wget is on this machine: install one of them.'
}

# The 22nd field of stat; the second may hold blanks and ends at the last parenthesis.
started_at() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# A clock that nobody sets.
seconds() { cut -d . -f 1 /proc/uptime; }

is_ours() { [ -f "$(config_file "$1")" ] && [ "$(head -n 1 "$(config_file "$1")")" = "$MARK" ]; }

is_free() {
    local file
    file=$(config_file "$1")
    [ ! -e "$file" ] && [ ! -L "$file" ] && [ ! -e "/etc/wireguard/proxmox/$1.conf" ] && ! link_exists "$1"
}

find_own_interface() {
    local number
    for number in 0 1 2 3 4 5 6 7 8 9; do
        if is_ours "wg$number"; then
            INTERFACE=wg$number
            return
        fi
    done
    return 1
}

find_free_interface() {
    local number
    for number in 0 1 2 3 4 5 6 7 8 9; do
        if is_free "wg$number"; then
            INTERFACE=wg$number
            return
        fi
    done
    stop 3 'wg0 to wg9 are all taken on this machine.'
}

# All that has to be right before the hub hears of this machine.
check_network() {
    is_cidr "$NETWORK_CIDR" || stop 3 "The hub's network '$NETWORK_CIDR' is not an IPv4 network."
    { mkdir -p /etc/wireguard 2>/dev/null && [ -w /etc/wireguard ]; } || stop 3 '/etc/wireguard cannot be written.'
    find_own_interface || find_free_interface
    refuse_overlap
    check_kernel
}

refuse_overlap() {
    local taken
    { list_platform_networks && ip -4 -o address show && list_routes; } >"$STATE/networks" 2>/dev/null ||
        stop 3 'The addresses and routes of this machine could not be read.'
    taken=$(overlapping "$NETWORK_CIDR" "$INTERFACE" <"$STATE/networks") ||
        stop 3 'The addresses and routes of this machine could not be understood.'
    rm -f "$STATE/networks"
    [ -z "$taken" ] || {
        # shellcheck disable=SC2086 # a network and, mostly, its device
        taken=$(name_network $taken)
        stop 3 "The hub's network $NETWORK_CIDR overlaps $taken, which this machine already uses."
    }
}

list_routes() { ip -4 route show table all || ip -4 route show; }

# overlapping NETWORK INTERFACE: the first address or route on standard input that shares an address with NETWORK,
# and its device.
# What INTERFACE carries is our own. A default route, also one in two halves, yields to any network.
overlapping() {
    awk -v network="$1" -v own="$2" '
    function number(address,    part) {
        split(address, part, ".")
        return ((part[1] * 256 + part[2]) * 256 + part[3]) * 256 + part[4]
    }
    function length_of(cidr) { return cidr ~ /\// ? substr(cidr, index(cidr, "/") + 1) + 0 : 32 }
    function overlap(one, other,    shorter, size) {
        shorter = length_of(one) < length_of(other) ? length_of(one) : length_of(other)
        # Some busybox cannot raise to a power.
        for (size = 1; shorter < 32; shorter++) size *= 2
        return int(number(one) / size) == int(number(other) / size)
    }
    function judge(cidr, device) {
        if (device == own || length_of(cidr) < 2 || !overlap(cidr, network)) return
        print cidr, device
        exit
    }
    /^[0-9]+: / { for (i = 3; i < NF; i++) if ($i == "inet" || $i == "peer") judge($(i + 1), $2); next }
    {
        device = ""
        for (i = 1; i < NF; i++) if ($i == "dev") device = $(i + 1)
        target = $1 ~ /^[a-z]/ && $1 != "default" ? $2 : $1
        if (target ~ /^[0-9]/) judge(target, device)
    }
    '
}

check_kernel() {
    if ip link add dev wghub-probe type wireguard 2>/dev/null; then
        ip link delete dev wghub-probe
    elif ! have wireguard-go || [ ! -c /dev/net/tun ]; then
        stop 3 'This kernel has no WireGuard: update it (Linux 5.6 or newer has it), or install wireguard-go.'
    fi
}
