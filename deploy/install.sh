#!/bin/sh
# From a bare server to a hub that machines can join, and from one release to the next: run it as root.
# Every step may be repeated. A run that was stopped is taken up by the same command.
set -eu
umask 077
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

source=$(cd "$(dirname "$0")/.." && pwd -P)
opt=/opt/wireguard-hub
etc=/etc/wireguard-hub
data=/var/lib/wireguard-hub
credentials=$etc/credentials
choices=$etc/install.conf
log=/var/log/wireguard-hub/install.log
command=/usr/local/sbin/wireguard-hub
units=/etc/systemd/system
changed=/run/wireguard-hub-install.changed # something was renewed that the services have not seen yet
draft=/run/wireguard-hub-install.draft
content="manage.py pyproject.toml requirements.txt README.md CHANGELOG.md hubproject wireguard tokens proxmox spokes templates deploy"

# ==== words
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

# ==== options
# What the operator wants: options, and what an earlier run was told.

usage() {
    cat <<'END'
usage: deploy/install.sh [--domain NAME] [OPTION]...

Makes this server a hub, or brings the hub here to the release this file belongs to.

  --domain NAME            the name that machines and browsers reach the hub by; asked for when missing
  --email ADDRESS          for the certificate authority, which warns of expiry
  --certificate FILE       a certificate with its chain, in place of one by certbot; stays where it is
  --certificate-key FILE   its private key
  --self-signed            a certificate of this machine's own, for trials and closed networks
  --database KIND          sqlite (default), postgres (a server on this machine), or a file that holds a URL
  --network CIDR           set the hub up at once with this network, such as 10.0.1.0/24; else a page asks for it
  --endpoint HOST:PORT     what spokes send to; the domain and port 51820 when missing
  --interface NAME         the hub's interface (wg0)
  --wheels DIRECTORY       Python packages from here, for a machine without the internet
  --no-firewall            leave the firewall alone
  --any-os                 try a system that is not Debian 12, 13, Ubuntu 22.04 or 24.04
  --dry-run                say every step, change nothing
  --uninstall              take everything off but settings, secrets, database and backups
  --delete-data            with --uninstall: those as well
  --yes                    ask nothing
  --help

What is not given stays as an earlier run was told. Exit codes: 0 done, 1 a step failed, 2 wrong usage, 3 this machine
is not fit. The log is /var/log/wireguard-hub/install.log.
END
}

wrong_usage() {
    printf '%s\nTry: %s --help\n' "$1" "$0" >&2
    exit 2
}

read_options() {
    domain='' email='' certificate='' certificate_key='' certificate_kind='' database='' network='' endpoint=''
    interface='' wheels='' firewall='' any_os='' dry_run='' uninstall='' delete_data='' yes=''
    while [ "$#" -gt 0 ]; do
        option=$1
        shift
        case $option in
            --*=*)
                value=${option#*=}
                option=${option%%=*}
                ;;
            --domain | --email | --certificate | --certificate-key | --database | --network | --endpoint | --interface | --wheels)
                [ "$#" -gt 0 ] || wrong_usage "$option wants a value."
                value=$1
                shift
                ;;
            *) value='' ;;
        esac
        case $option in
            --domain) domain=$value ;;
            --email) email=$value ;;
            --certificate) certificate=$value certificate_kind=given ;;
            --certificate-key) certificate_key=$value ;;
            --self-signed) certificate_kind=self-signed ;;
            --database) database=$value ;;
            --network) network=$value ;;
            --endpoint) endpoint=$value ;;
            --interface) interface=$value ;;
            --wheels) wheels=$value ;;
            --no-firewall) firewall=no ;;
            --any-os) any_os=1 ;;
            --dry-run) dry_run=1 ;;
            --uninstall) uninstall=1 ;;
            --delete-data) delete_data=1 ;;
            --yes) yes=1 ;;
            --help | -h)
                usage
                exit 0
                ;;
            *) wrong_usage "There is no option $option." ;;
        esac
    done
    must_match "$domain" '[A-Za-z0-9.-]+' "--domain must be a host name, such as hub.example.com."
    must_match "$email" '[^[:space:]"'"'"'\\@]+@[^[:space:]"'"'"'\\@]+' "--email must be an address."
    must_match "$interface" '[A-Za-z][A-Za-z0-9_.-]{0,14}' "--interface must be a name of at most 15 letters and digits."
    must_match "$certificate$certificate_key" '[^[:space:];{}"'"'"'\\$]+' "Paths of certificates must be plain: no spaces, quotes or braces."
    [ -z "$certificate" ] || [ "$certificate_key" ] || wrong_usage "--certificate wants --certificate-key with it."
    [ -z "$certificate_key" ] || [ "$certificate" ] || wrong_usage "--certificate-key wants --certificate with it."
    [ -z "$delete_data" ] || [ "$uninstall" ] || wrong_usage "--delete-data goes with --uninstall."
    [ -z "$certificate" ] || certificate=$(readlink -m -- "$certificate")
    [ -z "$certificate_key" ] || certificate_key=$(readlink -m -- "$certificate_key")
    [ -z "$wheels" ] || wheels=$(readlink -m -- "$wheels")
}

# must_match VALUE PATTERN REFUSAL: an empty value was not given.
must_match() {
    if [ "$(printf '%s\n' "$1" | wc -l)" != 1 ] || ! printf '%s\n' "$1" | grep -Eqx "($2)?"; then wrong_usage "$3"; fi
}

remembered() {
    [ ! -f "$choices" ] || sed -n "s/^$1=//p" "$choices"
}

recall_choices() {
    domain=${domain:-$(remembered domain)}
    email=${email:-$(remembered email)}
    certificate=${certificate:-$(remembered certificate)}
    certificate_key=${certificate_key:-$(remembered certificate_key)}
    certificate_kind=${certificate_kind:-$(remembered certificate_kind)}
    certificate_kind=${certificate_kind:-certbot}
    interface=${interface:-$(remembered interface)}
    interface=${interface:-wg0}
    firewall=${firewall:-$(remembered firewall)}
    case $firewall in no) firewall='' ;; *) firewall=yes ;; esac
    recall_database
}

recall_database() {
    installed_database=$(remembered database)
    case $database in
        '') database=${installed_database:-sqlite} ;;
        sqlite | postgres) ;;
        *)
            [ -r "$database" ] || wrong_usage "--database must be sqlite, postgres, or a file that holds a URL; there is no file $database."
            database_url_file=$(readlink -m -- "$database")
            database=url
            ;;
    esac
    [ -z "$installed_database" ] || [ "$installed_database" = "$database" ] ||
        wrong_usage "This hub keeps its data in $installed_database; a run of the installer does not move them to $database."
}

ask_for_domain() {
    if [ -z "$domain" ] && [ -t 0 ] && [ -z "$yes" ]; then
        printf 'By which name will machines and browsers reach this hub? ' >&3
        read -r domain || :
    fi
    [ "$domain" ] || stop "Which name? Give --domain, such as --domain hub.example.com." "" 2
    must_match "$domain" '[A-Za-z0-9.-]+' "That is not a host name: $domain"
    if [ "$network" ] && [ -z "$endpoint" ]; then
        endpoint=$domain:51820
    fi
    udp_port=${endpoint##*:}
    udp_port=${udp_port:-$(remembered udp_port)}
    udp_port=${udp_port:-51820}
}

note_choices() {
    install -d -m 0750 "$etc"
    {
        echo "# What the installer was told; it goes by this when it runs again."
        for choice in domain email certificate certificate_key certificate_kind interface database udp_port; do
            eval "printf '%s=%s\n' \"\$choice\" \"\$$choice\""
        done
        printf 'firewall=%s\n' "${firewall:-no}"
    } | put_file "$choices" 0600
}

# ==== fitness
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
    # shellcheck disable=SC1091 # the file of the machine it runs on
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
        "Make its DNS entry lead here; or start with --self-signed, and run again without it later."
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

# ==== system
# Packages, users, directories, secrets, settings, units.

# put_file PATH MODE: what comes in, unless it is there already.
put_file() {
    cat >"$draft"
    if [ -f "$1" ] && cmp -s "$1" "$draft" && [ "$(stat -c %a "$1")" = "${2#0}" ]; then
        rm "$draft"
        return
    fi
    cp "$draft" "$1.new" # beside its place, so that the name changes hands in one step
    rm "$draft"
    chmod "$2" "$1.new"
    sync "$1.new"
    # First the mark and then the deed: a run that is killed in between restarts once too often.
    case $1 in
        "$etc/hub.env" | "$credentials"/* | "$units"/wireguard-hub-a*.service) touch "$changed" ;;
    esac
    mv -f "$1.new" "$1"
}

as_web() {
    setpriv --reuid=wireguard-hub --regid=wireguard-hub --clear-groups -- "$@"
}

# ---- packages

install_packages() {
    wanted="$python $python-venv nginx nftables wireguard-tools gnupg openssl curl ca-certificates iproute2 util-linux"
    [ "$certificate_kind" != certbot ] || wanted="$wanted certbot"
    [ "$database" != postgres ] || wanted="$wanted postgresql"
    has_wireguard || wanted="$wanted wireguard-go"
    missing=
    for package in $wanted; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || :)" = installed ] || missing="$missing $package"
    done
    # What an interrupted run may have left half way; where another package manager is at work, it is his.
    [ -z "$(ls /var/lib/dpkg/updates)$(dpkg --audit)" ] || patiently dpkg --configure -a || :
    [ "$missing" ] || return 0
    say "  installing$missing"
    # shellcheck disable=SC2086 # a list of names, one word each
    apt_get install -y --no-install-recommends $missing || {
        apt_get update || say "  The package lists could not be renewed; trying with those at hand."
        apt_get install -y --no-install-recommends $missing
    }
}

# Another package manager is waited for, ten minutes at most. A question is answered by keeping what is there.
apt_get() {
    apt-get -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold "$@" </dev/null
}

has_wireguard() {
    [ -d /sys/module/wireguard ] || modprobe -n -q wireguard 2>/dev/null
}

# ---- users and directories

make_users_and_directories() {
    getent group wireguard-hub >/dev/null || groupadd --system wireguard-hub
    make_user wireguard-hub
    make_user wireguard-hub-agent
    directory "$opt" root:root 0755
    directory "$opt/releases" root:root 0755
    directory "$etc" root:wireguard-hub 0750
    directory "$credentials" root:root 0700
    directory "$data" wireguard-hub:wireguard-hub 2770
    directory /var/lib/wireguard-hub-agent wireguard-hub-agent:wireguard-hub 0700
    directory /var/backups/wireguard-hub wireguard-hub-agent:wireguard-hub 0700
    directory "${log%/*}" root:wireguard-hub 3770
    directory /etc/wireguard root:root 0700
}

make_user() {
    getent passwd "$1" >/dev/null ||
        useradd --system --gid wireguard-hub --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$1"
}

directory() {
    [ -d "$1" ] || mkdir "$1"
    [ "$(stat -c '%U:%G %a' "$1")" = "$2 ${3#0}" ] || {
        chown -h "$2" "$1"
        chmod "$3" "$1"
    }
}

# ---- secrets

make_secrets() {
    keys_are_whole
    [ -s "$credentials/hub_sealing_key" ] || head -c 32 /dev/urandom | base64 | put_file "$credentials/hub_sealing_key" 0400
    [ -s "$credentials/secret_key" ] || random_words 48 | put_file "$credentials/secret_key" 0400
    [ -s "$credentials/backup_passphrase" ] || [ -e "$credentials/backup_recipient" ] ||
        random_words 32 | put_file "$credentials/backup_passphrase" 0400
    [ -z "${database_url_file:-}" ] || head -n 1 "$database_url_file" | put_file "$credentials/database_url" 0400
    if [ ! -s "$data/sealing.pub" ]; then
        # As the user whose directory it is: nothing of root's is written where others may lay links.
        # shellcheck disable=SC2016 # the inner shell's own
        public_half "$release" | as_web sh -c 'umask 027 && cat >"$1.new" && mv "$1.new" "$1"' sh "$data/sealing.pub"
    fi
}

random_words() {
    head -c "$1" /dev/urandom | base64 -w 0 | tr '+/' '-_' | tr -d =
    echo
}

# public_half RELEASE: the half of the sealing key that only seals.
public_half() {
    "$1/.venv/bin/python" -I -c '
import sys
sys.path.insert(0, sys.argv[1])
from wireguard.sealing import sealing_public_half
print(sealing_public_half(sys.stdin.read().strip()))
' "$1" <"$credentials/hub_sealing_key"
}

# ---- settings

make_settings() {
    if [ ! -f "$etc/hub.env" ]; then
        put_file "$etc/hub.env" 0640 <<END
# Settings of the hub; README.md of the release explains them all. Secrets are in $credentials.
# What is changed here counts after: systemctl restart wireguard-hub-api wireguard-hub-agent
HUB_PUBLIC_URL=https://$domain
HUB_DATA_DIR=$data
HUB_BIND=unix:/run/wireguard-hub/web.sock
HUB_TRUSTED_PROXIES=1
END
    fi
    if ! grep -qxF "HUB_PUBLIC_URL=https://$domain" "$etc/hub.env"; then
        sed "s|^HUB_PUBLIC_URL=.*|HUB_PUBLIC_URL=https://$domain|" "$etc/hub.env" | put_file "$etc/hub.env" 0640
    fi
    chgrp wireguard-hub "$etc/hub.env"
}

# ---- PostgreSQL: who asks over the socket is known by the kernel

make_postgres() {
    systemctl is-active --quiet postgresql || systemctl start postgresql
    as_postgres psql -qtAc "SELECT 1 FROM pg_roles WHERE rolname = 'wireguard_hub'" | grep -q 1 ||
        as_postgres createuser wireguard_hub
    as_postgres psql -qtAc "SELECT 1 FROM pg_database WHERE datname = 'wireguard_hub'" | grep -q 1 ||
        as_postgres createdb --owner=wireguard_hub wireguard_hub
    hba=$(as_postgres psql -qtAc 'SHOW hba_file')
    ident=$(as_postgres psql -qtAc 'SHOW ident_file')
    if ! grep -q '^local wireguard_hub ' "$hba"; then
        # The first line that fits counts, so this one stands before all others.
        prepend "$hba" "local wireguard_hub wireguard_hub peer map=wireguard_hub"
    fi
    if ! grep -q '^wireguard_hub ' "$ident"; then
        prepend "$ident" "wireguard_hub wireguard-hub wireguard_hub
wireguard_hub wireguard-hub-agent wireguard_hub
wireguard_hub root wireguard_hub"
    fi
    as_postgres psql -qc 'SELECT pg_reload_conf()'
    echo 'postgres://wireguard_hub@//run/postgresql/wireguard_hub' | put_file "$credentials/database_url" 0400
}

as_postgres() {
    runuser -u postgres -- env --chdir=/ "$@"
}

# prepend FILE LINES: keeps owner and mode.
prepend() {
    cp -p "$1" "$1.new"
    { printf '%s\n' "$2" && cat "$1"; } >"$1.new"
    mv "$1.new" "$1"
}

# ==== release
# Releases: directories that nobody writes to again. `current` leads to the one in use, `previous` to the one before.

# The same code on the same Python is the same release, wherever it lies.
know_release() {
    # shellcheck disable=SC2086 # a list of names, one word each
    release_id=$(cd "$source" && {
        find $content -type f ! -name '*.pyc' -exec sha256sum {} + | sort -k 2
        "$python" --version
    } | sha256sum | cut -c1-12)
    release=$opt/releases/$release_id
}

make_release() {
    know_release
    say "  $release_id"
    [ ! -e "$release/.complete" ] || return 0
    rm -rf "$release"
    (
        umask 022
        mkdir "$release"
        # shellcheck disable=SC2086 # a list of names, one word each
        tar -C "$source" --exclude='*.pyc' --exclude=__pycache__ --owner=0 --group=0 --mode=u=rwX,go=rX -cf - $content |
            tar -C "$release" --no-same-permissions -xf -
        "$python" -m venv "$release/.venv"
        if [ "$wheels" ]; then
            set -- --no-index --find-links "$wheels"
        else
            set --
        fi
        "$release/.venv/bin/pip" install --no-compile --require-hashes "$@" -r "$release/requirements.txt"
        "$release/.venv/bin/python" -m compileall -q "$release" || : # some packages carry files that are no Python
        collect_static_files
        touch "$release/.complete"
    )
}

# Needs the code alone: settings and data of the hub stay out of it.
collect_static_files() {
    nothing=$(mktemp -d)
    HUB_DATA_DIR=$nothing HUB_PUBLIC_URL=https://localhost "$release/.venv/bin/python" "$release/manage.py" collectstatic \
        --no-input --verbosity 0
    rm -rf "$nothing"
}

# The database is brought forward while the old release still serves; what fails leaves `current` where it was.
migrate_and_switch() {
    if [ "$before" ] && [ "$before" != "$release" ]; then
        say "  backup before the upgrade"
        "$before/deploy/wireguard-hub.sh" backup
    fi
    if [ "$database" = sqlite ] && [ ! -e "$data/database.sqlite" ]; then
        # Both services write to it; SQLite by itself would make it the first one's.
        as_web install -m 0660 /dev/null "$data/database.sqlite"
    fi
    if ! "$release/deploy/wireguard-hub.sh" migrate --no-input; then
        [ -z "$before" ] || stop "The database could not be brought forward; the hub goes on with $before." \
            "The reason is in $log. The backup made before is the newest in /var/backups/wireguard-hub."
        stop "The database could not be made; the reason is in $log."
    fi
    if [ "$before" != "$release" ]; then
        [ -z "$before" ] || link "$before" "$opt/previous"
        link "$release" "$opt/current"
    fi
    [ -L "$command" ] || ln -sfn "$opt/current/deploy/wireguard-hub.sh" "$command"
}

# A link that is there at every moment.
link() {
    ln -sfn "$1" "$2.new"
    mv -T "$2.new" "$2"
}

initialize() {
    said=$("$command" init_hub --network "$network" --endpoint "$endpoint" --listen-port "$udp_port" \
        --interface "$interface" 2>&1) || case $said in
        *'has been set up before'*) ;;
        *) stop "The hub could not be set up: $said" ;;
    esac
    echo "$said"
}

# ==== firewall
# The firewall. Where one is at work already it is asked to let the hub's ports in, or the operator is told which;
# where there is none, a table of our own closes what nobody listens on. Tables of others are never touched.

open_firewall() {
    if command -v ufw >/dev/null && ufw status 2>/dev/null | grep -q '^Status: active'; then
        for rule in $(ssh_ports | sed 's|$|/tcp|') 80/tcp 443/tcp "$udp_port/udp"; do
            ufw status | grep -q "^$rule .*ALLOW" || ufw allow "$rule" comment wireguard-hub
        done
        say "  ufw lets in: 80/tcp, 443/tcp, $udp_port/udp, and ssh"
    elif [ -f "$units/wireguard-hub-firewall.service" ]; then
        reload_own_table
    elif others_filter_input; then
        say "  Another firewall filters here already, and stays as it is. Let in: 80/tcp, 443/tcp, $udp_port/udp."
    else
        own_table
        reload_own_table
    fi
}

others_filter_input() {
    nft list ruleset 2>/dev/null | awk '/^table/ { table = $3 } /hook input/ && table !~ /^wireguard_hub/ { found = 1 }
        END { exit !found }'
}

# The port of the session that runs this, and those the server is set to.
ssh_ports() {
    {
        echo "${SSH_CONNECTION:-}" | awk 'NF == 4 { print $4 }'
        { sshd -T 2>/dev/null || /usr/sbin/sshd -T 2>/dev/null || :; } | awk '$1 == "port" { print $2 }'
        echo 22
    } | sort -un
}

# Ports on which something listens for other machines now: what works keeps working.
listening() {
    ss -Hlnp "--$1" | grep -v '"wireguard-go"' | awk '{ print $4 }' | grep -Ev '^(127\.|\[::1\]|\[fe80)' | sed 's/.*://' | grep -x '[0-9]*' | sort -un
}

joined() {
    sort -un | paste -sd , - | sed 's/,/, /g'
}

own_table() {
    tcp=$({ ssh_ports && printf '80\n443\n' && listening tcp; } | joined)
    udp=$({ echo "$udp_port" && listening udp; } | joined)
    say "  a table of its own, $etc/firewall.nft; open: tcp $tcp; udp $udp"
    put_file "$etc/firewall.nft" 0600 <<END
# Made once by the installer, and yours to change: then systemctl reload wireguard-hub-firewall
# Open are the hub's ports, ssh, and whatever listened for other machines when this was made.
table inet wireguard_hub_host
delete table inet wireguard_hub_host
table inet wireguard_hub_host {
    chain input {
        type filter hook input priority filter + 10; policy drop;
        ct state established,related accept
        ct state invalid drop
        iifname "lo" accept
        # What spokes may reach is for the agent's own table to say.
        iifname "$interface" accept
        meta l4proto { 1, 58 } accept # ICMP of both kinds; their names are not known everywhere
        udp dport { 68, 546 } accept
        tcp dport { $tcp } accept
        udp dport { $udp } accept
    }
}
END
    put_file "$units/wireguard-hub-firewall.service" 0644 <<END
[Unit]
Description=Firewall of the WireGuard hub
DefaultDependencies=no
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f $etc/firewall.nft
ExecReload=/usr/sbin/nft -f $etc/firewall.nft
ExecStop=/usr/sbin/nft delete table inet wireguard_hub_host

[Install]
WantedBy=sysinit.target
END
    systemctl daemon-reload
}

reload_own_table() {
    nft -c -f "$etc/firewall.nft"
    systemctl enable -q wireguard-hub-firewall
    systemctl is-active -q wireguard-hub-firewall || systemctl start wireguard-hub-firewall
}

# ==== web
# nginx and the certificate, in an order in which each step can start: first a site without TLS that answers the
# certificate authority, then the certificate, then the site that names it.

serve_by_nginx() {
    systemctl is-active -q nginx || systemctl enable --now -q nginx
    have_certificate
    sed -e "s|@SERVER_NAME@|$domain|g" -e "s|@CERTIFICATE@|$certificate|g" -e "s|@CERTIFICATE_KEY@|$certificate_key|g" \
        "$release/deploy/nginx/wireguard-hub.conf" | without_what_is_taken | put_site
}

# Another default server keeps that office, and then ours has none; a machine without IPv6 has no address for it.
without_what_is_taken() {
    take_off_welcome_page
    cut='^$'
    [ -e /proc/net/if_inet6 ] || cut='listen \[::\]'
    if other=$(other_default_server) && [ "$other" ]; then
        say "  $other answers for unknown names, and goes on doing so."
        sed -e '/^# --- Other names/,/^}/d' | grep -v "$cut"
    else
        sed "/$cut/d"
    fi
}

# The page that the nginx package brings, as long as nobody has made another of it and nothing else is served.
take_off_welcome_page() {
    page=/etc/nginx/sites-enabled/default
    [ "$(readlink -f "$page")" = /etc/nginx/sites-available/default ] || return 0
    dpkg-query -W -f '${Conffiles}\n' nginx-common |
        grep -qF " /etc/nginx/sites-available/default $(md5sum </etc/nginx/sites-available/default | cut -d' ' -f1)" || return 0
    [ "$(find /etc/nginx/sites-enabled /etc/nginx/conf.d ! -type d ! -name wireguard-hub | wc -l)" != 1 ] || rm "$page"
}

other_default_server() {
    grep -lrsE '^[^#]*listen[^;#]*default_server' /etc/nginx/nginx.conf /etc/nginx/sites-enabled /etc/nginx/conf.d |
        grep -v '/wireguard-hub$' | head -n 1
}

have_certificate() {
    case $certificate_kind in
        given) ;;
        self-signed)
            certificate=$etc/tls/certificate.pem
            certificate_key=$etc/tls/key.pem
            if [ ! -s "$certificate" ] || [ ! -s "$certificate_key" ] || ! fits_domain; then sign_oneself; fi
            ;;
        certbot)
            certificate=/etc/letsencrypt/live/$domain/fullchain.pem
            certificate_key=/etc/letsencrypt/live/$domain/privkey.pem
            [ -s "$certificate" ] || ask_authority
            reload_when_renewed
            ;;
    esac
    openssl x509 -noout -in "$certificate" || stop "$certificate holds no certificate."
    fits_domain || stop "The certificate $certificate is not for $domain, or is over."
    # Compared by their public halves; the key itself is shown to nobody.
    [ "$(openssl x509 -noout -pubkey -in "$certificate")" = "$(openssl pkey -pubout -in "$certificate_key")" ] ||
        stop "The key $certificate_key does not belong to the certificate $certificate."
}

fits_domain() {
    openssl x509 -noout -checkend 0 -in "$certificate" &&
        openssl x509 -noout -checkhost "$domain" -in "$certificate" | grep -q 'does match'
}

sign_oneself() {
    directory "$etc/tls" root:root 0700
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj "/CN=$domain" \
        -addext "subjectAltName=DNS:$domain" -keyout "$certificate_key" -out "$certificate"
}

ask_authority() {
    acme=/var/www/html
    install -d -m 0755 /var/www "$acme"
    take_off_welcome_page
    # A site that is there already answers the authority too.
    [ -L /etc/nginx/sites-enabled/wireguard-hub ] || put_site <<END
server {
    listen 80;
    listen [::]:80;
    server_name $domain;
    location /.well-known/acme-challenge/ { root $acme; }
    location / { return 503; }
}
END
    if [ "$email" ]; then set -- --email "$email"; else set -- --register-unsafely-without-email; fi
    certbot certonly --non-interactive --agree-tos "$@" --webroot --webroot-path "$acme" --domain "$domain" ||
        stop "No certificate could be had for $domain: see $log." \
            "It has to lead to port 80 of this machine from everywhere. --self-signed goes on without; run again without it later."
}

reload_when_renewed() {
    install -d -m 0755 /etc/letsencrypt/renewal-hooks/deploy
    put_file /etc/letsencrypt/renewal-hooks/deploy/wireguard-hub 0755 <<'END'
#!/bin/sh
# nginx takes a renewed certificate up when it is reloaded.
nginx -t -q && systemctl reload nginx
END
}

# What comes in becomes our site, when nginx agrees; else the site that was there stays.
put_site() {
    file=/etc/nginx/sites-available/wireguard-hub
    cat >"$draft"
    if [ -L /etc/nginx/sites-enabled/wireguard-hub ] && [ ! -e "$changed.nginx" ] && cmp -s "$file" "$draft"; then
        rm "$draft"
        return
    fi
    touch "$changed.nginx"
    [ ! -f "$file" ] || cp -p "$file" "$file.before"
    mv "$draft" "$draft.site"
    put_file "$file" 0644 <"$draft.site"
    rm "$draft.site"
    ln -sfn "$file" /etc/nginx/sites-enabled/wireguard-hub
    if ! nginx -t; then
        if [ -f "$file.before" ]; then mv "$file.before" "$file"; else rm "$file" /etc/nginx/sites-enabled/wireguard-hub; fi
        stop "nginx does not take the hub's site; its words are in $log. The sites that were there go on."
    fi
    rm -f "$file.before"
    systemctl reload nginx
    rm -f "$changed.nginx"
}

# ==== finish
# Starting the services, trying them out, and the last words.

timers="purge backup backup-check audit-check certificate-check"

put_units() {
    for file in "$release"/deploy/systemd/*.service "$release"/deploy/systemd/*.timer; do
        put_file "$units/${file##*/}" 0644 <"$file"
    done
    systemctl daemon-reload
}

start_services() {
    systemctl enable -q wireguard-hub-userspace wireguard-hub-agent wireguard-hub-api
    # Never restarted by this: its end would be the end of all tunnels.
    systemctl is-active -q wireguard-hub-userspace || systemctl start wireguard-hub-userspace
    for service in wireguard-hub-agent wireguard-hub-api; do
        if [ -e "$changed" ] || ! runs_current "$service"; then
            say "  starting $service"
            systemctl restart "$service"
        fi
    done
    rm -f "$changed"
    for timer in $timers; do
        systemctl enable -q --now "wireguard-hub-$timer.timer"
    done
}

# runs_current SERVICE: whether it is up, with the code of this release.
runs_current() {
    systemctl is-active -q "$1" || return 1
    process=$(systemctl show -p MainPID --value "$1")
    [ "$(readlink "/proc/$process/cwd")" = "$release" ]
}

try_out() {
    for service in wireguard-hub-api wireguard-hub-agent nginx; do
        patiently systemctl is-active -q "$service" || stop "$service does not run: journalctl -u $service"
    done
    patiently healthy || stop "The hub does not answer as it should: $(health 2>&1 | tail -n 1)" \
        "See: journalctl -u wireguard-hub-api -u wireguard-hub-agent -u nginx"
    case $(stat -c '%U %G %a' /run/wireguard-hub/web.sock) in
        'wireguard-hub www-data '[67][67]0) ;;
        *) stop "/run/wireguard-hub/web.sock has the wrong mode or owner." ;;
    esac
    say "  $(health)"
}

# A hub without an admin leads whoever comes to its first page.
wants_admin() {
    ask_web -o /dev/null -w '%{redirect_url}' "https://$domain/" | grep -q '/setup$'
}

# Half a minute for what has just been started.
patiently() {
    for _ in $(seq 60); do
        ! "$@" || return 0
        sleep 0.5
    done
    return 1
}

# Through nginx and TLS, as a spoke would ask; whether this machine trusts the certificate's issuer is not the question.
health() {
    ask_web "https://$domain/api/healthz"
}

ask_web() {
    curl -sS --insecure --max-time 10 --noproxy '*' --resolve "$domain:443:127.0.0.1" "$@"
}

healthy() {
    case $(health) in
        *'"database":"ok","agent":"ok"'* | *'"database":"ok","agent":"unmanaged"'*) ;;
        *) return 1 ;;
    esac
}

farewell() {
    prune_releases
    say "The hub is at https://$domain"
    if [ ! -e "$etc/install.done" ] && wants_admin; then
        say "Make the first admin at https://$domain/setup with this code:"
        say_in_confidence "    $("$command" setup_code)"
    fi
    [ -e "$etc/install.done" ] || say "Keep a copy of $credentials/backup_passphrase elsewhere: without it no backup can be read."
    [ -e "$etc/install.done" ] || touch "$etc/install.done"
    say "Done. $log tells all; the runbook is $opt/current/deploy/README.md"
}

# The release in use and the one to go back to are kept.
prune_releases() {
    for old in "$opt"/releases/*; do
        case $old in
            "$(readlink -f "$opt/current")" | "$(readlink -e "$opt/previous")") ;;
            *) rm -rf "$old" ;;
        esac
    done
}

# ==== uninstall
# Takes the hub off this machine. Packages stay; so does what cannot be had again, unless told.

uninstall() {
    recall_choices
    if [ "$delete_data" ]; then
        question="This ends all tunnels and deletes the hub with its database, secrets and the backups on this machine."
    else
        question="This ends all tunnels and takes the hub off. Settings, secrets, database and backups stay."
    fi
    if [ "$dry_run" ]; then
        say "Would do: $question"
        return
    fi
    confirm "$question"
    step "Ending the tunnels" end_tunnels
    step "Taking off units, sites, firewall and code" take_off
    if [ "$delete_data" ]; then
        step "Deleting database, secrets, settings and backups" delete_data
        say "Uninstalled. Nothing of the hub is left here but the log."
    else
        say "Uninstalled. What is left: $etc, $data, /var/lib/wireguard-hub-agent, /var/backups/wireguard-hub."
    fi
}

confirm() {
    [ -z "$yes" ] || return 0
    [ -t 0 ] || stop "Nobody is there to be asked: give --yes." "" 2
    printf '%s\nType yes to go on: ' "$1" >&3
    read -r answer || answer=
    [ "$answer" = yes ] || stop "Nothing was changed."
}

end_tunnels() {
    [ -x "$command" ] || return 0
    systemctl stop wireguard-hub-agent wireguard-hub-userspace 2>/dev/null || :
    "$command" hub_agent --down || say "  The interface could not be taken down; see $log."
}

take_off() {
    for unit in "$units"/wireguard-hub-*; do
        [ -f "$unit" ] || continue
        systemctl disable --now -q "${unit##*/}" || :
        rm -f "$unit"
    done
    systemctl daemon-reload
    rm -f /etc/nginx/sites-enabled/wireguard-hub /etc/nginx/sites-available/wireguard-hub \
        /etc/letsencrypt/renewal-hooks/deploy/wireguard-hub /etc/sysctl.d/60-wireguard-hub.conf "$command"
    if systemctl is-active -q nginx && nginx -t; then systemctl reload nginx; fi
    close_ufw
    rm -rf "$opt"
}

close_ufw() {
    command -v ufw >/dev/null || return 0
    while number=$(ufw status numbered | sed -n 's/^\[ *\([0-9]*\)\].*# wireguard-hub$/\1/p' | tail -n 1) && [ "$number" ]; do
        ufw --force delete "$number"
    done
}

delete_data() {
    if [ "$database" = postgres ] && command -v psql >/dev/null; then
        as_postgres dropdb --if-exists wireguard_hub
        as_postgres dropuser --if-exists wireguard_hub
        for file in hba_file ident_file; do
            sed -i '/^local wireguard_hub wireguard_hub \|^wireguard_hub /d' "$(as_postgres psql -qtAc "SHOW $file")"
        done
        as_postgres psql -qc 'SELECT pg_reload_conf()'
    fi
    rm -rf "$etc" "$data" /var/lib/wireguard-hub-agent /var/backups/wireguard-hub
    for user in wireguard-hub-agent wireguard-hub; do
        ! getent passwd "$user" >/dev/null || userdel "$user"
    done
    ! getent group wireguard-hub >/dev/null || groupdel wireguard-hub
}

main() {
    read_options "$@"
    must_be_root
    [ "$dry_run" ] || open_log
    if [ "$uninstall" ]; then
        uninstall
        return
    fi
    recall_choices
    ask_for_domain
    step "Looking whether this machine is fit" examine
    step "Noting what was chosen in $choices" note_choices
    step "Packages" install_packages
    step "Users wireguard-hub and wireguard-hub-agent, directories" make_users_and_directories
    step "Code and its virtual environment in $opt/releases" make_release
    step "Secrets in $credentials" make_secrets
    step "Settings in $etc/hub.env" make_settings
    if [ "$database" = postgres ]; then
        step "PostgreSQL on this machine, without a password" make_postgres
    fi
    step "Database" migrate_and_switch
    step "Units of systemd" put_units
    step "Web and agent" start_services
    if [ "$network" ]; then
        step "Setting the hub up with $network at $endpoint" initialize
    fi
    step "nginx and certificate ($certificate_kind)" serve_by_nginx
    if [ "$firewall" ]; then
        step "Firewall" open_firewall
    fi
    step "Trying it all out" try_out
    [ "$dry_run" ] || farewell
}

main "$@"
