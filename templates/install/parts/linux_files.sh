link_exists() { ip link show dev "$1" >/dev/null 2>&1; }

# What the kernel calls our interface.
device() { printf '%s' "$INTERFACE"; }

# Under SELinux a service may read only what bears the right label.
restore_label() { ! [ -e /sys/fs/selinux/enforce ] || ! have restorecon || quietly restorecon "$1"; }

# The 22nd field of stat; the second may hold blanks and ends at the last parenthesis.
started_at() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
