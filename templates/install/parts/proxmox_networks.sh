# What a node of Proxmox VE needs and the tunnel must not take away: links of corosync, storage servers, bridges.

list_proxmox_networks() {
    {
        corosync_file | corosync_addresses
        within 10 cat /etc/pve/storage.cfg | storage_addresses
        cat /etc/network/interfaces /etc/network/interfaces.d/* 2>/dev/null | bridge_addresses
    } | awk '!seen[$1]++ { gsub(/[^A-Za-z0-9._-]/, "_", $3); print $1, $2 ":" $3 }' | while read -r address user; do
        if is_cidr "${address%%/*}/${address#*/}" || is_ipv4 "$address"; then
            printf '%s dev %s\n' "$address" "$user"
        elif is_domain "$address"; then
            # shellcheck disable=SC2013
            for address in $(within 3 getent ahostsv4 "$address" | cut -d ' ' -f 1); do
                printf '%s dev %s\n' "$address" "$user"
            done
        fi
    done
}

corosync_addresses() {
    awk '
        $1 == "node" { name = "" }
        $1 == "name:" { name = $2 }
        $1 ~ /^ring[0-9]+_addr:$/ { address[count++] = $2 }
        $1 == "host:" { print $2, "corosync", "QDevice" }
        $1 == "}" { while (count > 0) print address[--count], "corosync", name }
    '
}

# A list of monitors may stand between blanks, commas, semicolons, with ports and versions: "[v2:10.1.1.1:3300,v1:…]".
storage_addresses() {
    awk '
        /^[a-z]+:/ { name = $2 }
        $1 ~ /^(server2?|portal|monhost)$/ {
            sub(/^[ \t]*[a-z0-9]+[ \t]+/, "")
            count = split($0, word, /[][ \t,;]+/)
            for (i = 1; i <= count; i++) {
                sub(/^v[12]:/, "", word[i])
                sub(/[:\/].*/, "", word[i])
                if (word[i] != "") print word[i], "storage", name
            }
        }
    '
}

bridge_addresses() {
    awk '
        function ones(mask,    part, i, count) {
            if (mask !~ /\./) return mask
            split(mask, part, ".")
            for (i = 1; i <= 4; i++) for (; part[i] > 0; part[i] = int(part[i] / 2)) count += part[i] % 2
            return count
        }
        function finish() {
            if (is_bridge && address != "") print address (mask == "" || address ~ /\// ? "" : "/" ones(mask)), "bridge", name
            is_bridge = 0
            address = mask = ""
        }
        $1 == "iface" { finish(); name = $2 }
        $1 == "address" { address = $2 }
        $1 == "netmask" { mask = $2 }
        $1 ~ /^bridge[-_]ports$/ || $2 == "OVSBridge" { is_bridge = 1 }
        END { finish() }
    '
}
