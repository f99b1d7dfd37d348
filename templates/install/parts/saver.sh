die() {
    printf 'Stopped: %s\n' "$1" >&2
    exit 3
}

# Sets COPY to a new empty file that nobody else can read or replace.
create_copy() {
    local base place
    base=/var/lib/wireguard-hub-spoke
    if is_root && mkdir -p "$base" 2>/dev/null && COPY=$(mktemp "$base/new.XXXXXX" 2>/dev/null); then
        return 0
    fi
    for base in "${TMPDIR:-/tmp}" /tmp "${HOME:-/root}"; do
        # The path is shown for typing in, so it must mean the same without quotes.
        case $base in *[!A-Za-z0-9/._-]*) continue ;; esac
        place=$(mktemp -d "$base/wireguard-hub-spoke.XXXXXX" 2>/dev/null) || continue
        COPY=$place/install.sh
        return 0
    done
    die 'The script could not be saved: nothing is writable. Reissue the token in the dashboard.'
}

lose_copy() {
    rm -f "$COPY"
    die "The script could not be saved to $COPY: is the disk full? Make room, and reissue the token in the dashboard."
}

# sudo and doas drop these. They may hold passwords, so they go in a file and into no argument.
save_proxies() {
    local name value
    ! is_root || return 0
    for name in http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY; do
        eval "value=\${$name-}"
        case $value in '' | *[!!-~]*) ;; *) printf '%s=%s\n' "$name" "$value" ;; esac
    done >"$COPY.proxies"
}

# Standard input is what feeds this script when it comes from a pipe, so nothing else may read it.
# sudo and doas ask for a password on the terminal itself.
run_copy() {
    local elevate status
    ! is_root || exec sh "$COPY" "$@" </dev/null
    elevate=$(command -v sudo || command -v doas) || finish_by_hand 'This needs root, and neither sudo nor doas is here.'
    # An interrupt is for sudo, doas or the copy to answer; what they did decides what is said below.
    trap : HUP INT TERM
    "$elevate" sh "$COPY" "$@" </dev/null
    status=$?
    # The copy never exits with 1, so this came from sudo or doas.
    [ "$status" -ne 1 ] || finish_by_hand "This needs root, and ${elevate##*/} did not give it."
    exit "$status"
}

finish_by_hand() {
    die "$1 The token is saved: become root and finish with: sh $COPY install"
}
