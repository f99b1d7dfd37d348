have_all_tools() { have wg && have wg-quick && have ip; }

install_packages() {
    local manager packages
    ! have_all_tools || return 0
    manager=$(find_manager) || stop 5 'No package manager is known here: install wireguard-tools by hand, then try again.'
    packages=$(missing_packages "$manager")
    say "      $manager: $packages"
    # shellcheck disable=SC2086 # a list of words
    install_with "$manager" $packages
    # What counts is what is here now: a manager's exit code also speaks of repositories that have nothing to do with it.
    have_all_tools ||
        stop 5 "$manager could not install $packages$(package_trouble): install it by hand, then try again."
}

find_manager() {
    local manager
    for manager in $(own_managers) apt-get dnf yum zypper pacman apk; do
        if have "$manager"; then
            printf '%s' "$manager"
            return 0
        fi
    done
    return 1
}

# Many distributions have others' managers as packages too, to build images with.
own_managers() {
    case "$(os_release ID)-$(os_release ID_LIKE)" in
    *debian* | *ubuntu*) echo apt-get ;;
    *fedora* | *rhel* | *centos*) echo dnf yum ;;
    *suse*) echo zypper ;;
    arch* | *-arch*) echo pacman ;;
    alpine* | *-alpine*) echo apk ;;
    esac
}

missing_packages() {
    local packages
    packages=''
    { have wg && have wg-quick; } || packages=wireguard-tools
    have ip || packages="${packages:+$packages }$(iproute_package "$1")"
    printf '%s' "$packages"
}

iproute_package() {
    case $1 in dnf | yum) printf iproute ;; *) printf iproute2 ;; esac
}

# install_with MANAGER PACKAGE...: nothing that is already installed is touched.
install_with() {
    local manager
    manager=$1
    shift
    case $manager in
    apt-get) apt_install "$@" || { patiently apt-get update; apt_install "$@"; } ;;
    dnf | yum) rpm_install "$manager" "$@" || { add_epel "$manager" && rpm_install "$manager" "$@"; } ;;
    zypper) patiently zypper --non-interactive install --no-recommends "$@" ;;
    pacman) pacman_install "$@" ;;
    apk) patiently apk add --no-cache "$@" ;;
    esac
}

# apt-get's own patience with locks is new, and does not cover its lists.
apt_install() {
    patiently env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get install -y --no-install-recommends --no-upgrade "$@"
}

# Fresh lists with old packages are half an upgrade, which Arch does not support: they are the last resort.
pacman_install() {
    patiently pacman -S --noconfirm --needed "$@" || patiently pacman -Sy --noconfirm --needed "$@"
}

# rpm_install MANAGER PACKAGE...: yum and dnf 4 wait for a lock for ever unless told to give up; dnf 5 gives up by itself.
rpm_install() {
    local manager
    manager=$1
    shift
    set -- install '--setopt=*.skip_if_unavailable=1' "$@"
    case $("$manager" --version 2>/dev/null) in *dnf5*) ;; *) set -- --setopt=exit_on_lock=1 "$@" ;; esac
    patiently "$manager" -y "$@"
}

# Enterprise Linux 7 and 8 have wireguard-tools in EPEL only.
add_epel() {
    local id version
    id=$(os_release ID)
    version=$(os_release VERSION_ID)
    version=${version%%.*}
    case $id:$version in
    fedora:* | amzn:20??) return 1 ;;
    amzn:*) set -- amazon-linux-extras install -y epel ;;
    ol:*) set -- rpm_install "$1" "oracle-epel-release-el$version" ;;
    rhel:*) set -- rpm_install "$1" "https://dl.fedoraproject.org/pub/epel/epel-release-latest-$version.noarch.rpm" ;;
    *) set -- rpm_install "$1" epel-release ;;
    esac
    say '      The packages are in EPEL, so that repository is added.'
    case $1 in rpm_install) "$@" ;; *) patiently "$@" ;; esac
}

# The kernels of Enterprise Linux 7 and 8 have no WireGuard; ELRepo has the module for them.
elrepo_package() {
    local version
    have dnf || have yum || return 1
    version=$(os_release VERSION_ID)
    version=${version%%.*}
    case $(os_release ID):$version in
    rhel:[78] | ol:[78]) printf 'https://www.elrepo.org/elrepo-release-%s.el%s.elrepo.noarch.rpm' "$version" "$version" ;;
    centos:[78] | rocky:8 | almalinux:8) printf elrepo-release ;;
    *) return 1 ;;
    esac
}

add_kernel_module() {
    local manager package
    package=$(elrepo_package) || return 1
    manager=$(find_manager)
    say "      $manager: kmod-wireguard, from ELRepo"
    rpm_install "$manager" "$package" && rpm_install "$manager" kmod-wireguard && quietly modprobe wireguard
}

# os_release KEY: read, not run.
os_release() {
    sed -n "s/^$1=//p" /etc/os-release 2>/dev/null | head -n 1 | tr -cd 'A-Za-z0-9._-'
}

# By what a manager says.
is_busy() { grep -qiw -e lock -e locked -e lock-frontend "$STATE/packages.log"; }

# What a dry run says.
try_packages() {
    local packages
    packages=$(missing_packages "$(find_manager)")
    [ -z "$packages" ] || say "      Would install with $(find_manager || echo 'a package manager, but none is known here'): $packages"
    ! have ip || kernel_has_wireguard || find_userspace || would_add_kernel_module
}

would_add_kernel_module() {
    elrepo_package >/dev/null || explain_kernel
    say '      Would install kmod-wireguard, from ELRepo'
}
