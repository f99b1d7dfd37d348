# A variable that came with the environment would stay exported, and every child could read the token there.
unset PLATFORM TOKEN HUB_ENDPOINT HUB_PUBLIC_KEY SPOKE_NAME SPOKE_IP NETWORK_CIDR DNS_SERVERS CALLBACK_URL PERSISTENT_KEEPALIVE
# shellcheck disable=SC1003,SC1112,SC2016 # whatever stands in these quotes is meant as it is
{
    PLATFORM={{ platform|sh }}
    TOKEN={{ token|sh }}
    HUB_ENDPOINT={{ hub_endpoint|sh }}
    HUB_PUBLIC_KEY={{ hub_public_key|sh }}
    SPOKE_NAME={{ spoke_name|sh }}
    SPOKE_IP={{ spoke_ip|sh }}
    NETWORK_CIDR={{ network_cidr|sh }}
    DNS_SERVERS={{ dns_servers|join:" "|sh }}
    CALLBACK_URL={{ callback_url|sh }}
    PERSISTENT_KEEPALIVE={{ persistent_keepalive|sh }}
}
