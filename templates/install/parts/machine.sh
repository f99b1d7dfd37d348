INTERFACE=''

check_root() { is_root || stop 3 "This needs root: become root and run: sh $COPY $VERB"; }

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
