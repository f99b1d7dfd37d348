USERSPACE=''

check_kernel() {
    kernel_has_wireguard || find_userspace || { add_kernel_module && kernel_has_wireguard; } || explain_kernel
}

# A run that was killed here may have left the link.
kernel_has_wireguard() {
    ! link_exists wghub-probe || remove_probe
    KERNEL_SAID=$(ip link add dev wghub-probe type wireguard 2>&1) || return 1
    remove_probe
}

remove_probe() { ip link delete dev wghub-probe 2>/dev/null; }

# wg-quick takes wireguard-go by itself; boringtun has to be named, and must stay root to make its interface.
find_userspace() {
    [ -c /dev/net/tun ] || return 1
    ! have wireguard-go || return 0
    USERSPACE=$(command -v boringtun-cli || command -v boringtun) || return 1
    export WG_QUICK_USERSPACE_IMPLEMENTATION="$USERSPACE" WG_SUDO=1
}

explain_kernel() {
    local version
    version=$(uname -r)
    case $version in *Microsoft*) stop 3 'This is WSL 1, which has no WireGuard: convert it with wsl --set-version NAME 2.' ;; esac
    ! have wireguard-go ||
        stop 3 'wireguard-go is here but /dev/net/tun is not: run modprobe tun (for a container: on its host), then try again.'
    ! is_old "$version" ||
        stop 3 "This kernel has no WireGuard ($version): update it (Linux 5.6 or newer has it), or install wireguard-go."
    case $KERNEL_SAID in
    *'not permitted'*) stop 3 'This container may not make network interfaces: give it the capability NET_ADMIN.' ;;
    esac
    ! is_container ||
        stop 3 'This container finds no WireGuard: run modprobe wireguard on its host, or give it /dev/net/tun and wireguard-go.'
    [ -d "/lib/modules/$version" ] ||
        stop 3 "No modules are here for the running kernel $version: if it was updated, restart the machine, then try again."
    stop 3 'This kernel has no WireGuard: install its module (mostly in a package of extra modules), or install wireguard-go.'
}

is_old() {
    local major minor
    major=${1%%.*}
    minor=${1#*.}
    minor=${minor%%[!0-9]*}
    is_number "$major" 99999 && is_number "$minor" 99999 || return 1
    [ "$major" -lt 5 ] || { [ "$major" -eq 5 ] && [ "$minor" -lt 6 ]; }
}

is_container() {
    [ -e /run/systemd/container ] || [ -e /.dockerenv ] || [ -e /run/.containerenv ] ||
        tr '\0' '\n' </proc/1/environ 2>/dev/null | grep -q '^container='
}
