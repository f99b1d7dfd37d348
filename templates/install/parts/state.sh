# One directory for each token, so that keys and copy of an earlier run are found again and never mixed with another's.
find_state() {
    ID=$(printf '%s' "$TOKEN" | sha256 | cut -c 1-16)
    STATE=$STATE_HOME/$ID
}

open_state() {
    find_state
    { mkdir -p "$STATE" && chmod 700 "$STATE_HOME" "$STATE"; } 2>/dev/null ||
        stop 3 "$STATE_HOME cannot be written, and the keys belong there."
    keep_this_copy
    take_lock
    LOG=$STATE/install.log
    note "--- $(date -u '+%Y-%m-%dT%H:%M:%SZ') $OS $(uname -r)"
}

# What the saver made has no purpose once this copy is in place.
keep_this_copy() {
    local kept
    kept=$STATE/install.sh
    [ "$0" != "$kept" ] || return 0
    case $0 in
    "$STATE_HOME"/new.*) mv -f "$0" "$kept" ;;
    *) { [ ! -e "$0.proxies" ] || cp "$0.proxies" "$kept.proxies"; } && cp "$0" "$kept.new" && mv -f "$kept.new" "$kept" ;;
    esac 2>/dev/null || stop 3 "This script could not be kept in $STATE: is the disk full?"
    COPY=$kept
    case $0 in */wireguard-hub-spoke.??????/install.sh) rm -f "$0" "$0.proxies" && rmdir "${0%/*}" ;; esac
}

# sudo and doas drop the proxies of who asked for this, so they come in a file beside the copy: they may hold passwords.
load_proxies() {
    local line
    [ -z "${http_proxy-}${https_proxy-}${HTTPS_PROXY-}${all_proxy-}${ALL_PROXY-}" ] || return 0
    [ -r "$0.proxies" ] || return 0
    while IFS= read -r line; do
        case $line in
        http_proxy=* | https_proxy=* | HTTPS_PROXY=* | all_proxy=* | ALL_PROXY=* | no_proxy=* | NO_PROXY=*)
            export "${line?}"
            ;;
        esac
    done <"$0.proxies"
}

# Always called on the way out.
close_state() {
    [ -z "$STATE" ] || rm -f "$STATE/request.json"
    release_lock
}
