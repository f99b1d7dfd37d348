OS=macos

check_machine() {
    local version
    [ "$(uname -s)" = Darwin ] || stop 3 'This script is for macOS.'
    check_root
    version=$(sw_vers -productVersion 2>/dev/null | tr -cd '0-9.')
    { is_number "${version%%.*}" 999 && [ "${version%%.*}" -ge 13 ]; } ||
        say "      This is macOS ${version:-of an unknown version}; the script was made for 13 and newer."
}

seconds() { date +%s; }

sha256() { shasum -a 256; }

# wg-quick looks for the configuration of a tunnel in all of these.
is_free() {
    local directory
    for directory in /etc/wireguard /usr/local/etc/wireguard /opt/homebrew/etc/wireguard; do
        [ ! -e "$directory/$1.conf" ] && [ ! -L "$directory/$1.conf" ] || return 1
    done
    ! link_exists "$1"
}

print_platform_fields() { :; }

print_platform_metadata() { :; }
