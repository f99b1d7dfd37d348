PROGRAM=/usr/local/sbin/wireguard-hub-spoke

# The configuration names the interface, so it goes when all that needs the name is gone.
remove_tunnel() {
    find_service_manager
    INTERFACE=''
    if find_own_interface; then
        say "Taking $INTERFACE down"
        stop_tunnel
    fi
    remove_refresh
    rm -f /etc/systemd/system/wg-quick@wg[0-9].service.d/"wireguard-hub-spoke-$ID.conf"
    [ "$MANAGER" != systemd ] || quietly systemctl daemon-reload
    remove_temporaries
    [ -z "$INTERFACE" ] || rm -f "$(config_file "$INTERFACE")"
    remove_made_directories
}

remove_temporaries() {
    local directory
    for directory in /etc/wireguard /etc/systemd/system /etc/systemd/system/wg-quick@wg[0-9].service.d /etc/cron.d \
        /etc/periodic/15min /usr/local/sbin; do
        rm -f "$directory/.wireguard-hub-spoke.$ID" "$directory/.wireguard-hub-spoke.$ID.new"
    done
    ! link_exists wghub-probe || quietly ip link delete dev wghub-probe
}
