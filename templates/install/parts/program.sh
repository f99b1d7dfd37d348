# A command for every spoke of this machine; it holds no secret, and says what to do without root.
keep_program() {
    if [ -e "$PROGRAM" ] && ! is_program_ours; then
        say "      $PROGRAM belongs to somebody else; instead, use: sh $COPY"
    elif ! { make_program_directory && publish "$PROGRAM" print_program && chmod 755 "$PROGRAM"; } 2>/dev/null; then
        say "      $PROGRAM could not be written; instead, use: sh $COPY"
    fi
}

# It is shared, so it goes with the last spoke; and it is everybody's, who may come to keep programs of their own there.
make_program_directory() { (umask 022 && STATE=$STATE_HOME && make_directory "${PROGRAM%/*}"); }

print_program() {
    printf '#!/bin/sh\n%s\n' "$(mark_of program)"
    cat <<'END_OF_PROGRAM'
# Runs resume, status, uninstall or --help for each spoke that an install script of a WireGuard hub made here.
[ "$(id -u)" -eq 0 ] || { echo "This needs root." >&2; exit 3; }
worst=0
for copy in /var/lib/wireguard-hub-spoke/*/install.sh; do
    [ -e "$copy" ] || { echo "This machine is no spoke." >&2; exit 1; }
    sh "$copy" "$@" || worst=$?
done
exit "$worst"
END_OF_PROGRAM
}
