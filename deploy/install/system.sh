# shellcheck shell=sh
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
