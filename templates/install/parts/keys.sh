# The private key stays in a file: arguments and environments can be read by others.
make_keys() {
    local key
    key=$STATE/private.key
    if [ ! -s "$key" ]; then
        { wg genkey >"$key.new" && mv -f "$key.new" "$key"; } || stop 3 "The private key could not be written to $key."
    fi
    { PUBLIC_KEY=$(wg pubkey <"$key") && is_key "$PUBLIC_KEY"; } || stop 3 "$key does not hold a private key."
}
