INTERFACE=''
OS=linux

check_machine() {
    [ "$(uname -s)" = Linux ] || stop 3 'This script is for Linux.'
    check_root
    check_tools
    if [ "$PLATFORM" = proxmox ] || is_proxmox; then check_proxmox; fi
}

check_root() { is_root || stop 3 "This needs root: become root and run: sh $COPY $VERB"; }

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

find_free_interface() {
    local number
    for number in 0 1 2 3 4 5 6 7 8 9; do
        if is_free "wg$number"; then
            INTERFACE=wg$number
            return 0
        fi
    done
    stop 3 'wg0 to wg9 are all taken on this machine.'
}

# All that has to be right before the hub hears of this machine.
check_network() {
    is_cidr "$NETWORK_CIDR" || stop 3 "The hub's network '$NETWORK_CIDR' is not an IPv4 network."
    can_write_config || stop 3 '/etc/wireguard cannot be written.'
    refuse_second_enrolment
    find_own_interface || find_free_interface
    refuse_overlap
}

can_write_config() {
    publish "/etc/wireguard/.wireguard-hub-spoke.$ID" true || return 1
    rm -f "/etc/wireguard/.wireguard-hub-spoke.$ID"
    remove_made_directories
}

# The hub's network can be here once only, and the tunnel that has it may be the one this machine is reached by.
refuse_second_enrolment() {
    local file other
    for file in /etc/wireguard/wg[0-9].conf; do
        { is_marked "$file" '' && ! is_marked "$file" "$ID" && grep -qxF "PublicKey = $HUB_PUBLIC_KEY" "$file"; } ||
            continue
        other=$(sed -n '1s/^# wireguard-hub-spoke \([0-9a-f]*\):.*/\1/p' "$file")
        stop 3 "This machine is a spoke of this hub already, by ${file##*/}. To replace it, take it off first: sh $STATE_HOME/$other/install.sh uninstall"
    done
}
