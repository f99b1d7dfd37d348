STATE_HOME=/var/lib/wireguard-hub-spoke
STATE=''
LOCK=''

# One directory for each token, so that keys and copy of an earlier run are found again and never mixed with another's.
open_state() {
    local id
    id=$(printf '%s' "$TOKEN" | sha256sum | cut -c 1-16)
    MARK="# wireguard-hub-spoke $id: $SPOKE_NAME"
    { mkdir -p "$STATE_HOME/$id" && chmod 700 "$STATE_HOME" "$STATE_HOME/$id"; } 2>/dev/null ||
        stop 3 "$STATE_HOME cannot be written, and the keys belong there."
    STATE=$STATE_HOME/$id
    keep_this_copy
    take_lock
    LOG=$STATE/install.log
    note "--- $(date -u '+%Y-%m-%dT%H:%M:%SZ') $OS $(uname -r)"
}

keep_this_copy() {
    local kept
    kept=$STATE/install.sh
    [ "$0" != "$kept" ] || return 0
    { cp "$0" "$kept.new" && mv -f "$kept.new" "$kept"; } 2>/dev/null ||
        stop 3 "This script could not be kept in $STATE: is the disk full?"
    COPY=$kept
    case $0 in "$STATE_HOME"/new.*) rm -f "$0" ;; esac
}

# A lock is a symbolic link because that is made and filled in one step. One whose owner was killed stays and the
# next run takes the number after it, so two runs can never both take over.
take_lock() {
    local number owner
    number=0
    while owner=$(readlink "$STATE_HOME/lock.$number"); do
        ! is_running "$owner" || stop 4 "Another run (process ${owner%-*}) is in progress on this machine."
        number=$((number + 1))
    done
    ln -s "$$-$(started_at $$)" "$STATE_HOME/lock.$number" 2>/dev/null ||
        stop 4 'Another run is in progress on this machine.'
    LOCK=$STATE_HOME/lock.$number
}

# A process id alone may long belong to somebody else.
is_running() { [ "$(started_at "${1%-*}")" = "${1#*-}" ]; }

# Always called on the way out.
close_state() {
    [ -z "$PINGER" ] || kill "$PINGER" 2>/dev/null
    [ -z "$STATE" ] || rm -f "$STATE/request.json"
    [ -z "$LOCK" ] || rm -f "$LOCK"
}
