# shellcheck shell=sh
# Starting the services, trying them out, and the last words.

timers="purge backup backup-check audit-check certificate-check"

put_units() {
    for file in "$release"/deploy/systemd/*.service "$release"/deploy/systemd/*.timer; do
        put_file "$units/${file##*/}" 0644 <"$file"
    done
    systemctl daemon-reload
}

start_services() {
    systemctl enable -q wireguard-hub-userspace wireguard-hub-agent wireguard-hub-api
    # Never restarted by this: its end would be the end of all tunnels.
    systemctl is-active -q wireguard-hub-userspace || systemctl start wireguard-hub-userspace
    for service in wireguard-hub-agent wireguard-hub-api; do
        if [ -e "$changed" ] || ! runs_current "$service"; then
            say "  starting $service"
            systemctl restart "$service"
        fi
    done
    rm -f "$changed"
    for timer in $timers; do
        systemctl enable -q --now "wireguard-hub-$timer.timer"
    done
}

# runs_current SERVICE: whether it is up, with the code of this release.
runs_current() {
    systemctl is-active -q "$1" || return 1
    process=$(systemctl show -p MainPID --value "$1")
    [ "$(readlink "/proc/$process/cwd")" = "$release" ]
}

try_out() {
    for service in wireguard-hub-api wireguard-hub-agent nginx; do
        patiently systemctl is-active -q "$service" || stop "$service does not run: journalctl -u $service"
    done
    if ! patiently healthy; then
        case $(health 2>&1 | tail -n 1) in
            # Something hinders it, or the hub is on hold after a restore; no other run of this would change that.
            *'"agent":"behind"'*) say "  The agent is behind: $(systemctl show -p StatusText --value wireguard-hub-agent)" ;;
            *) stop "The hub does not answer as it should: $(health 2>&1 | tail -n 1)" \
                "See: journalctl -u wireguard-hub-api -u wireguard-hub-agent -u nginx" ;;
        esac
    fi
    case $(stat -c '%U %G %a' /run/wireguard-hub/web.sock) in
        'wireguard-hub www-data '[67][67]0) ;;
        *) stop "/run/wireguard-hub/web.sock has the wrong mode or owner." ;;
    esac
    say "  $(health)"
}

# A hub without an admin leads whoever comes to its first page.
wants_admin() {
    ask_web -o /dev/null -w '%{redirect_url}' "https://$domain/" | grep -q '/setup$'
}

# Half a minute for what has just been started.
patiently() {
    for _ in $(seq 60); do
        ! "$@" || return 0
        sleep 0.5
    done
    return 1
}

# Through nginx and TLS, as a spoke would ask; whether this machine trusts the certificate's issuer is not the question.
health() {
    ask_web "https://$domain/api/healthz"
}

ask_web() {
    curl -sS --insecure --max-time 10 --noproxy '*' --resolve "$domain:443:127.0.0.1" "$@"
}

healthy() {
    case $(health) in
        *'"database":"ok","agent":"ok"'* | *'"database":"ok","agent":"unmanaged"'*) ;;
        *) return 1 ;;
    esac
}

farewell() {
    prune_releases
    say "The hub is at https://$domain"
    if [ ! -e "$etc/install.done" ] && wants_admin; then
        say "Make the first admin at https://$domain/setup with this code:"
        say_in_confidence "    $("$command" setup_code)"
    fi
    [ -e "$etc/install.done" ] || say "Keep a copy of $credentials/backup_passphrase elsewhere: without it no backup can be read."
    [ -e "$etc/install.done" ] || touch "$etc/install.done"
    say "Done. $log tells all; the runbook is $opt/current/deploy/README.md"
}

# The release in use and the one to go back to are kept.
prune_releases() {
    for old in "$opt"/releases/*; do
        case $old in
            "$(readlink -f "$opt/current")" | "$(readlink -e "$opt/previous")") ;;
            *) rm -rf "$old" ;;
        esac
    done
}
