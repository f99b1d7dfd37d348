main() {
    prepare_shell
    [ "$#" -gt 0 ] || exit 2
    is_root || refuse_without_root
    exec </dev/null
    # shellcheck disable=SC2046 # a list of words
    uninstall $(list_spokes)
}

refuse_without_root() {
    printf 'Stopped: this needs root. Run it again with: | sudo sh\n' >&2
    exit 3
}

# Every id that a state directory, a configuration or, on a Mac, a job bears.
list_spokes() {
    {
        ls "$STATE_HOME"
        for file in /etc/wireguard/wg[0-9].conf; do
            sed -n '1s/^# wireguard-hub-spoke \([0-9a-f]*\):.*/\1/p' "$file"
        done
        for file in /Library/LaunchDaemons/wireguard-hub-spoke.*.plist; do
            printf '%s\n' "${file#*.}" | cut -d . -f 1
        done
    } 2>/dev/null | grep -x '[0-9a-f]\{16\}' | awk '!seen[$0]++'
}
}
