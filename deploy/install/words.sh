# shellcheck shell=sh
# How the installer speaks: to the terminal in few words, to the log in full.

step_now="starting"

open_log() {
    [ -d "${log%/*}" ] || mkdir -m 0755 "${log%/*}"
    # Services may lay files beside it; root writes to no file that one of them could have put there.
    [ ! -e "$log" ] && [ ! -L "$log" ] || [ -z "$(find "$log" ! -type f -o ! -user root)" ] || {
        echo "Stopped: $log is not root's own file. Move it away." >&2
        exit 1
    }
    touch "$log"
    chmod 0600 "$log"
    exec 3>&1 >>"$log" 2>&1
    logging=1
    # A run that was killed may have left somebody at work: apt, pip.
    exec 9>/run/wireguard-hub-install.lock
    flock -w 600 9 || stop "Another run of the installer is at work." "" 3
    printf '=== %s: %s\n' "$(date -u +%FT%TZ)" "$source"
    trap 'finished $?' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

say() {
    if [ "${logging:-}" ]; then
        printf '%s\n' "$*"
        printf '%s\n' "$*" >&3
    else
        printf '%s\n' "$*"
    fi
}

# For the eyes of the terminal alone: what must not be in a log.
say_in_confidence() {
    printf '%s\n' "$*" >&3
}

# The reason why it goes no further, in one line; then how to go on.
stop() {
    say "Stopped: $1"
    [ -z "${2:-}" ] || say "$2"
    told=1
    exit "${3:-1}"
}

step() {
    step_now=$1
    if [ "$dry_run" ]; then
        say "Would do: $1"
        [ "$2" != examine ] || examine
        return
    fi
    say "$1"
    "$2"
}

finished() {
    trap - EXIT
    if [ "$1" != 0 ] && [ -z "${told:-}" ]; then
        last_words=$(tail -n 12 "$log")
        say "Failed at: $step_now. The last lines of $log:"
        printf '%s\n' "$last_words" | sed 's/^/    /' >&3
    fi
    [ "$1" = 0 ] || say "Nothing is lost: once the cause is gone, the same command goes on from here."
    exit "$1"
}
