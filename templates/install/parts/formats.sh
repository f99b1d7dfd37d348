# What is allowed into a command line or a file. Every value from the script's head and from the hub passes here first.

# is_number TEXT LARGEST
is_number() {
    case $1 in '' | *[!0-9]* | ??????* | 0?*) return 1 ;; esac
    [ "$1" -le "$2" ]
}

is_ipv4() {
    local IFS number
    case $1 in *[!0-9.]* | *.) return 1 ;; esac
    IFS=.
    # shellcheck disable=SC2086 # the point is to split at the dots
    set -- $1
    [ "$#" -eq 4 ] || return 1
    for number in "$@"; do
        is_number "$number" 255 || return 1
    done
}

is_cidr() {
    case $1 in */*) is_ipv4 "${1%%/*}" && is_number "${1#*/}" 32 ;; *) return 1 ;; esac
}

# Eight groups of one to four digits, or fewer around one "::".
is_ipv6() {
    case $1 in
    *[!0-9A-Fa-f:]* | *:::* | *::*::*) return 1 ;;
    *::*) are_groups "${1%%::*}" 7 && are_groups "${1#*::}" "$((7 - GROUPS_FOUND))" ;;
    *) are_groups "$1" 8 && [ "$GROUPS_FOUND" -eq 8 ] ;;
    esac
}

# are_groups TEXT MOST: sets GROUPS_FOUND; no text is no group.
are_groups() {
    local IFS group
    GROUPS_FOUND=0
    case $1 in '') return 0 ;; :* | *:) return 1 ;; esac
    IFS=:
    # shellcheck disable=SC2086 # the point is to split at the colons
    set -- "$2" $1
    GROUPS_FOUND=$(($# - 1))
    [ "$GROUPS_FOUND" -le "$1" ] || return 1
    shift
    for group in "$@"; do
        case $group in ?????*) return 1 ;; esac
    done
}

is_cidr6() {
    case $1 in */*) is_ipv6 "${1%%/*}" && is_number "${1#*/}" 128 ;; *) return 1 ;; esac
}

is_address() {
    case $1 in *:*) is_ipv6 "$1" ;; *) is_ipv4 "$1" ;; esac
}

is_domain() {
    case $1 in '' | -* | *[!A-Za-z0-9._-]*) return 1 ;; esac
}

# host:port, a.b.c.d:port or [v6]:port
is_endpoint() {
    local host
    host=${1%:*}
    is_number "${1##*:}" 65535 || return 1
    case $host in
    '['*']')
        host=${host#?}
        is_ipv6 "${host%?}"
        ;;
    *) is_domain "$host" ;;
    esac
}

is_key() {
    case $1 in *[!A-Za-z0-9+/=]*) return 1 ;; *=) [ "${#1}" -eq 44 ] ;; *) return 1 ;; esac
}

# each TEST WORDS: whether every word passes
each() {
    local test word
    test=$1
    set -f
    # shellcheck disable=SC2086 # a list of words
    set -- $2
    set +f
    for word in "$@"; do
        "$test" "$word" || return 1
    done
}
