# WireGuard looks an endpoint's name up once, when the tunnel starts. A timer looks again, so that a hub that has moved
# is found. An endpoint that is an address needs none.
keep_refreshing() {
    if is_address "$(endpoint_host)"; then
        remove_refresh
    elif [ "$MANAGER" = systemd ]; then
        refresh_by_systemd
    elif ! refresh_by_cron; then
        say "      No timer or cron is here: if the hub moves, run: wireguard-hub-spoke resume"
    fi
}

refresh_by_systemd() {
    { publish "$(unit_file service)" print_service && publish "$(unit_file timer)" print_timer &&
        quietly systemctl daemon-reload && quietly systemctl enable --now "wireguard-hub-spoke-$ID.timer"; } ||
        say '      The timer that finds a moved hub could not be set up.'
}

print_service() {
    printf '%s\n[Unit]\nDescription=Looks whether the WireGuard hub has moved\nAfter=network-online.target\n\n' "$(mark_of "$ID")"
    printf '[Service]\nType=oneshot\nExecStart=/bin/sh %s/install.sh refresh\n' "$STATE"
}

print_timer() {
    printf '%s\n[Unit]\nDescription=Looks every three minutes whether the WireGuard hub has moved\n\n' "$(mark_of "$ID")"
    printf '[Timer]\nOnActiveSec=3min\nOnUnitActiveSec=3min\n\n[Install]\nWantedBy=timers.target\n'
}

# A name with a dot would be passed over by both.
refresh_by_cron() {
    if [ -d /etc/cron.d ]; then
        publish "/etc/cron.d/wireguard-hub-spoke-$ID" print_cron_line
    elif [ -d /etc/periodic/15min ]; then
        publish "/etc/periodic/15min/wireguard-hub-spoke-$ID" print_periodic &&
            chmod 700 "/etc/periodic/15min/wireguard-hub-spoke-$ID"
    else
        return 1
    fi
}

print_cron_line() {
    printf '%s\n*/3 * * * * root /bin/sh %s/install.sh refresh >/dev/null 2>&1\n' "$(mark_of "$ID")" "$STATE"
}

print_periodic() { printf '#!/bin/sh\n%s\nexec /bin/sh %s/install.sh refresh\n' "$(mark_of "$ID")" "$STATE"; }

# Its endpoint could not be looked up, mostly because the machine started before its network.
restart_if_failed() {
    ! { have systemctl && systemctl is-failed --quiet "wg-quick@$INTERFACE"; } || systemctl restart "wg-quick@$INTERFACE"
}
