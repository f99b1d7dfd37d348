PROGRAM=/usr/local/bin/wireguard-hub-spoke

# The configuration names the interface, so it goes when all that needs the name is gone.
remove_tunnel() {
    INTERFACE=''
    remove_refresh
    if find_own_interface; then
        say "Taking $INTERFACE down"
        take_link_down
    else
        remove_dns
    fi
    remove_job "$(job)"
    remove_temporaries
    [ -z "$INTERFACE" ] || rm -f "$(config_file "$INTERFACE")"
    remove_made_directories
}

remove_temporaries() {
    local directory
    for directory in /etc/wireguard /Library/LaunchDaemons /usr/local/bin; do
        rm -f "$directory/.wireguard-hub-spoke.$ID" "$directory/.wireguard-hub-spoke.$ID.new"
    done
}
