# Another package manager at work is waited for, two minutes by default.
patiently() {
    local deadline told
    deadline=$(($(seconds) + $(seconds_setting "${WIREGUARD_HUB_LOCK_SECONDS-}" 120)))
    told=''
    until keep_output "$@"; do
        is_busy || return 1
        [ "$(seconds)" -lt "$deadline" ] || return 1
        [ -n "$told" ] || say '      Another package manager is at work; waiting for it.'
        told=yes
        nap 1
    done
}

keep_output() {
    local status
    "$@" >"$STATE/packages.log" 2>&1
    status=$?
    cat "$STATE/packages.log" >>"$LOG" 2>/dev/null
    return "$status"
}

# What the manager itself says is wrong, in brackets.
package_trouble() {
    grep -i -e '^E: ' -e error -e lock "$STATE/packages.log" 2>/dev/null | head -n 1 | tr -cd '\040-\176' | cut -c 1-200 |
        sed 's/..*/ (&)/'
}
