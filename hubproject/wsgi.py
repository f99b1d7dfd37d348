"""The web process."""

import os

from django.core.management.base import BaseCommand
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hubproject.settings")
application = get_wsgi_application()
# gunicorn runs no checks by itself, and a wrong set-up must not serve.
BaseCommand().check()
