sees_networks() { have ip; }

# A machine may have no IPv6 at all.
list_networks() {
    list_platform_networks && ip -4 -o address show && list_routes || return 1
    ip -6 -o address show 2>/dev/null
    ip -6 route show table all 2>/dev/null
    return 0
}

list_routes() { ip -4 route show table all || ip -4 route show; }

look_up() { { getent ahosts "$1" || getent hosts "$1"; } 2>/dev/null | awk '!seen[$1]++ { print $1 }'; }

has_route() { ip route get "$1" >/dev/null 2>&1; }

# ping_once BYTES ADDRESS
ping_once() { ping -c 1 -W 2 -s "$1" -I "$INTERFACE" "$2" >/dev/null 2>&1; }
