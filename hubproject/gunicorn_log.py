"""gunicorn's own lines, through the same formatter as all others."""

from logging.config import dictConfig
from typing import Any

from django.conf import settings
from gunicorn.glogging import Logger

from hubproject.logs import log_to_standard_output


class SameLines(Logger):  # type: ignore[misc] # the package has no types
    """Takes the product's settings, and has no access log: the path of a script request holds a token."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        dictConfig(settings.LOGGING)
        log_to_standard_output()

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """`each_request` writes one line a request, without its path."""
