# WireGuard is a program here, wireguard-go: it makes a utun device of any number and writes down which.
link_exists() { [ -n "$(device_of "$1")" ]; }

# What the kernel calls our interface; nothing while it is down.
device() { device_of "$INTERFACE"; }

device_of() {
    local device
    device=$(named_device "$1") && ifconfig "$device" >/dev/null 2>&1 && printf '%s' "$device"
}

# What was written down, whether or not the device lives. Like wg-quick, this trusts a name only that is as old as its
# socket: one that a crash left may by now be the number of somebody else's device.
named_device() {
    local place device age
    place=/var/run/wireguard
    device=$(cat "$place/$1.name" 2>/dev/null)
    case $device in utun*[!0-9]* | utun) return 1 ;; utun*) ;; *) return 1 ;; esac
    [ -S "$place/$device.sock" ] || return 1
    age=$(($(stat -f %m "$place/$device.sock" 2>/dev/null || echo 9) - $(stat -f %m "$place/$1.name" 2>/dev/null || echo 0)))
    [ "$age" -gt -2 ] && [ "$age" -lt 2 ] && printf '%s' "$device"
}

restore_label() { :; }

# Whatever the time zone is by then.
started_at() { TZ=UTC0 ps -o lstart= -p "$1" 2>/dev/null | tr -cd 'A-Za-z0-9'; }
