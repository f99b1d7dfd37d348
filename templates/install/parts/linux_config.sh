# The address that could not be set would take the whole tunnel down.
choose_ipv6() {
    [ -n "$SPOKE_IP6" ] || return 0
    has_no_ipv6 || return 0
    say '      IPv6 is switched off on this machine, so the tunnel carries IPv4 only.'
    SPOKE_IP6=''
    NETWORK_CIDR6=''
}

has_no_ipv6() {
    local switch
    [ -d /proc/sys/net/ipv6 ] || return 0
    for switch in all default; do
        [ "$(cat "/proc/sys/net/ipv6/conf/$switch/disable_ipv6" 2>/dev/null)" != 1 ] || return 0
    done
    return 1
}

# It goes with the link.
drop_dead_dns() { :; }

# DNS is set only where taking the tunnel down undoes it.
choose_dns() {
    DNS_BY=''
    { [ -n "$DNS_SERVERS" ] && wants_dns; } || return 0
    if have resolvectl && [ -d /run/systemd/resolve ]; then
        DNS_BY=resolvectl
    elif have resolvconf; then
        DNS_BY=resolvconf
    else
        say '      DNS is left as it is: neither systemd-resolved nor resolvconf is here.'
    fi
}

# With domains, only their names are asked for through the tunnel; "~." means all names.
print_dns() {
    local domains word
    case $DNS_BY in
    resolvectl)
        domains=''
        for word in ${DNS_DOMAINS:-.}; do
            domains="$domains ~$word"
        done
        printf 'PostUp = resolvectl dns %%i %s && resolvectl domain %%i%s || true\n' "${DNS_SERVERS% }" "$domains"
        printf 'PreDown = resolvectl revert %%i || true\n'
        ;;
    resolvconf)
        printf 'DNS = %s\n' "$(printf '%s %s' "$DNS_SERVERS" "$DNS_DOMAINS" | sed 's/ *$//; s/  */,/g')"
        ;;
    esac
}
