#!/bin/sh
# shellcheck source-path=SCRIPTDIR
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

# shellcheck source=install/words.sh
. "$source/deploy/install/words.sh"
# shellcheck source=install/options.sh
. "$source/deploy/install/options.sh"
# shellcheck source=install/fitness.sh
. "$source/deploy/install/fitness.sh"
# shellcheck source=install/system.sh
. "$source/deploy/install/system.sh"
# shellcheck source=install/release.sh
. "$source/deploy/install/release.sh"
# shellcheck source=install/firewall.sh
. "$source/deploy/install/firewall.sh"
# shellcheck source=install/web.sh
. "$source/deploy/install/web.sh"
# shellcheck source=install/finish.sh
. "$source/deploy/install/finish.sh"
# shellcheck source=install/uninstall.sh
. "$source/deploy/install/uninstall.sh"

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
