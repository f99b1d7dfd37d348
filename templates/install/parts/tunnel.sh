WAS_UP=''

start_tunnel() {
    ! link_exists "$INTERFACE" || WAS_UP=yes
    run_tunnel || not_started
    tell_restart
}

not_started() {
    local reason
    reason=$(find_trouble)
    stop 7 "This machine is registered, but $INTERFACE did not start${reason:+: $reason}."
}
