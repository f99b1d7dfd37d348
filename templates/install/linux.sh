#!/bin/sh
# Connects this Linux machine to a WireGuard hub.
{% include "parts/linux_script.sh" %}
# A cut in the last line itself leaves at most a bare `main`, which does nothing without an argument.
set -- install "$@"
main "$@"
