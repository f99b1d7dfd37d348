# shellcheck shell=sh
# Whether this machine can be a hub. Everything here only looks.

must_be_root() {
    [ "$(id -u)" = 0 ] || stop "This needs root: sudo $0" "" 3
}

examine() {
    know_system
    before=$(readlink -e "$opt/current" 2>/dev/null || :)
    [ -d /run/systemd/system ] || unfit "systemd is not what runs this machine."
    has_room "$(nearest /opt)" 700
    has_room "$(nearest /var/lib)" 300
    keys_are_whole
    must_be_free tcp 80 nginx
    must_be_free tcp 443 nginx
    must_be_free udp "$udp_port" wireguard-go
    interface_is_ours
    certificate_is_there
    sites_do_not_clash
    [ "$certificate_kind" != certbot ] || [ -e "/etc/letsencrypt/live/$domain/fullchain.pem" ] || name_leads_somewhere
}

unfit() {
    stop "$1" "${2:-}" 3
}

know_system() {
    python=python3
    # shellcheck source=/dev/null # the file of the machine it runs on
    system=$(. /etc/os-release && echo "${ID:-unknown} ${VERSION_ID:-}")
    case $system in
        'debian 12' | 'debian 13' | 'ubuntu 24.04') ;;
        'ubuntu 22.04') python=python3.11 ;;
        *)
            [ "$any_os" ] || unfit "This is $system. The hub is tried on Debian 12 and 13, Ubuntu 22.04 and 24.04." \
                "--any-os tries all the same; it takes apt, systemd and Python 3.11 or newer."
            ;;
    esac
    command -v apt-get >/dev/null || unfit "This machine has no apt-get."
}

nearest() {
    place=$1
    while [ ! -d "$place" ]; do place=$(dirname "$place"); done
    echo "$place"
}

has_room() {
    free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge "$2" ] || unfit "$1 has $free MB free; $2 MB are needed there."
}

# must_be_free PROTOCOL PORT OURS: taken by nobody, or by a program of that name.
must_be_free() {
    command -v ss >/dev/null || return 0
    taken=$(ss -Hlnp "--$1" "sport = :$2" 2>/dev/null | sed -n 's/.*users:((\("[^"]*"\).*pid=\([0-9]*\).*/\1 (process \2)/p' | grep -v "^\"$3\"" | sort -u | head -n 1)
    [ -z "$taken" ] || unfit "Port $2/$1 is taken by $taken." "Stop it, or move it to another port."
}

interface_is_ours() {
    [ "$before" ] && return 0
    if [ -e "/etc/wireguard/$interface.conf" ] || [ -e "/sys/class/net/$interface" ]; then
        unfit "This machine has an interface $interface already, which is not the hub's." \
            "Take another name: --interface wghub0. It stays as it is."
    fi
}

certificate_is_there() {
    [ "$certificate_kind" = given ] || return 0
    for file in "$certificate" "$certificate_key"; do
        [ -s "$file" ] || unfit "There is no file $file."
    done
}

sites_do_not_clash() {
    [ -d /etc/nginx ] || return 0
    clash=$(grep -lrsE "^[^#]*server_name[^;#]*[[:space:]]$(printf '%s' "$domain" | sed 's/\./\\./g')[[:space:];]" \
        /etc/nginx/sites-enabled /etc/nginx/conf.d | grep -v '/wireguard-hub' | head -n 1 || :)
    [ -z "$clash" ] || unfit "nginx has a site for $domain already: $clash." "Take it off, or give the hub another name."
}

name_leads_somewhere() {
    addresses=$(getent ahosts "$domain" | awk '{ print $1 }' | sort -u | tr '\n' ' ')
    [ "$addresses" ] || unfit "$domain does not resolve, so no certificate can be had for it." \
        "Make its DNS entry lead here; or start with --self-signed, and run again with --certbot later."
    for address in $addresses; do
        if ip -o addr show | grep -qwF "$address"; then return; fi
    done
    say "  $domain is $addresses: no address of this machine itself. If the network leads it here, all is well."
}

# A database without the key that opens it would be lost for good by making a new one.
keys_are_whole() {
    key=$credentials/hub_sealing_key
    if [ ! -s "$key" ] && { [ -s "$data/sealing.pub" ] || [ -s "$data/database.sqlite" ]; }; then
        unfit "There is a hub's data in $data, but its sealing key $key is missing." \
            "Put the key back from a backup (see Restore in deploy/README.md), or move $data away. A new key opens nothing."
    fi
    if [ "$before" ] && [ -x "$before/.venv/bin/python" ] && [ -s "$key" ] && [ -s "$data/sealing.pub" ]; then
        [ "$(public_half "$before")" = "$(as_web cat "$data/sealing.pub")" ] ||
            unfit "The sealing key $key is not the one of $data/sealing.pub." \
                "Put the right key back (see Restore in deploy/README.md). This run has changed nothing."
    fi
}
