# The same token with the same key is the same registration, however often it is sent.
register() {
    local deadline pause
    case $CALLBACK_URL in https://* | http://*) ;; *) stop 3 "The hub's address '$CALLBACK_URL' is not a web address." ;; esac
    write_request || stop 3 "$STATE cannot be written: is the disk full?"
    deadline=$(($(seconds) + $(seconds_setting "${WIREGUARD_HUB_RETRY_SECONDS-}" 120)))
    pause=1
    until send_request && is_final "$STATUS"; do
        stop_if_hopeless
        [ "$(seconds)" -le "$((deadline - pause))" ] || give_up
        say "      The hub is not ready ($(trouble)); trying again in $pause s"
        nap "$pause"
        pause=$((pause < 8 ? pause * 2 : 15))
    done
    case $STATUS in 200 | 201) read_answer ;; *) refused ;; esac
}

write_request() {
    {
        printf '{"token":"%s","publicKey":"%s","os":"%s"' "$(json_text "$TOKEN")" "$PUBLIC_KEY" "$OS"
        print_platform_fields
        printf ',"metadata":{"wireguardVersion":"%s","kernelVersion":"%s"' \
            "$(json_text "$(wg --version 2>/dev/null | cut -d ' ' -f 2)")" "$(json_text "$(uname -r)")"
        print_platform_metadata
        printf '}}\n'
    } >"$STATE/request.json"
}

# Sets STATUS to the HTTP status, 000 when there was no answer.
send_request() {
    STATUS=000
    # With ":" a shell would end here, as it must when a special builtin cannot open a file.
    true >"$STATE/answer.json" || stop 3 "$STATE cannot be written: is the disk full?"
    if have curl; then post_with_curl; else post_with_wget; fi
}

# -q: whoever asked for this may have a .curlrc, and sudo may leave it in force. No -L: a redirect is never followed,
# and the scheme stays what the operator set.
post_with_curl() {
    STATUS=$(curl -q -sSg --proto "=${CALLBACK_URL%%:*}" --connect-timeout 10 --max-time 20 --max-filesize 65536 \
        -H 'Content-Type: application/json' -H 'Accept: application/json' --data-binary @"$STATE/request.json" \
        -o "$STATE/answer.json" -w '%{http_code}' --url "$CALLBACK_URL" 2>"$STATE/post.err") || STATUS=000
}

# Busybox's wget has none of these options, and keeps the body of a refusal to itself.
post_with_wget() {
    set -- wget -S
    ! wget --help 2>&1 | grep -q -e --content-on-error || set -- "$@" --content-on-error --max-redirect=0 --tries=1
    ! have timeout || set -- timeout 20 "$@"
    "$@" --header='Content-Type: application/json' --header='Accept: application/json' \
        --post-file="$STATE/request.json" -O "$STATE/answer.json" "$CALLBACK_URL" 2>"$STATE/post.err"
    STATUS=$(sed -n 's/.*HTTP\/[0-9.]* \([0-9][0-9][0-9]\).*/\1/p' "$STATE/post.err" | tail -n 1)
    STATUS=${STATUS:-000}
}

is_final() {
    case $1 in 000 | 429 | 5??) return 1 ;; esac
}

# Both tools may say more than one line; the first that names an error counts.
trouble() {
    if [ "$STATUS" = 000 ]; then
        { grep -e '^curl: (' -e '^ERROR' "$STATE/post.err" || tail -n 1 "$STATE/post.err"; } | head -n 1 | tr -cd '\040-\176'
    else
        printf 'status %s' "$STATUS"
    fi
}

# What waiting does not mend.
stop_if_hopeless() {
    [ "$STATUS" = 000 ] || return 0
    ! grep -qi -e '^curl: (23)' -e 'No space left' "$STATE/post.err" || stop 3 "$STATE cannot be written: is the disk full?"
    ! grep -qi certificate "$STATE/post.err" ||
        stop 6 "The hub's certificate was not accepted ($(trouble)): $(certificate_hint), then try again."
}

certificate_hint() {
    if [ "$(date +%Y)" -lt 2025 ]; then
        printf 'the clock of this machine says %s, set it right' "$(date -u +%Y-%m-%d)"
    else
        printf 'see that root certificates are here (Linux: ca-certificates), that the clock is right (%s), and that no proxy changes certificates' \
            "$(date -u +%Y-%m-%d)"
    fi
}

# In steps of a second, so that an interrupt is heard soon.
nap() {
    local left
    left=$1
    while [ "$left" -gt 0 ]; do
        sleep 1
        left=$((left - 1))
    done
}

# seconds_setting TEXT DEFAULT
seconds_setting() {
    if is_number "$1" 99999; then printf '%s' "$1"; else printf '%s' "$2"; fi
}

give_up() {
    stop 6 "The hub could not be reached at $CALLBACK_URL ($(trouble))."
}

refused() {
    local sentence
    parse_answer || stop 6 "The hub refused with status $STATUS."
    sentence="$(answer error) $(answer recoveryHint)"
    [ "$sentence" != ' ' ] || sentence="status $STATUS."
    stop 6 "The hub refused: $sentence"
}

parse_answer() {
    flatten_json <"$STATE/answer.json" >"$STATE/answer"
}

# answer PATH [DEFAULT]
answer() {
    local value
    value=$(awk -F '\t' -v path="$1" '$1 == path { print substr($0, length(path) + 2); exit }' "$STATE/answer" 2>/dev/null)
    case $value in '' | null) value=${2-} ;; esac
    printf '%s' "$value"
}

# What the hub says now is newer than what this script was issued with.
read_answer() {
    { parse_answer && [ "$(answer success)" = true ]; } || stop 6 'The hub gave an answer that makes no sense here.'
    HUB_PUBLIC_KEY=$(answer hub.publicKey "$HUB_PUBLIC_KEY")
    HUB_ENDPOINT=$(answer hub.endpoint "$HUB_ENDPOINT")
    NETWORK_CIDR=$(answer hub.networkCIDR "$NETWORK_CIDR")
    PERSISTENT_KEEPALIVE=$(answer hub.persistentKeepalive "$PERSISTENT_KEEPALIVE")
    SPOKE_IP=$(answer allowedIPs.0 "$SPOKE_IP")
    read_ipv6
    MTU=$(answer hub.mtu 1420)
    [ -z "$(answer hub.dns.length)" ] || DNS_SERVERS=$(answer_list hub.dns)
    DNS_DOMAINS=$(answer_list hub.dnsDomains)
    check_values
    refuse_overlap
}

# IPv6 takes both a network and an address in it.
read_ipv6() {
    NETWORK_CIDR6=$(answer hub.networkCIDR6)
    SPOKE_IP6=$(answer allowedIPs.1)
    if [ -z "$NETWORK_CIDR6" ] || [ -z "$SPOKE_IP6" ]; then
        NETWORK_CIDR6=''
        SPOKE_IP6=''
    fi
}

answer_list() {
    local number
    number=0
    while [ "$number" -lt "$(answer "$1.length" 0)" ]; do
        printf '%s ' "$(answer "$1.$number")"
        number=$((number + 1))
    done
}

check_values() {
    is_key "$HUB_PUBLIC_KEY" || nonsense 'public key' "$HUB_PUBLIC_KEY"
    is_endpoint "$HUB_ENDPOINT" || nonsense endpoint "$HUB_ENDPOINT"
    is_cidr "$NETWORK_CIDR" || nonsense network "$NETWORK_CIDR"
    is_cidr "$SPOKE_IP" || nonsense address "$SPOKE_IP"
    [ -z "$NETWORK_CIDR6" ] || is_cidr6 "$NETWORK_CIDR6" || nonsense 'IPv6 network' "$NETWORK_CIDR6"
    [ -z "$SPOKE_IP6" ] || is_cidr6 "$SPOKE_IP6" || nonsense 'IPv6 address' "$SPOKE_IP6"
    is_number "$MTU" 65535 || nonsense MTU "$MTU"
    is_number "$PERSISTENT_KEEPALIVE" 65535 || nonsense keepalive "$PERSISTENT_KEEPALIVE"
    each is_address "$DNS_SERVERS" || nonsense 'list of DNS servers' "$DNS_SERVERS"
    each is_domain "$DNS_DOMAINS" || nonsense 'list of DNS domains' "$DNS_DOMAINS"
}

nonsense() { stop 6 "What the hub gave as its $1 makes no sense here: '$2'."; }
