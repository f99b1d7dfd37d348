MADE_CONFIG=''

write_config() {
    choose_dns
    choose_ipv6
    is_ours "$INTERFACE" || MADE_CONFIG=yes
    publish "$(config_file "$INTERFACE")" print_config ||
        stop 3 "$(config_file "$INTERFACE") could not be written: is the disk full?"
}

print_config() {
    printf '%s: %s\n[Interface]\nAddress = %s\nPrivateKey = ' \
        "$(mark_of "$ID")" "$SPOKE_NAME" "$SPOKE_IP${SPOKE_IP6:+, $SPOKE_IP6}" &&
        cat "$STATE/private.key" &&
        printf 'MTU = %s\n' "$MTU" &&
        print_dns &&
        printf '\n[Peer]\nPublicKey = %s\nEndpoint = %s\n' "$HUB_PUBLIC_KEY" "$HUB_ENDPOINT" &&
        printf 'AllowedIPs = %s\nPersistentKeepalive = %s\n' \
            "$NETWORK_CIDR${NETWORK_CIDR6:+, $NETWORK_CIDR6}" "$PERSISTENT_KEEPALIVE"
}

# config_value NAME: what our configuration says, the first word of a list.
config_value() {
    sed -n "s/^$1 = //p" "$(config_file "$INTERFACE")" | head -n 1 | cut -d , -f 1
}
