# shellcheck shell=sh
# The firewall. Where one is at work already it is asked to let the hub's ports in, or the operator is told which;
# where there is none, a table of our own closes what nobody listens on. Tables of others are never touched.

open_firewall() {
    if command -v ufw >/dev/null && ufw status 2>/dev/null | grep -q '^Status: active'; then
        for rule in $(ssh_ports | sed 's|$|/tcp|') 80/tcp 443/tcp "$udp_port/udp"; do
            ufw status | grep -q "^$rule .*ALLOW" || ufw allow "$rule" comment wireguard-hub
        done
        say "  ufw lets in: 80/tcp, 443/tcp, $udp_port/udp, and ssh"
    elif [ -f "$units/wireguard-hub-firewall.service" ]; then
        reload_own_table
    elif others_filter_input; then
        say "  Another firewall filters here already, and stays as it is. Let in: 80/tcp, 443/tcp, $udp_port/udp."
    else
        own_table
        reload_own_table
    fi
}

others_filter_input() {
    nft list ruleset 2>/dev/null | awk '/^table/ { table = $3 } /hook input/ && table !~ /^wireguard_hub/ { found = 1 }
        END { exit !found }'
}

# The port of the session that runs this, and those the server is set to.
ssh_ports() {
    {
        echo "${SSH_CONNECTION:-}" | awk 'NF == 4 { print $4 }'
        { sshd -T 2>/dev/null || /usr/sbin/sshd -T 2>/dev/null || :; } | awk '$1 == "port" { print $2 }'
        echo 22
    } | sort -un
}

# Ports on which something listens for other machines now: what works keeps working.
listening() {
    ss -Hlnp "--$1" | grep -v '"wireguard-go"' | awk '{ print $4 }' | grep -Ev '^(127\.|\[::1\]|\[fe80)' | sed 's/.*://' | grep -x '[0-9]*' | sort -un
}

joined() {
    sort -un | paste -sd , - | sed 's/,/, /g'
}

own_table() {
    tcp=$({ ssh_ports && printf '80\n443\n' && listening tcp; } | joined)
    udp=$({ echo "$udp_port" && listening udp; } | joined)
    say "  a table of its own, $etc/firewall.nft; open: tcp $tcp; udp $udp"
    put_file "$etc/firewall.nft" 0600 <<END
# Made once by the installer, and yours to change: then systemctl reload wireguard-hub-firewall
# Open are the hub's ports, ssh, and whatever listened for other machines when this was made.
table inet wireguard_hub_host
delete table inet wireguard_hub_host
table inet wireguard_hub_host {
    chain input {
        type filter hook input priority filter + 10; policy drop;
        ct state established,related accept
        ct state invalid drop
        iifname "lo" accept
        # What spokes may reach is for the agent's own table to say.
        iifname "$interface" accept
        meta l4proto { 1, 58 } accept # ICMP of both kinds; their names are not known everywhere
        udp dport { 68, 546 } accept
        tcp dport { $tcp } accept
        udp dport { $udp } accept
    }
}
END
    put_file "$units/wireguard-hub-firewall.service" 0644 <<END
[Unit]
Description=Firewall of the WireGuard hub
DefaultDependencies=no
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f $etc/firewall.nft
ExecReload=/usr/sbin/nft -f $etc/firewall.nft
ExecStop=/usr/sbin/nft delete table inet wireguard_hub_host

[Install]
WantedBy=sysinit.target
END
    systemctl daemon-reload
}

reload_own_table() {
    nft -c -f "$etc/firewall.nft"
    systemctl enable -q wireguard-hub-firewall
    systemctl is-active -q wireguard-hub-firewall || systemctl start wireguard-hub-firewall
}
