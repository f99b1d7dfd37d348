# shellcheck shell=sh
# Releases: directories that nobody writes to again. `current` leads to the one in use, `previous` to the one before.

# The same code on the same Python is the same release, wherever it lies.
know_release() {
    # shellcheck disable=SC2086 # a list of names, one word each
    release_id=$(cd "$source" && {
        find $content -type f ! -name '*.pyc' -exec sha256sum {} + | sort -k 2
        "$python" --version
    } | sha256sum | cut -c1-12)
    release=$opt/releases/$release_id
}

make_release() {
    know_release
    say "  $release_id"
    [ ! -e "$release/.complete" ] || return 0
    rm -rf "$release"
    (
        umask 022
        mkdir "$release"
        # shellcheck disable=SC2086 # a list of names, one word each
        tar -C "$source" --exclude='*.pyc' --exclude=__pycache__ --owner=0 --group=0 --mode=u=rwX,go=rX -cf - $content |
            tar -C "$release" --no-same-permissions -xf -
        "$python" -m venv "$release/.venv"
        if [ "$wheels" ]; then
            set -- --no-index --find-links "$wheels"
        else
            set --
        fi
        "$release/.venv/bin/pip" install --no-compile --require-hashes "$@" -r "$release/requirements.txt"
        "$release/.venv/bin/python" -m compileall -q "$release" || : # some packages carry files that are no Python
        collect_static_files
        touch "$release/.complete"
    )
}

# Needs the code alone: settings and data of the hub stay out of it.
collect_static_files() {
    nothing=$(mktemp -d)
    HUB_DATA_DIR=$nothing HUB_PUBLIC_URL=https://localhost "$release/.venv/bin/python" "$release/manage.py" collectstatic \
        --no-input --verbosity 0
    rm -rf "$nothing"
}

# The database is brought forward while the old release still serves; what fails leaves `current` where it was.
migrate_and_switch() {
    if [ "$before" ] && [ "$before" != "$release" ]; then
        say "  backup before the upgrade"
        "$before/deploy/wireguard-hub.sh" backup
    fi
    if [ "$database" = sqlite ] && [ ! -e "$data/database.sqlite" ]; then
        # Both services write to it; SQLite by itself would make it the first one's.
        as_web install -m 0660 /dev/null "$data/database.sqlite"
    fi
    if ! "$release/deploy/wireguard-hub.sh" migrate --no-input; then
        [ -z "$before" ] || stop "The database could not be brought forward; the hub goes on with $before." \
            "The reason is in $log. The backup made before is the newest in /var/backups/wireguard-hub."
        stop "The database could not be made; the reason is in $log."
    fi
    if [ "$before" != "$release" ]; then
        [ -z "$before" ] || link "$before" "$opt/previous"
        link "$release" "$opt/current"
    fi
    [ -L "$command" ] || ln -sfn "$opt/current/deploy/wireguard-hub.sh" "$command"
}

# A link that is there at every moment.
link() {
    ln -sfn "$1" "$2.new"
    mv -T "$2.new" "$2"
}

initialize() {
    said=$("$command" init_hub --network "$network" --endpoint "$endpoint" --listen-port "$udp_port" \
        --interface "$interface" 2>&1) || case $said in
        *'has been set up before'*) ;;
        *) stop "The hub could not be set up: $said" ;;
    esac
    echo "$said"
}
