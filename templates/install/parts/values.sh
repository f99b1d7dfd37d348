# A variable that came with the environment would stay exported, and every child could read the token there.
unset PLATFORM TOKEN HUB_ENDPOINT HUB_PUBLIC_KEY SPOKE_NAME SPOKE_IP SPOKE_IP6 NETWORK_CIDR NETWORK_CIDR6 DNS_SERVERS
unset CALLBACK_URL PERSISTENT_KEEPALIVE
# shellcheck disable=SC1003,SC1112,SC2016,SC2034 # what stands in these quotes is meant as it is; not all read all
{
    PLATFORM={{ platform|sh }}
    TOKEN={{ token|sh }}
    HUB_ENDPOINT={{ hub_endpoint|sh }}
    HUB_PUBLIC_KEY={{ hub_public_key|sh }}
    SPOKE_NAME={{ spoke_name|sh }}
    SPOKE_IP={{ spoke_ip|sh }}
    SPOKE_IP6={{ spoke_ip6|sh }}
    NETWORK_CIDR={{ network_cidr|sh }}
    NETWORK_CIDR6={{ network_cidr6|sh }}
    DNS_SERVERS={{ dns_servers|join:" "|sh }}
    CALLBACK_URL={{ callback_url|sh }}
    PERSISTENT_KEEPALIVE={{ persistent_keepalive|sh }}
}
