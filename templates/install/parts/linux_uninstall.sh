PROGRAM=/usr/local/sbin/wireguard-hub-spoke

is_program_ours() { [ -f "$PROGRAM" ] && [ "$(sed -n 2p "$PROGRAM")" = "$(mark_of program)" ]; }

# remove_spoke ID: all that its install script made on this machine, whatever a kill left of it.
remove_spoke() {
    ID=$1
    STATE=$STATE_HOME/$ID
    LOG=''
    remove_tunnel
    rm -rf "$STATE"
}

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
    ! link_exists wghub-probe || quietly ip link delete dev wghub-probe
    remove_made_directories
}

remove_temporaries() {
    local directory
    for directory in /etc/wireguard /etc/systemd/system /etc/systemd/system/wg-quick@wg[0-9].service.d /etc/cron.d \
        /etc/periodic/15min /usr/local/sbin; do
        rm -f "$directory/.wireguard-hub-spoke.$ID" "$directory/.wireguard-hub-spoke.$ID.new"
    done
}

# What the spokes of this machine share goes with the last: the program, locks of the dead, and copies of runs that
# ended before they began.
remove_shared() {
    local directory
    for directory in "$STATE_HOME"/*/; do
        [ ! -d "$directory" ] || return 0
    done
    ! is_program_ours || rm -f "$PROGRAM"
    rm -rf "$STATE_HOME"
}

# uninstall ID...
uninstall() {
    local id
    ! [ -d "$STATE_HOME" ] || take_lock
    trap release_lock EXIT
    for id in "$@"; do
        remove_spoke "$id"
    done
    remove_shared
    say "Removed from this machine. Packages were left, and so was its entry on the hub: remove the spoke in the dashboard."
}
