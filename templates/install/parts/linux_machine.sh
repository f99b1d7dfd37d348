OS=linux

check_machine() {
    [ "$(uname -s)" = Linux ] || stop 3 'This script is for Linux.'
    check_root
    check_tools
    if [ "$PLATFORM" = proxmox ] || is_proxmox; then check_proxmox; fi
}

check_tools() {
    local tool
    for tool in awk cat chmod cp cut date grep head ln mkdir mv readlink rm rmdir sed sha256sum sleep tail tr; do
        have "$tool" || stop 3 "The tool '$tool' is missing on this machine."
    done
    have curl || have wget || stop 3 'Neither curl nor wget is on this machine: install one of them.'
    have curl || wget_checks_certificates ||
        stop 3 "The wget of this machine does not check the hub's certificate: install curl."
}

# Busybox's own TLS takes any certificate; with ssl_client beside it the certificate is checked.
wget_checks_certificates() {
    case $CALLBACK_URL in http://*) return 0 ;; esac
    ! wget --help 2>&1 | grep -qi busybox || have ssl_client
}

# A clock that nobody sets.
seconds() {
    local since_boot
    read -r since_boot _ </proc/uptime && printf '%s' "${since_boot%%.*}"
}

is_free() {
    local file
    file=$(config_file "$1")
    [ ! -e "$file" ] && [ ! -L "$file" ] && [ ! -e "/etc/wireguard/proxmox/$1.conf" ] && ! link_exists "$1"
}

sha256() { sha256sum; }
