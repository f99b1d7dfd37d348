"""Log lines: one JSON object each, or a readable form on a terminal; never with a whole token or API key in them."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# 43 characters of base64url are a token of ours. A WireGuard key ends in "=" and is public wherever we log it.
# With letters right before it, such as the n of an escaped newline, it is longer, and told from a word by its capitals.
_SECRET = re.compile(
    r"(?<![A-Za-z0-9_-])"
    r"(?:((?:wgh_)?[A-Za-z0-9_-]{6})[A-Za-z0-9_-]{37}"
    r"|(?=[a-z0-9_-]*[A-Z])(?=[A-Z0-9_-]*[a-z])([A-Za-z0-9_-]{6})[A-Za-z0-9_-]{38,})"
    r"(?![A-Za-z0-9_=-])"
)
# What would begin a new line or move the cursor of a terminal.
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_DEPTH = 8


def mask_secrets(text: str) -> str:
    """The text with every token cut to its prefix of six characters."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}…", text)


# --- What is done to every line -----------------------------------------------------------------------------------


def _masked(value: Any, depth: int = _DEPTH) -> Any:
    """The value as JSON has it, its texts masked; what is nested too deeply, or no JSON, as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping) and depth:
        return {mask_secrets(str(name)): _masked(part, depth - 1) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [_masked(part, depth - 1) for part in value]
    return mask_secrets(str(value))


def _mask_values(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Before the line is written out: in JSON an escape such as `\\n` before a token would hide where it begins."""
    masked: EventDict = _masked(event)
    return masked


def _keep_on_one_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """For people: a value cannot begin a line of its own. Tracebacks may, but each of their lines is indented."""
    return {
        _visible(name): "\n".join(f"    {_visible(line)}" for line in value.split("\n"))
        if name == "exception"
        else _escaped(value)
        for name, value in event.items()
    }


def _escaped(value: Any) -> Any:
    return (
        _visible(value) if isinstance(value, str) else value if isinstance(value, int | float) else _visible(str(value))
    )


def _visible(text: str) -> str:
    return _CONTROL.sub(lambda letter: ascii(letter[0])[1:-1], text)


def _as_one_text(_: WrappedLogger, __: str, event: EventDict) -> str:
    """`time LEVEL logger: event name=value …`, and the traceback below."""
    head = "{} {} {}: {}".format(*(event.pop(name, "") for name in ("timestamp", "level", "logger", "event")))
    below = event.pop("exception", None)
    line = " ".join([head, *(f"{name}={value}" for name, value in event.items())])
    return f"{line}\n{below}" if below else line


def _in_order(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    first = {name: event[name] for name in ("timestamp", "level", "logger", "event", "request_id") if name in event}
    return {**first, **event}


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_READY: list[Processor] = [
    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
    structlog.processors.format_exc_info,
    structlog.processors.StackInfoRenderer(),
    _mask_values,
    _in_order,
]


class LineFormatter(structlog.stdlib.ProcessorFormatter):
    """A log record, ours or a library's, as one line."""

    def __init__(self, *, is_readable: bool = False) -> None:
        last = [_keep_on_one_line, _as_one_text] if is_readable else [structlog.processors.JSONRenderer()]
        super().__init__(
            processors=[*_READY, *last],
            # Without what libraries attach as `extra`: Django attaches the request, whose path may hold a token.
            foreign_pre_chain=_SHARED,
        )

    def format(self, record: logging.LogRecord) -> str:
        return mask_secrets(super().format(record))


class FaultsWithoutPath(logging.Filter):
    """Of what Django says of requests only the tracebacks; the path may hold a token, and another line has the rest."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = "unhandled error", ()
        return record.exc_info is not None


# --- Where lines go -----------------------------------------------------------------------------------------------


def logging_settings(level: str, *, is_readable: bool, directory: str = "") -> dict[str, Any]:
    """Django's LOGGING: a stream, and in `directory`, if there is one, `combined.log` and `error.log`."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    stream = {"class": "logging.StreamHandler", "formatter": "stream", "stream": "ext://sys.stderr"}
    files = {
        # Watched: after logrotate has moved it, every process goes on in the new file.
        name: {"class": "logging.handlers.WatchedFileHandler", "formatter": "json", "encoding": "utf-8"}
        | {"filename": f"{directory}/{name}.log", "level": lowest}
        for name, lowest in (("combined", "NOTSET"), ("error", "ERROR"))
        if directory
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "stream": {"()": "hubproject.logs.LineFormatter", "is_readable": is_readable},
            "json": {"()": "hubproject.logs.LineFormatter"},
        },
        "filters": {"faults": {"()": "hubproject.logs.FaultsWithoutPath"}},
        "handlers": {"stream": stream, **files},
        "root": {"handlers": ["stream", *files], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # A refused request is an answer, not an event.
            "django.request": {"level": "ERROR", "filters": ["faults"]},
            "django.server": {"handlers": [], "propagate": True},
            "gunicorn.error": {"handlers": [], "level": level, "propagate": True},
            "fido2": {"level": "WARNING"},
        },
    }


def log_to_standard_output() -> None:
    """For web and agent, whose only output is the log; commands keep theirs for what they print."""
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler and handler.stream is sys.stderr:
            handler.setStream(sys.stdout)
