"""The web process."""

import os

from django.core.management.base import BaseCommand
from django.core.wsgi import get_wsgi_application

from hubproject.logs import log_to_standard_output

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hubproject.settings")
application = get_wsgi_application()
log_to_standard_output()
# gunicorn runs no checks by itself, and a wrong set-up must not serve.
BaseCommand().check()
