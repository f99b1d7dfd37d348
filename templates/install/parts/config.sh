MADE_CONFIG=''

# Written beside it and renamed, so that nobody ever sees half of it.
write_config() {
    local file new
    file=$(config_file "$INTERFACE")
    new=/etc/wireguard/.$INTERFACE.conf.new
    choose_dns
    print_config >"$new" 2>/dev/null || stop 3 "$new could not be written: is the disk full?"
    is_ours "$INTERFACE" || MADE_CONFIG=yes
    mv -f "$new" "$file" || stop 3 "$file could not be written."
}

print_config() {
    printf '%s\n[Interface]\nAddress = %s\nPrivateKey = ' "$MARK" "$SPOKE_IP" &&
        cat "$STATE/private.key" &&
        printf 'MTU = %s\n' "$MTU" &&
        print_dns &&
        printf '\n[Peer]\nPublicKey = %s\nEndpoint = %s\n' "$HUB_PUBLIC_KEY" "$HUB_ENDPOINT" &&
        printf 'AllowedIPs = %s\nPersistentKeepalive = %s\n' "$NETWORK_CIDR" "$PERSISTENT_KEEPALIVE"
}

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
        # shellcheck disable=SC2086 # two lists of words, checked
        printf 'DNS = %s\n' "$(printf '%s,' $DNS_SERVERS $DNS_DOMAINS | sed 's/,$//')"
        ;;
    esac
}
