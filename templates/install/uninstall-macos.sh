#!/bin/sh
{% include "parts/uninstall_begin.sh" %}
{% include "parts/macos_files.sh" %}
{% include "parts/macos_service.sh" %}
{% include "parts/macos_uninstall.sh" %}
{% include "parts/uninstall_end.sh" %}
# A cut in the last line itself leaves at most a bare `main`, which does nothing without an argument.
set -- uninstall "$@"
main "$@"
