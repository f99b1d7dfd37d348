#!/bin/sh
# wireguard-hub COMMAND [ARGUMENT]...: the product's commands with the settings and secrets of this machine, as the user
# that each one needs. Paths in arguments have to be absolute. `wireguard-hub help` lists the commands.
set -eu

[ "$(id -u)" = 0 ] || {
    echo "This needs root: sudo wireguard-hub $*" >&2
    exit 1
}
release=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd -P)
etc=/etc/wireguard-hub
terminal=--pipe
if [ -t 0 ] && [ -t 1 ]; then terminal=--pty; fi

user=wireguard-hub group=wireguard-hub
secrets="secret_key database_url redis_url"
writes=/var/lib/wireguard-hub
case ${1:-help} in
    hub_agent | export_config | backup | check_certificate | check_permissions)
        user=wireguard-hub-agent
        secrets="$secrets hub_sealing_key backup_passphrase"
        writes="$writes /var/lib/wireguard-hub-agent /var/backups/wireguard-hub"
        ;;
    restore)
        # Writes what belongs to each of the others, and the secrets, which are root's.
        user=root group=root
        secrets="$secrets hub_sealing_key backup_passphrase"
        writes="$writes $etc /var/backups/wireguard-hub"
        ;;
esac

# systemd hands the secrets over, so that they are in no environment, no argument and no file of another user.
set -- -- "$release/.venv/bin/python" "$release/manage.py" "$@"
for name in $secrets; do
    [ ! -e "$etc/credentials/$name" ] || set -- --property="LoadCredential=$name:$etc/credentials/$name" "$@"
done
if [ "$user" = wireguard-hub-agent ]; then
    set -- --property=AmbientCapabilities=CAP_NET_ADMIN --property=CapabilityBoundingSet=CAP_NET_ADMIN "$@"
fi
exec systemd-run --quiet --collect --wait "$terminal" --service-type=exec \
    --property="User=$user" --property="Group=$group" --property=UMask=0007 \
    --property="EnvironmentFile=$etc/hub.env" --property="WorkingDirectory=$release" \
    --property=NoNewPrivileges=yes --property=ProtectSystem=strict --property=PrivateTmp=yes \
    --property="ReadWritePaths=$writes -/run/wireguard" "$@"
