#!/bin/sh
{% include "parts/uninstall_begin.sh" %}
{% include "parts/linux_files.sh" %}
{% include "parts/linux_service.sh" %}
{% include "parts/linux_uninstall.sh" %}
{% include "parts/uninstall_end.sh" %}
# A cut in the last line itself leaves at most a bare `main`, which does nothing without an argument.
set -- uninstall "$@"
main "$@"
