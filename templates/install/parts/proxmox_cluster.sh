# What a Proxmox VE node knows of its cluster. Everything under /etc/pve is a network file system in user space, and
# without quorum it is read-only, slow or gone: it is only read, and nothing is waited for without a limit.
CLUSTER=''

within() { timeout -k 2 "$@" 2>/dev/null; }

# Sets CLUSTER to lines "node TEXT", "name TEXT", "quorate 0 or 1", "member TEXT", from the first source that knows.
read_cluster() {
    CLUSTER=$(facts_of_members) || CLUSTER=$(facts_of_pvesh) || CLUSTER=$(facts_of_pvecm) || CLUSTER=$(facts_of_corosync) ||
        CLUSTER=''
    CLUSTER=$(printf '%s\nnode %s\n' "$CLUSTER" "$(uname -n | cut -d . -f 1)" | clean_facts)
}

# fact KIND: the first of that kind.
fact() { printf '%s\n' "$CLUSTER" | sed -n "s/^$1 //p" | head -n 1; }

# Proxmox VE has no names but plain ones, so a strange character is somebody's trick or a broken file.
clean_facts() {
    awk '{
        kind = $1
        text = substr($0, length(kind) + 2)
        gsub(/[^ -~]/, "?", text)
        gsub(/^ +| +$/, "", text)
        text = substr(text, 1, 63)
        if (text != "") print kind " " text
    }'
}

# The hub takes 8 KiB of metadata.
list_members() {
    printf '%s\n' "$CLUSTER" | sed -n 's/^member //p' | sed 's/[\\"]/\\&/g; s/.*/"&"/' |
        awk '(size += length($0) + 4) < 7000 { printf "%s%s", separator, $0; separator = "," }'
}

# Corosync may be down, and then a node of a cluster reads here like one that stands alone.
facts_of_members() {
    local json facts
    json=$(within 10 cat /etc/pve/.members) && json=$(printf '%s\n' "$json" | flatten_json) || return 1
    facts=$(printf '%s\n' "$json" | awk -F '\t' '
        { text = substr($0, length($1) + 2) }
        $1 == "nodename" { print "node " text }
        $1 == "cluster.name" { print "name " text }
        $1 == "cluster.quorate" { print "quorate " text }
        $1 ~ /^nodelist\..*\.id$/ { print "member " substr($1, 10, length($1) - 12) }
    ')
    are_whole "$facts" && printf '%s\n' "$facts"
}

# Without a cluster's name they are whole only on a node that stands alone.
are_whole() { has name "$1" || { has node "$1" && [ -z "$(corosync_file)" ]; }; }

# has KIND FACTS
has() { printf '%s\n' "$2" | grep -q "^$1 ."; }

facts_of_pvesh() {
    local json facts
    json=$(within 10 pvesh get /cluster/status --output-format json) && json=$(printf '%s\n' "$json" | flatten_json) ||
        return 1
    facts=$(printf '%s\n' "$json" | awk -F '\t' '
        {
            split($1, path, ".")
            found[path[2], path[3]] = substr($0, length($1) + 2)
            if (path[3] != "") entries = path[2] + 1
        }
        END {
            for (i = 0; i < entries; i++) {
                name = found[i, "name"]
                if (found[i, "type"] == "cluster") print "name " name "\nquorate " found[i, "quorate"]
                if (found[i, "type"] == "node") print "member " name
                if (found[i, "local"] == 1) print "node " name
            }
        }
    ')
    are_whole "$facts" && printf '%s\n' "$facts"
}

# "pvecm status" shows members by address, "pvecm nodes" by name.
facts_of_pvecm() {
    local facts
    facts=$(within 10 pvecm status | facts_of_status)
    has name "$facts" || return 1
    printf '%s\n' "$facts"
    within 10 pvecm nodes | members_of_nodes
}

facts_of_status() {
    awk '
        /^[A-Z].* information/ { section = $1 }
        { value = $0; sub(/^[^:]*:[ \t]*/, "", value) }
        section == "Cluster" && /^Name:/ { print "name " value }
        section == "Quorum" && /^Quorate:/ { print "quorate " (value ~ /^Yes/) }
    '
}

# Lines "NODEID VOTES [QDEVICE] NAME [(local)]"; the QDevice itself has node id 0.
members_of_nodes() {
    awk '
        $1 == "Nodeid" { has_qdevice = $3 == "Qdevice"; next }
        $1 ~ /^(0x)?[0-9a-f]+$/ && $1 !~ /^(0x)?0+$/ && $2 ~ /^[0-9]+$/ {
            name = 3 + has_qdevice
            if (NF >= name) print "member " $name
            if ($(name + 1) == "(local)") print "node " $name
        }
    '
}

# Prints nothing on a node that stands alone.
corosync_file() { within 10 cat /etc/pve/corosync.conf || cat /etc/corosync/corosync.conf 2>/dev/null; }

facts_of_corosync() {
    local facts
    facts=$(corosync_file | awk '
        { value = $0; sub(/^[^:]*:[ \t]*/, "", value) }
        $1 == "cluster_name:" { print "name " value }
        $1 == "name:" { print "member " value }
    ')
    has name "$facts" && printf '%s\n' "$facts"
}

proxmox_version() { within 10 pveversion | awk -F / 'NR == 1 { print $2 }' | cut -c 1-63; }

# SHA-256 of the certificate of the cluster's CA; nothing when it cannot be read.
cluster_fingerprint() {
    local certificate
    certificate=$(within 10 cat /etc/pve/pve-root-ca.pem | awk '
        /^-----BEGIN CERTIFICATE-----/ { inside = 1; next }
        /^-----END CERTIFICATE-----/ { print text; exit }
        inside { text = text $1 }
    ')
    case $certificate in MI*) ;; *) return 0 ;; esac
    ! printf '%s' "$certificate" | base64 -d >/dev/null 2>&1 ||
        printf '%s' "$certificate" | base64 -d | sha256sum | cut -c 1-64
}
