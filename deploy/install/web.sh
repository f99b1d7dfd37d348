# shellcheck shell=sh
# nginx and the certificate, in an order in which each step can start: first a site without TLS that answers the
# certificate authority, then the certificate, then the site that names it.

serve_by_nginx() {
    systemctl is-active -q nginx || systemctl enable --now -q nginx
    have_certificate
    sed -e "s|@SERVER_NAME@|$domain|g" -e "s|@CERTIFICATE@|$certificate|g" -e "s|@CERTIFICATE_KEY@|$certificate_key|g" \
        "$release/deploy/nginx/wireguard-hub.conf" | without_what_is_taken | put_site
}

# Another default server keeps that office, and then ours has none; a machine without IPv6 has no address for it.
without_what_is_taken() {
    take_off_welcome_page
    cut='^$'
    [ -e /proc/net/if_inet6 ] || cut='listen \[::\]'
    if other=$(other_default_server) && [ "$other" ]; then
        say "  $other answers for unknown names, and goes on doing so."
        sed -e '/^# --- Other names/,/^}/d' | grep -v "$cut"
    else
        sed "/$cut/d"
    fi
}

# The page that the nginx package brings, as long as nobody has made another of it and nothing else is served.
take_off_welcome_page() {
    page=/etc/nginx/sites-enabled/default
    [ "$(readlink -f "$page")" = /etc/nginx/sites-available/default ] || return 0
    dpkg-query -W -f '${Conffiles}\n' nginx-common |
        grep -qF " /etc/nginx/sites-available/default $(md5sum </etc/nginx/sites-available/default | cut -d' ' -f1)" || return 0
    [ "$(find /etc/nginx/sites-enabled /etc/nginx/conf.d ! -type d ! -name wireguard-hub | wc -l)" != 1 ] || rm "$page"
}

other_default_server() {
    grep -lrsE '^[^#]*listen[^;#]*default_server' /etc/nginx/nginx.conf /etc/nginx/sites-enabled /etc/nginx/conf.d |
        grep -v '/wireguard-hub$' | head -n 1
}

have_certificate() {
    case $certificate_kind in
        given) ;;
        self-signed)
            certificate=$etc/tls/certificate.pem
            certificate_key=$etc/tls/key.pem
            if [ ! -s "$certificate" ] || [ ! -s "$certificate_key" ] || ! fits_domain; then sign_oneself; fi
            ;;
        certbot)
            certificate=/etc/letsencrypt/live/$domain/fullchain.pem
            certificate_key=/etc/letsencrypt/live/$domain/privkey.pem
            [ -s "$certificate" ] || ask_authority
            reload_when_renewed
            ;;
    esac
    openssl x509 -noout -in "$certificate" || stop "$certificate holds no certificate."
    fits_domain || stop "The certificate $certificate is not for $domain, or is over."
    # Compared by their public halves; the key itself is shown to nobody.
    [ "$(openssl x509 -noout -pubkey -in "$certificate")" = "$(openssl pkey -pubout -in "$certificate_key")" ] ||
        stop "The key $certificate_key does not belong to the certificate $certificate."
}

fits_domain() {
    openssl x509 -noout -checkend 0 -in "$certificate" &&
        openssl x509 -noout -checkhost "$domain" -in "$certificate" | grep -q 'does match'
}

sign_oneself() {
    directory "$etc/tls" root:root 0700
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj "/CN=$domain" \
        -addext "subjectAltName=DNS:$domain" -keyout "$certificate_key" -out "$certificate"
}

ask_authority() {
    acme=/var/www/html
    install -d -m 0755 /var/www "$acme"
    take_off_welcome_page
    # A site that is there already answers the authority too.
    [ -L /etc/nginx/sites-enabled/wireguard-hub ] || put_site <<END
server {
    listen 80;
    listen [::]:80;
    server_name $domain;
    location /.well-known/acme-challenge/ { root $acme; }
    location / { return 503; }
}
END
    patiently answers_for_domain || stop "nginx does not answer for $domain on port 80."
    if [ "$email" ]; then set -- --email "$email"; else set -- --register-unsafely-without-email; fi
    certbot certonly --non-interactive --agree-tos "$@" --webroot --webroot-path "$acme" --domain "$domain" ||
        stop "No certificate could be had for $domain: see $log." \
            "It has to lead to port 80 of this machine from everywhere. --self-signed goes on without; run again with --certbot later."
}

# A reload is done a little after it was asked for: until then the old site answers.
answers_for_domain() {
    case $(curl -s -o /dev/null -w '%{http_code}' --noproxy '*' --resolve "$domain:80:127.0.0.1" "http://$domain/") in
        503 | 301) ;;
        *) return 1 ;;
    esac
}

reload_when_renewed() {
    install -d -m 0755 /etc/letsencrypt/renewal-hooks/deploy
    put_file /etc/letsencrypt/renewal-hooks/deploy/wireguard-hub 0755 <<'END'
#!/bin/sh
# nginx takes a renewed certificate up when it is reloaded.
nginx -t -q && systemctl reload nginx
END
}

# What comes in becomes our site, when nginx agrees; else the site that was there stays.
put_site() {
    file=/etc/nginx/sites-available/wireguard-hub
    cat >"$draft"
    if [ -L /etc/nginx/sites-enabled/wireguard-hub ] && [ ! -e "$changed.nginx" ] && cmp -s "$file" "$draft"; then
        rm "$draft"
        return
    fi
    touch "$changed.nginx"
    [ ! -f "$file" ] || cp -p "$file" "$file.before"
    mv "$draft" "$draft.site"
    put_file "$file" 0644 <"$draft.site"
    rm "$draft.site"
    ln -sfn "$file" /etc/nginx/sites-enabled/wireguard-hub
    if ! nginx -t; then
        if [ -f "$file.before" ]; then mv "$file.before" "$file"; else rm "$file" /etc/nginx/sites-enabled/wireguard-hub; fi
        stop "nginx does not take the hub's site; its words are in $log. The sites that were there go on."
    fi
    rm -f "$file.before"
    systemctl reload nginx
    rm -f "$changed.nginx"
}
