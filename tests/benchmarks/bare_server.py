"""gunicorn for the floor, as the product's own runs by default."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.bare_settings"

wsgi_app = "tests.benchmarks.bare_site:application"
bind = os.environ["BARE_BIND"]
workers, threads = 1, 8
worker_class = "gthread"
accesslog = None
control_socket_disable = True
