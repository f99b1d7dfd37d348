"""How gunicorn serves the web process; the values come from the settings."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hubproject.settings")
from django.conf import settings

from hubproject.service_manager import watch_web

wsgi_app = "hubproject.wsgi:application"
bind = settings.HUB_BIND
workers = settings.HUB_WORKERS
threads = settings.HUB_THREADS
worker_class = "gthread"
timeout = 60
graceful_timeout = 15
# The most gunicorn takes. A longer line is refused by gunicorn itself, in HTML; up to here the answer is ours.
limit_request_line = 8190
limit_request_field_size = 8190
accesslog = None  # the path of a script request holds a token; nginx masks it, gunicorn cannot
control_socket_disable = True
# The agent writes the same database: what one of the two users makes, the other may write. So is the socket made.
umask = 0o007
# Whom to believe about a request's scheme and origin is HUB_TRUSTED_PROXIES' to say. By itself gunicorn would believe
# anybody who comes over a unix socket.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
# systemd hears of us when a worker answers; gunicorn would say so as soon as the socket is there.
os.environ.pop("NOTIFY_SOCKET", None)


def when_ready(server: Any) -> None:
    watch_web(settings.HUB_BIND)
