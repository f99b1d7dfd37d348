# All three by name: brew does not mend what an installed one lacks.
FORMULAE='wireguard-tools wireguard-go bash'

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
        stop 5 "No user of this Mac may install with $brew, and root must not. It belongs to $(brew_owner "${brew%/brew}"): run brew install $FORMULAE as a user who may, then try again."
    say "      brew, as $user: $FORMULAE"
    brew_install "$user" "$brew" HOMEBREW_NO_AUTO_UPDATE=1 || is_busy || brew_install "$user" "$brew"
    # What counts is what is here now.
    have_all_tools ||
        stop 5 "brew could not install $FORMULAE$(package_trouble): install them by hand as $user, then try again."
}

miss_brew() {
    stop 5 "Homebrew is not on this Mac, and WireGuard comes from it. Install it as https://brew.sh says, as yourself and not as root. The token is not lost; then go on with: sudo sh $COPY resume"
}

# brew_user DIRECTORY: who asked for this, who sits at the screen, or whose brew it is; the first who may install.
brew_user() {
    local user
    for user in "${SUDO_USER-}" "$(stat -f %Su /dev/console)" "$(brew_owner "$1")"; do
        if is_person "$user" && may_install "$user" "$1"; then
            printf '%s' "$user"
            return 0
        fi
    done
    return 1
}

# may_install USER DIRECTORY: the directory is open to every administrator, but brew and its locks to its owner alone.
may_install() {
    local directory
    for directory in "$2" "$(brew_home "$2")" "$2/../var/homebrew/locks"; do
        [ ! -e "$directory" ] || quietly as_user "$1" test -w "$directory" || return 1
    done
}

brew_owner() { stat -f %Su "$(brew_home "$1")"; }

# brew_home DIRECTORY: where brew really is; on Intel what lies in the directory is a link.
brew_home() {
    local target
    target=$(readlink "$1/brew")
    case $target in /*) ;; *) target=$1/$target ;; esac
    printf '%s' "${target%/*}"
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
    # shellcheck disable=SC2086 # a list of words
    patiently as_user "$user" env NONINTERACTIVE=1 HOMEBREW_NO_ASK=1 HOMEBREW_NO_ENV_HINTS=1 \
        HOMEBREW_NO_INSTALL_UPGRADE=1 HOMEBREW_NO_INSTALL_CLEANUP=1 HOMEBREW_NO_INSTALLED_DEPENDENTS_CHECK=1 "$@" \
        "$brew" install $FORMULAE
}

# In brew's own words; a lock that it may not even open will not become free.
is_busy() {
    grep -qi -e 'already locked' -e 'already in progress' -e 'another active homebrew' "$STATE/packages.log" &&
        ! grep -qi -e 'permission denied' -e "can't create" -e 'not writable' "$STATE/packages.log"
}

# What a dry run says.
try_packages() {
    ! have_all_tools || return 0
    have brew || miss_brew
    say "      Would install with brew: $FORMULAE"
}
