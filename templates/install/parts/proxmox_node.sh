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
    is_proxmox || return 0
    read_cluster
    printf ',"isProxmox":true'
    print_text proxmoxNodeName "$(fact node)"
    print_text proxmoxVersion "$(proxmox_version)"
    [ -n "$(fact name)" ] || return 0
    print_text proxmoxClusterName "$(fact name)"
    print_text proxmoxClusterFingerprint "$(cluster_fingerprint)"
}

print_text() { [ -z "$2" ] || printf ',"%s":"%s"' "$1" "$(json_text "$2")"; }

# Further members of its "metadata", each after a comma.
print_platform_metadata() {
    is_proxmox || return 0
    if [ -n "$(fact name)" ]; then
        printf ',"isClustered":true,"clusterNodes":[%s]' "$(list_members)"
    else
        printf ',"isClustered":false'
    fi
    case $(fact quorate) in 1) printf ',"quorate":true' ;; 0) printf ',"quorate":false' ;; esac
}

# Networks that `ip` does not show, each a line "ADDRESS dev KIND:NAME". On a machine that is a spoke already they may
# well lie in the hub's network.
list_platform_networks() {
    ! is_proxmox || is_ours "$INTERFACE" || list_proxmox_networks
}

# name_network NETWORK DEVICE: what a person calls this network of the machine; DEVICE may be empty.
name_network() {
    case ${2-} in
    corosync:*) printf '%s (corosync, node %s)' "$1" "${2#*:}" ;;
    storage:*) printf '%s (storage %s)' "$1" "${2#*:}" ;;
    bridge:*) printf '%s (bridge %s)' "$1" "${2#*:}" ;;
    *) printf '%s%s' "$1" "${2:+ on $2}" ;;
    esac
}

# A node's resolv.conf belongs to Proxmox VE.
wants_dns() { ! is_proxmox; }
