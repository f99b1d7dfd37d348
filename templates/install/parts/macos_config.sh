choose_ipv6() { :; }

choose_dns() { :; }

# The hub's own name could not be found either, where all names go to servers behind a tunnel that is not there.
drop_dead_dns() { link_exists "$INTERFACE" || remove_dns; }

# Not by wg-quick's own DNS: that rewrites the settings of every network service, and a loss of power would leave them
# so. What scutil is told is gone with the tunnel, and with a restart of the machine. With domains, only their names are
# asked for through the tunnel; "" means all names.
print_dns() {
    local domains all
    [ -n "$DNS_SERVERS" ] || return 0
    domains=${DNS_DOMAINS% }
    all='""'
    printf "PostUp = printf 'd.init\\\\nd.add ServerAddresses * %s\\\\nd.add SupplementalMatchDomains * %s\\\\nset %s\\\\n' | scutil || true\n" \
        "${DNS_SERVERS% }" "${domains:-$all}" "$(dns_key)"
    printf "PreDown = printf 'remove %s\\\\n' | scutil || true\n" "$(dns_key)"
}
