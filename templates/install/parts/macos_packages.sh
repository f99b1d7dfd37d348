# wg-quick does not run under the bash of macOS, which is of 2007.
have_all_tools() {
    # shellcheck disable=SC2016 # for that bash to expand
    have wg && have wg-quick && have wireguard-go && quietly wg --version &&
        quietly "$(prefix)/bin/bash" -c 'test "${BASH_VERSINFO%%.*}" -ge 4'
}

check_kernel() { :; }

install_packages() {
    local brew user
    ! have_all_tools || return 0
    brew=$(command -v brew) || miss_brew
    user=$(brew_user "${brew%/brew}") ||
        stop 5 "No user of this Mac may install with $brew, and root must not: run brew install wireguard-tools as the user it belongs to, then try again."
    say "      brew, as $user: wireguard-tools"
    brew_install "$user" "$brew" HOMEBREW_NO_AUTO_UPDATE=1 || brew_install "$user" "$brew"
    # What counts is what is here now.
    have_all_tools ||
        stop 5 "brew could not install wireguard-tools$(package_trouble): install it by hand as $user, with bash and wireguard-go, then try again."
}

miss_brew() {
    stop 5 "Homebrew is not on this Mac, and WireGuard comes from it. Install it as https://brew.sh says, as yourself and not as root. The token is not lost; then go on with: sudo sh $COPY resume"
}

# brew_user DIRECTORY: who asked for this, who sits at the screen, or whose brew it is; the first who may write there.
brew_user() {
    local user
    for user in "${SUDO_USER-}" "$(stat -f %Su /dev/console)" "$(stat -f %Su "$1")"; do
        if is_person "$user" && quietly as_user "$user" test -w "$1"; then
            printf '%s' "$user"
            return 0
        fi
    done
    return 1
}

is_person() { [ "$(id -u -- "$1" 2>/dev/null || echo 0)" -ne 0 ]; }

# as_user USER COMMAND...: with our environment, for the proxies in it.
as_user() {
    local user
    user=$1
    shift
    (cd / && umask 022 && exec sudo -n -E -H -u "$user" -- "$@")
}

# brew_install USER BREW [SETTING]: nothing else that brew has installed is touched.
brew_install() {
    local user brew
    user=$1
    brew=$2
    shift 2
    patiently as_user "$user" env NONINTERACTIVE=1 HOMEBREW_NO_ENV_HINTS=1 HOMEBREW_NO_INSTALL_UPGRADE=1 \
        HOMEBREW_NO_INSTALL_CLEANUP=1 HOMEBREW_NO_INSTALLED_DEPENDENTS_CHECK=1 "$@" "$brew" install wireguard-tools
}

# What a dry run says.
try_packages() {
    ! have_all_tools || return 0
    have brew || miss_brew
    say '      Would install with brew: wireguard-tools'
}
