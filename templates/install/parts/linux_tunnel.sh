find_service_manager() {
    if [ -d /run/systemd/system ] && have systemctl; then
        MANAGER=systemd
    elif [ -d /run/openrc ] && have rc-update && [ -x /etc/init.d/wg-quick ]; then
        MANAGER=openrc
    else
        MANAGER=none
    fi
}

start_tunnel() {
    find_service_manager
    # What an interrupted run left half made.
    ! link_exists "$INTERFACE" || stop_tunnel
    case $MANAGER in
    systemd) quietly systemctl enable --now "wg-quick@$INTERFACE" ;;
    openrc) start_with_openrc ;;
    none) start_alone ;;
    esac || stop 7 "This machine is registered, but $INTERFACE did not start."
}

start_with_openrc() {
    ln -sf wg-quick "/etc/init.d/wg-quick.$INTERFACE" &&
        quietly rc-update add "wg-quick.$INTERFACE" default &&
        quietly rc-service "wg-quick.$INTERFACE" start
}

# In a session of its own, because wireguard-go would otherwise end with the terminal.
start_alone() {
    set -- wg-quick up "$INTERFACE"
    ! have setsid || set -- setsid "$@"
    quietly "$@" || return 1
    say "      Nothing here starts services: after a restart of this machine, run: wg-quick up $INTERFACE"
}

# Whatever of it there is.
stop_tunnel() {
    case $MANAGER in
    systemd) quietly systemctl disable --now "wg-quick@$INTERFACE" ;;
    openrc)
        quietly rc-service "wg-quick.$INTERFACE" stop
        quietly rc-update del "wg-quick.$INTERFACE" default
        rm -f "/etc/init.d/wg-quick.$INTERFACE"
        ;;
    esac
    ! link_exists "$INTERFACE" || quietly wg-quick down "$INTERFACE"
    ! link_exists "$INTERFACE" || quietly ip link delete dev "$INTERFACE"
}
