# No caller's setting may change what the commands below mean, or who can read what they write.
prepare_shell() {
    set -u
    umask 077
    # Homebrew has its tools in one of the last two.
    PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/opt/homebrew/bin:/usr/local/bin
    LC_ALL=C
    export PATH LC_ALL
}

is_root() { [ "$(id -u)" -eq 0 ]; }
