is_program_ours() { [ -f "$PROGRAM" ] && [ "$(sed -n 2p "$PROGRAM")" = "$(mark_of program)" ]; }

# remove_spoke ID: all that its install script made on this machine, whatever a kill left of it.
remove_spoke() {
    ID=$1
    STATE=$STATE_HOME/$ID
    LOG=''
    remove_tunnel
    rm -rf "$STATE"
}

# What the spokes of this machine share goes with the last: the program, locks of the dead, and copies of runs that
# ended before they began.
remove_shared() {
    local directory
    for directory in "$STATE_HOME"/*/; do
        [ ! -d "$directory" ] || return 0
    done
    ! is_program_ours || rm -f "$PROGRAM"
    STATE=$STATE_HOME
    remove_made_directories
    rm -rf "$STATE_HOME"
}

# uninstall ID...
uninstall() {
    local id
    ! [ -d "$STATE_HOME" ] || take_lock
    trap release_lock EXIT
    for id in "$@"; do
        remove_spoke "$id"
    done
    remove_shared
    say "Removed from this machine. Packages were left, and so was its entry on the hub: remove the spoke in the dashboard."
}
