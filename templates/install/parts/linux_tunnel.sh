tell_restart() {
    [ "$MANAGER" != none ] ||
        say "      Nothing here starts services: after a restart of this machine, run: wg-quick up $INTERFACE"
}

# Whatever an interrupted run left half made is started afresh. A restart is one order to the service manager, so it is
# carried out even when this script came through the tunnel and dies with it.
run_tunnel() {
    case $MANAGER in
    systemd)
        keep_userspace && quietly systemctl enable "wg-quick@$INTERFACE" && insist systemctl restart "wg-quick@$INTERFACE"
        ;;
    openrc)
        ln -sf wg-quick "/etc/init.d/wg-quick.$INTERFACE" &&
            quietly rc-update add "wg-quick.$INTERFACE" default &&
            insist rc-service "wg-quick.$INTERFACE" restart
        ;;
    none)
        take_link_down
        # In a session of its own, because wireguard-go would otherwise end with the terminal.
        set -- wg-quick up "$INTERFACE"
        ! have setsid || set -- setsid "$@"
        quietly "$@"
        ;;
    esac
}

# A link that no service has made is in its way.
insist() { quietly "$@" || { link_exists "$INTERFACE" && take_link_down && quietly "$@"; }; }

# The service has to be told which program stands in for the kernel.
keep_userspace() {
    if [ -n "$USERSPACE" ]; then
        publish "$(userspace_file "$INTERFACE")" print_userspace && quietly systemctl daemon-reload
    elif [ -e "$(userspace_file "$INTERFACE")" ]; then
        rm -f "$(userspace_file "$INTERFACE")" && quietly systemctl daemon-reload
    fi
}

print_userspace() {
    printf '%s\n[Service]\nEnvironment=WG_QUICK_USERSPACE_IMPLEMENTATION=%s WG_SUDO=1\n' "$(mark_of "$ID")" "$USERSPACE"
}
