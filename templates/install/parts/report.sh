LOG=''
STEP=0
COPY=$0

# The log takes everything said and whatever the tools print; no secret is ever said.
note() {
    [ -z "$LOG" ] || printf '%s\n' "$1" >>"$LOG" 2>/dev/null || :
}

say() {
    printf '%s\n' "$1"
    note "$1"
}

step() {
    STEP=$((STEP + 1))
    say "[$STEP/7] $1"
}

# stop CODE SENTENCE
stop() {
    note "Stopped: $2"
    [ -z "$LOG" ] || printf 'Details: %s   To try again as root: sh %s resume\n' "$LOG" "$COPY" >&2
    printf 'Stopped: %s\n' "$2" >&2
    exit "$1"
}

have() { command -v "$1" >/dev/null 2>&1; }

quietly() { "$@" >>"${LOG:-/dev/null}" 2>&1; }
