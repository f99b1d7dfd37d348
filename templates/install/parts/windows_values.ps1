    $Spoke = @{
        Token = {{ token|ps }}
        HubEndpoint = {{ hub_endpoint|ps }}
        HubPublicKey = {{ hub_public_key|ps }}
        SpokeName = {{ spoke_name|ps }}
        SpokeIP = {{ spoke_ip|ps }}
        SpokeIP6 = {{ spoke_ip6|ps }}
        NetworkCIDR = {{ network_cidr|ps }}
        NetworkCIDR6 = {{ network_cidr6|ps }}
        DnsServers = {{ dns_servers|join:" "|ps }}
        CallbackUrl = {{ callback_url|ps }}
        PersistentKeepalive = {{ persistent_keepalive|ps }}
    }
