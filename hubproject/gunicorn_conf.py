"""How gunicorn serves the web process; the values come from the settings."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hubproject.settings")
from django.conf import settings

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
