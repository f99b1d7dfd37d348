# What a Proxmox VE node adds to a Linux machine. Every other part asks only these functions.

is_proxmox() { have pveversion; }

# Called first on a node, and wherever the command for Proxmox was pasted.
check_proxmox() {
    is_proxmox || stop 3 'This command is for Proxmox VE nodes: paste the one for Linux here.'
    OS=proxmox
    [ "$PLATFORM" = proxmox ] || say '      This is a Proxmox VE node and joins as one.'
}

# Further members of the registration, each after a comma.
print_platform_fields() {
    ! is_proxmox || printf ',"isProxmox":true'
}

# Further members of its "metadata", each after a comma.
print_platform_metadata() { :; }

# name_network NETWORK DEVICE: what a person calls this network of the machine; DEVICE may be empty.
name_network() { printf '%s%s' "$1" "${2:+ on $2}"; }

# A node's resolv.conf belongs to Proxmox VE.
wants_dns() { ! is_proxmox; }
