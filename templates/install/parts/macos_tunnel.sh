tell_restart() { :; }

# Whatever an interrupted run left half made is started afresh. launchd does it, so it is carried out even when this
# script came through the tunnel and dies with it.
run_tunnel() {
    take_link_down
    # The program that watched its routes takes them away when it notices; they must not be the next one's.
    [ -z "$WAS_UP" ] || sleep 1
    rm -f "$STATE/tunnel.log"
    start_job "$(job)" print_tunnel_job && wait_for_link
}

# start_job LABEL COMMAND: what COMMAND prints is what launchd shall do.
start_job() {
    publish "$(job_file "$1")" "$2" && chmod 644 "$(job_file "$1")" || return 1
    quietly launchctl bootout "system/$1"
    quietly launchctl bootstrap system "$(job_file "$1")" || start_job_late "$1"
}

# Somebody has disabled it, or launchd is not done with the one before.
start_job_late() {
    quietly launchctl enable "system/$1"
    sleep 2
    quietly launchctl bootstrap system "$(job_file "$1")"
}

wait_for_link() {
    local deadline
    deadline=$(($(seconds) + 20))
    until has_address; do
        ! has_failed && [ "$(seconds)" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

# wg-quick has little left to do once that is set.
has_address() {
    local device
    device=$(device) && ifconfig "$device" 2>/dev/null | grep -qF "inet ${SPOKE_IP%/*} "
}

has_failed() { launchd_says 'last exit code = [1-9]'; }

launchd_says() { launchctl print "system/$(job)" 2>/dev/null | grep -q "$1"; }

# No KeepAlive: it would bring back a tunnel that somebody took down, and one that cannot work for ever. Under launchd
# wg-quick stays as long as wireguard-go does, and then ends well however that ended. launchd must not end what the job
# leaves behind.
print_tunnel_job() {
    print_job "$(job)" "$(prefix)/bin/bash" "$(prefix)/bin/wg-quick" up "$INTERFACE"
    printf '<key>RunAtLoad</key>\n<true/>\n<key>AbandonProcessGroup</key>\n<true/>\n'
    printf '<key>StandardOutPath</key>\n<string>%s</string>\n' "$(xml "$STATE/tunnel.log")"
    printf '<key>StandardErrorPath</key>\n<string>%s</string>\n</dict>\n</plist>\n' "$(xml "$STATE/tunnel.log")"
}

# Every three minutes, and whenever the network changes, which it does after sleep.
print_refresh_job() {
    print_job "$(job refresh)" /bin/sh "$STATE/install.sh" refresh
    printf '<key>StartInterval</key>\n<integer>180</integer>\n'
    printf '<key>WatchPaths</key>\n<array>\n<string>/private/var/run/resolv.conf</string>\n</array>\n</dict>\n</plist>\n'
}

# print_job LABEL COMMAND...: the beginning of a property list
print_job() {
    local word
    printf '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
    printf '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<!-- wireguard-hub-spoke -->\n<plist version="1.0">\n<dict>\n'
    printf '<key>Label</key>\n<string>%s</string>\n<key>ProgramArguments</key>\n<array>\n' "$(xml "$1")"
    shift
    for word in "$@"; do
        printf '<string>%s</string>\n' "$(xml "$word")"
    done
    printf '</array>\n'
}

xml() { printf '%s' "$1" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'; }

# WireGuard looks an endpoint's name up once, when the tunnel starts. launchd has us look again, so that a hub that has
# moved is found. An endpoint that is an address needs none.
keep_refreshing() {
    if is_address "$(endpoint_host)"; then
        remove_refresh
    elif ! start_job "$(job refresh)" print_refresh_job; then
        say '      The look for a moved hub could not be set up.'
    fi
}

# Its endpoint could not be looked up, mostly because the machine started before its network; or wireguard-go died, and
# left its name behind, which `wg-quick down` takes away. What is just being started is left alone.
restart_if_failed() {
    { has_failed || [ -e "/var/run/wireguard/$INTERFACE.name" ]; } || return 0
    ! launchd_says 'state = running' || return 0
    take_link_down
    quietly launchctl kickstart "system/$(job)"
}
