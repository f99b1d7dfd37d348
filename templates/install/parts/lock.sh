STATE_HOME=/var/lib/wireguard-hub-spoke
STATE=''
ID=-
LOCK=''

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

release_lock() { [ -z "$LOCK" ] || rm -f "$LOCK"; }
