# The private key stays in a file: arguments and environments can be read by others. It is on the disk before the hub
# hears of it, because the token takes no second key.
make_keys() {
    local key
    key=$STATE/private.key
    if [ ! -s "$key" ]; then
        { wg genkey >"$key.new" && public_key_of "$key.new" >/dev/null && mv -f "$key.new" "$key"; } 2>/dev/null ||
            stop 3 "The private key could not be written to $key: is the disk full?"
        sync "$key" 2>/dev/null || sync
    fi
    PUBLIC_KEY=$(public_key_of "$key") || stop 3 "$key does not hold a private key."
}

public_key_of() {
    local public
    public=$(wg pubkey <"$1") && is_key "$public" && printf '%s' "$public"
}
