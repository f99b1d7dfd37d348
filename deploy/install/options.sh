# shellcheck shell=sh
# What the operator wants: options, and what an earlier run was told.

usage() {
    cat <<'END'
usage: deploy/install.sh [--domain NAME] [OPTION]...

Makes this server a hub, or brings the hub here to the release this file belongs to.

  --domain NAME            the name that machines and browsers reach the hub by; asked for when missing
  --email ADDRESS          for the certificate authority, which warns of expiry
  --certificate FILE       a certificate with its chain, in place of one by certbot; stays where it is
  --certificate-key FILE   its private key
  --self-signed            a certificate of this machine's own, for trials and closed networks
  --certbot                a certificate by certbot: the default, and the way back from the two above
  --database KIND          sqlite (default), postgres (a server on this machine), or a file that holds a URL
  --network CIDR           set the hub up at once with this network, such as 10.0.1.0/24; else a page asks for it
  --endpoint HOST:PORT     what spokes send to; the domain and port 51820 when missing
  --interface NAME         the hub's interface (wg0)
  --wheels DIRECTORY       Python packages from here, for a machine without the internet
  --no-firewall            leave the firewall alone
  --any-os                 try a system that is not Debian 12, 13, Ubuntu 22.04 or 24.04
  --dry-run                say every step, change nothing
  --uninstall              take everything off but settings, secrets, database and backups
  --delete-data            with --uninstall: those as well
  --yes                    ask nothing
  --help

What is not given stays as an earlier run was told. Exit codes: 0 done, 1 a step failed, 2 wrong usage, 3 this machine
is not fit. The log is /var/log/wireguard-hub/install.log.
END
}

wrong_usage() {
    printf '%s\nTry: %s --help\n' "$1" "$0" >&2
    exit 2
}

read_options() {
    domain='' email='' certificate='' certificate_key='' certificate_kind='' database='' network='' endpoint=''
    interface='' wheels='' firewall='' any_os='' dry_run='' uninstall='' delete_data='' yes=''
    while [ "$#" -gt 0 ]; do
        option=$1
        shift
        case $option in
            --*=*)
                value=${option#*=}
                option=${option%%=*}
                ;;
            --domain | --email | --certificate | --certificate-key | --database | --network | --endpoint | --interface | --wheels)
                [ "$#" -gt 0 ] || wrong_usage "$option wants a value."
                value=$1
                shift
                ;;
            *) value='' ;;
        esac
        case $option in
            --domain) domain=$value ;;
            --email) email=$value ;;
            --certificate) certificate=$value certificate_kind=given ;;
            --certificate-key) certificate_key=$value ;;
            --self-signed) certificate_kind=self-signed ;;
            --certbot) certificate_kind=certbot ;;
            --database) database=$value ;;
            --network) network=$value ;;
            --endpoint) endpoint=$value ;;
            --interface) interface=$value ;;
            --wheels) wheels=$value ;;
            --no-firewall) firewall=no ;;
            --any-os) any_os=1 ;;
            --dry-run) dry_run=1 ;;
            --uninstall) uninstall=1 ;;
            --delete-data) delete_data=1 ;;
            --yes) yes=1 ;;
            --help | -h)
                usage
                exit 0
                ;;
            *) wrong_usage "There is no option $option." ;;
        esac
    done
    must_match "$domain" '[A-Za-z0-9.-]+' "--domain must be a host name, such as hub.example.com."
    must_match "$email" '[^[:space:]"'"'"'\\@]+@[^[:space:]"'"'"'\\@]+' "--email must be an address."
    must_match "$interface" '[A-Za-z][A-Za-z0-9_.-]{0,14}' "--interface must be a name of at most 15 letters and digits."
    must_match "$certificate$certificate_key" '[^[:space:];{}"'"'"'\\$]+' "Paths of certificates must be plain: no spaces, quotes or braces."
    [ -z "$certificate" ] || [ "$certificate_key" ] || wrong_usage "--certificate wants --certificate-key with it."
    [ -z "$certificate_key" ] || [ "$certificate" ] || wrong_usage "--certificate-key wants --certificate with it."
    [ -z "$delete_data" ] || [ "$uninstall" ] || wrong_usage "--delete-data goes with --uninstall."
    [ -z "$certificate" ] || certificate=$(readlink -m -- "$certificate")
    [ -z "$certificate_key" ] || certificate_key=$(readlink -m -- "$certificate_key")
    [ -z "$wheels" ] || wheels=$(readlink -m -- "$wheels")
}

# must_match VALUE PATTERN REFUSAL: an empty value was not given.
must_match() {
    if [ "$(printf '%s\n' "$1" | wc -l)" != 1 ] || ! printf '%s\n' "$1" | grep -Eqx "($2)?"; then wrong_usage "$3"; fi
}

remembered() {
    [ ! -f "$choices" ] || sed -n "s/^$1=//p" "$choices"
}

recall_choices() {
    domain=${domain:-$(remembered domain)}
    email=${email:-$(remembered email)}
    certificate=${certificate:-$(remembered certificate)}
    certificate_key=${certificate_key:-$(remembered certificate_key)}
    certificate_kind=${certificate_kind:-$(remembered certificate_kind)}
    certificate_kind=${certificate_kind:-certbot}
    interface=${interface:-$(remembered interface)}
    interface=${interface:-wg0}
    firewall=${firewall:-$(remembered firewall)}
    case $firewall in no) firewall='' ;; *) firewall=yes ;; esac
    recall_database
}

recall_database() {
    installed_database=$(remembered database)
    case $database in
        '') database=${installed_database:-sqlite} ;;
        sqlite | postgres) ;;
        *)
            [ -r "$database" ] || wrong_usage "--database must be sqlite, postgres, or a file that holds a URL; there is no file $database."
            database_url_file=$(readlink -m -- "$database")
            database=url
            ;;
    esac
    [ -z "$installed_database" ] || [ "$installed_database" = "$database" ] ||
        wrong_usage "This hub keeps its data in $installed_database; a run of the installer does not move them to $database."
}

ask_for_domain() {
    if [ -z "$domain" ] && [ -t 0 ] && [ -z "$yes" ]; then
        printf 'By which name will machines and browsers reach this hub? ' >&3
        read -r domain || :
    fi
    [ "$domain" ] || stop "Which name? Give --domain, such as --domain hub.example.com." "" 2
    must_match "$domain" '[A-Za-z0-9.-]+' "That is not a host name: $domain"
    if [ "$network" ] && [ -z "$endpoint" ]; then
        endpoint=$domain:51820
    fi
    udp_port=${endpoint##*:}
    udp_port=${udp_port:-$(remembered udp_port)}
    udp_port=${udp_port:-51820}
}

note_choices() {
    install -d -m 0750 "$etc"
    {
        echo "# What the installer was told; it goes by this when it runs again."
        for choice in domain email certificate certificate_key certificate_kind interface database udp_port; do
            eval "printf '%s=%s\n' \"\$choice\" \"\$$choice\""
        done
        printf 'firewall=%s\n' "${firewall:-no}"
    } | put_file "$choices" 0600
}
