link_exists() { ip link show dev "$1" >/dev/null 2>&1; }

config_file() { printf '/etc/wireguard/%s.conf' "$1"; }
