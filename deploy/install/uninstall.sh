# shellcheck shell=sh
# Takes the hub off this machine. Packages stay; so does what cannot be had again, unless told.

uninstall() {
    recall_choices
    if [ "$delete_data" ]; then
        question="This ends all tunnels and deletes the hub with its database, secrets and the backups on this machine."
    else
        question="This ends all tunnels and takes the hub off. Settings, secrets, database and backups stay."
    fi
    if [ "$dry_run" ]; then
        say "Would do: $question"
        return
    fi
    confirm "$question"
    step "Ending the tunnels" end_tunnels
    step "Taking off units, sites, firewall and code" take_off
    if [ "$delete_data" ]; then
        step "Deleting database, secrets, settings and backups" delete_data
        say "Uninstalled. Nothing of the hub is left here but the log."
    else
        say "Uninstalled. What is left: $etc, $data, /var/lib/wireguard-hub-agent, /var/backups/wireguard-hub."
    fi
}

confirm() {
    [ -z "$yes" ] || return 0
    [ -t 0 ] || stop "Nobody is there to be asked: give --yes." "" 2
    printf '%s\nType yes to go on: ' "$1" >&3
    read -r answer || answer=
    [ "$answer" = yes ] || stop "Nothing was changed."
}

end_tunnels() {
    [ -x "$command" ] || return 0
    systemctl stop wireguard-hub-agent wireguard-hub-userspace 2>/dev/null || :
    "$command" hub_agent --down || say "  The interface could not be taken down; see $log."
}

take_off() {
    for unit in "$units"/wireguard-hub-*; do
        [ -f "$unit" ] || continue
        systemctl disable --now -q "${unit##*/}" || :
        rm -f "$unit"
    done
    systemctl daemon-reload
    rm -f /etc/nginx/sites-enabled/wireguard-hub /etc/nginx/sites-available/wireguard-hub \
        /etc/letsencrypt/renewal-hooks/deploy/wireguard-hub /etc/sysctl.d/60-wireguard-hub.conf "$command"
    if systemctl is-active -q nginx && nginx -t; then systemctl reload nginx; fi
    close_ufw
    rm -rf "$opt"
}

close_ufw() {
    command -v ufw >/dev/null || return 0
    while number=$(ufw status numbered | sed -n 's/^\[ *\([0-9]*\)\].*# wireguard-hub$/\1/p' | tail -n 1) && [ "$number" ]; do
        ufw --force delete "$number"
    done
}

delete_data() {
    if [ "$database" = postgres ] && command -v psql >/dev/null; then
        as_postgres dropdb --if-exists wireguard_hub
        as_postgres dropuser --if-exists wireguard_hub
        for file in hba_file ident_file; do
            sed -i '/^local wireguard_hub wireguard_hub \|^wireguard_hub /d' "$(as_postgres psql -qtAc "SHOW $file")"
        done
        as_postgres psql -qc 'SELECT pg_reload_conf()'
    fi
    rm -rf "$etc" "$data" /var/lib/wireguard-hub-agent /var/backups/wireguard-hub
    for user in wireguard-hub-agent wireguard-hub; do
        ! getent passwd "$user" >/dev/null || userdel "$user"
    done
    ! getent group wireguard-hub >/dev/null || groupdel wireguard-hub
}
