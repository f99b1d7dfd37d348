have_all_tools() { have wg && have wg-quick && have ip; }

install_packages() {
    local manager
    ! have_all_tools || return 0
    manager=$(find_manager) || stop 5 'No package manager is known here: install wireguard-tools by hand, then try again.'
    set --
    { have wg && have wg-quick; } || set -- wireguard-tools
    have ip || set -- "$@" "$(iproute_package "$manager")"
    say "      $manager: $*"
    { install_with "$manager" "$@" && have_all_tools; } ||
        stop 5 "$manager could not install $*: install it by hand, then try again."
}

find_manager() {
    local manager
    for manager in apt-get dnf yum zypper pacman apk; do
        if have "$manager"; then
            printf '%s' "$manager"
            return
        fi
    done
    return 1
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
    apt-get) apt_install "$@" || { quietly apt-get update; apt_install "$@"; } ;;
    dnf | yum) quietly "$manager" -y install "$@" ;;
    zypper) quietly zypper --non-interactive install --no-recommends "$@" ;;
    pacman) quietly pacman -S --noconfirm --needed "$@" ;;
    apk) quietly apk add --no-cache "$@" ;;
    esac
}

apt_install() {
    quietly env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get install -y --no-install-recommends --no-upgrade -o DPkg::Lock::Timeout=120 "$@"
}
