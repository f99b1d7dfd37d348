"""How gunicorn serves the web process; the values come from the settings."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hubproject.settings")
from django.conf import settings
from gunicorn import util

from hubproject.gunicorn_refusals import write_refusal
from hubproject.service_manager import watch_web

wsgi_app = "hubproject.wsgi:application"
bind = settings.HUB_BIND
workers = settings.HUB_WORKERS
threads = settings.HUB_THREADS
worker_class = "gthread"
timeout = 60
graceful_timeout = 15
# The most gunicorn takes. What is longer, or no HTTP at all, it refuses by itself: in our words.
util.write_error = write_refusal
limit_request_line = 8190
limit_request_field_size = 8190
logger_class = "hubproject.gunicorn_log.SameLines"
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


# A thread that comes back from the database may have to wait so long for another that computes. One of them holds the
# hub's row locked, and everybody who enrols waits for it: with Python's five milliseconds that is a tenth of the pace.
SWITCH_SECONDS = 0.001


def post_worker_init(worker: Any) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)


def when_ready(server: Any) -> None:
    watch_web(settings.HUB_BIND)


# --- Metrics: several workers count in files that each of them can add up -------------------------------------------

_METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"  # has to stand in the environment before prometheus_client is imported
_made_dir = ""
if settings.HUB_WORKERS > 1 and not os.environ.get(_METRICS_DIR):
    _made_dir = os.environ[_METRICS_DIR] = tempfile.mkdtemp(prefix="wireguard-hub-metrics-")


def on_starting(server: Any) -> None:
    """What workers before these have counted is over. Reloading does not come here: its counters go on."""
    for left_over in Path(os.environ.get(_METRICS_DIR, "/nonexistent")).glob("*.db"):
        left_over.unlink(missing_ok=True)


def child_exit(server: Any, worker: Any) -> None:
    if os.environ.get(_METRICS_DIR):
        from prometheus_client import multiprocess  # not before the directory is known

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    if _made_dir:
        shutil.rmtree(_made_dir, ignore_errors=True)
