find_service_manager() { :; }

# Where Homebrew has wg-quick, and the bash that it needs.
prefix() {
    local found
    found=$(command -v wg-quick) && printf '%s' "${found%/bin/wg-quick}"
}

# The name of what launchd runs for us: job [KIND]
job() { printf 'wireguard-hub-spoke.%s%s' "$ID" "${1:+.$1}"; }

job_file() { printf '/Library/LaunchDaemons/%s.plist' "$1"; }

remove_job() {
    quietly launchctl bootout "system/$1"
    rm -f "$(job_file "$1")"
}

remove_refresh() { remove_job "$(job refresh)"; }

dns_key() { printf 'State:/Network/Service/wireguard-hub-spoke-%s/DNS' "$ID"; }

# Names must never go on to servers behind a tunnel that is not there.
remove_dns() { printf 'remove %s\n' "$(dns_key)" | quietly scutil; }

# Whatever of it there is: where wireguard-go died, only DNS and files are left. It ends when its socket is gone.
take_link_down() {
    local device left
    remove_dns
    device=$(device)
    { [ -n "$device" ] && quietly "$(prefix)/bin/bash" "$(prefix)/bin/wg-quick" down "$INTERFACE"; } ||
        rm -f "/var/run/wireguard/$(named_device "$INTERFACE").sock" "/var/run/wireguard/$INTERFACE.name"
    left=50
    while [ -n "$device" ] && [ "$left" -gt 0 ] && ifconfig "$device" >/dev/null 2>&1; do
        sleep 0.2
        left=$((left - 1))
    done
}
