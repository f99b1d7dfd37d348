{% include "parts/keys.sh" %}
{% include "parts/register.sh" %}
{% include "parts/config.sh" %}
{% include "parts/tunnel.sh" %}
{% include "parts/refresh.sh" %}
{% include "parts/trouble.sh" %}
{% include "parts/verify.sh" %}
{% include "parts/status.sh" %}
{% include "parts/program.sh" %}
{% include "parts/uninstall.sh" %}
{% include "parts/install.sh" %}
main "$@"
END_OF_SPOKE_SCRIPT
    run_copy "$@"
}
}
