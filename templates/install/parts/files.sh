config_file() { printf '/etc/wireguard/%s.conf' "$1"; }

# The first line of every file made outside the state directory; a file without it belongs to somebody else.
mark_of() { printf '# wireguard-hub-spoke %s' "$1"; }

# is_marked FILE ID
is_marked() {
    local line
    { [ -f "$1" ] && IFS= read -r line <"$1"; } 2>/dev/null || return 1
    case $line in "$(mark_of "$2")"*) ;; *) return 1 ;; esac
}

is_ours() { is_marked "$(config_file "$1")" "$ID"; }

find_own_interface() {
    local number
    for number in 0 1 2 3 4 5 6 7 8 9; do
        if is_ours "wg$number"; then
            INTERFACE=wg$number
            return 0
        fi
    done
    return 1
}

# publish FILE COMMAND...: what COMMAND prints becomes FILE, in one step, so that nobody ever sees half of it. The name
# it has before is known, for uninstalling to find after a kill.
publish() {
    local file new
    file=$1
    new=${1%/*}/.wireguard-hub-spoke.$ID.new
    shift
    if { make_directory "${file%/*}" && "$@" >"$new" && mv -f "$new" "$file"; } 2>/dev/null; then
        restore_label "$file"
    else
        rm -f "$new"
        return 1
    fi
}

# A directory that was not there is noted first, for uninstalling to take away.
make_directory() {
    [ -d "$1" ] || { printf '%s\n' "$1" >>"$STATE/made-directories" && mkdir "$1"; }
}

remove_made_directories() {
    local directory
    [ -e "$STATE/made-directories" ] || return 0
    while IFS= read -r directory; do
        rmdir "$directory" 2>/dev/null
    done <"$STATE/made-directories"
    rm -f "$STATE/made-directories"
}
