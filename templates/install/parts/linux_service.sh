find_service_manager() {
    if [ -d /run/systemd/system ] && have systemctl; then
        MANAGER=systemd
    elif [ -d /run/openrc ] && have rc-update && [ -x /etc/init.d/wg-quick ]; then
        MANAGER=openrc
    else
        MANAGER=none
    fi
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
    take_link_down
}

take_link_down() {
    ! link_exists "$INTERFACE" || quietly wg-quick down "$INTERFACE"
    ! link_exists "$INTERFACE" || quietly ip link delete dev "$INTERFACE"
}

userspace_file() { printf '/etc/systemd/system/wg-quick@%s.service.d/wireguard-hub-spoke-%s.conf' "$1" "$ID"; }

unit_file() { printf '/etc/systemd/system/wireguard-hub-spoke-%s.%s' "$ID" "$1"; }

remove_refresh() {
    if [ -e "$(unit_file timer)" ]; then
        quietly systemctl disable --now "wireguard-hub-spoke-$ID.timer"
    fi
    rm -f "$(unit_file timer)" "$(unit_file service)" \
        "/etc/cron.d/wireguard-hub-spoke-$ID" "/etc/periodic/15min/wireguard-hub-spoke-$ID"
}
