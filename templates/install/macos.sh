#!/bin/sh
# Connects this Mac to a WireGuard hub.
{% include "parts/script_begin.sh" %}
{% include "parts/macos_files.sh" %}
{% include "parts/macos_machine.sh" %}
{% include "parts/macos_networks.sh" %}
{% include "parts/macos_packages.sh" %}
{% include "parts/macos_config.sh" %}
{% include "parts/macos_service.sh" %}
{% include "parts/macos_tunnel.sh" %}
{% include "parts/macos_uninstall.sh" %}
{% include "parts/script_end.sh" %}
# A cut in the last line itself leaves at most a bare `main`, which does nothing without an argument.
set -- install "$@"
main "$@"
