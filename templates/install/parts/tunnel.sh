WAS_UP=''

start_tunnel() {
    ! link_exists "$INTERFACE" || WAS_UP=yes
    run_tunnel || not_started
    tell_restart
}

# On a Mac wg-quick has told its own file why.
not_started() {
    local reason
    [ ! -e "$STATE/tunnel.log" ] || note "$(tail -n 20 "$STATE/tunnel.log")"
    reason=$(find_trouble)
    stop 7 "This machine is registered, but $INTERFACE did not start${reason:+: $reason}."
}
