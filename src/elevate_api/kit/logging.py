"""Log lines as JSON for machines or in colour for people; the standard library's loggers speak the same way."""

import json as jsonlib
import logging
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
_SECRET_KEY = re.compile(r"authorization|cookie|token|secret|password|passwd|signature|api_?key|e_?mail", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"(?P<email>[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)"
    r"|(?P<bearer>\b(?:bearer|basic)\s+)[\w.~+/=-]+"
    r"|(?P<login>://[^\s:/@]*:)[^\s@/]+(?=@)"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    r"|\b(?:whsec|sb_secret|sk_live|sk_test)_[\w+/=-]+",
    re.IGNORECASE,
)
_HINTS = ("@", " ", "_", "eyJ")  # a text with none of them cannot match: most values of an access log have none
_UNHEARD = "uvicorn.access"
"""kit.middleware writes the access log, without secrets. Its records go nowhere, and uvicorn is to see that: it would
put together a line for each request first, 5 us of the 60 that an answer from memory costs."""
_MAX_DEPTH = 6
_encode = jsonlib.JSONEncoder(default=repr).encode


def configure(level: str, json: bool) -> None:
    """Send everything to standard error from `level` (a name such as "INFO") up. May be called again."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last = _for_machines() if json else _for_people()
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    _route_standard_library(number, [*shared, structlog.stdlib.ExtraAdder(), _logger_name, _uncoloured], last)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take secrets and e-mail addresses out of a log line, whoever put them in."""
    return {key: _clean(key, value, 0) for key, value in event.items()}


def _clean(key: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    if _is_secret(key) and isinstance(value, str | bytes | Mapping | list | tuple):
        return REDACTED
    if isinstance(value, str):
        return _SECRET_VALUE.sub(_replacement, value) if any(hint in value for hint in _HINTS) else value
    return value if depth == _MAX_DEPTH else _clean_inside(value, depth + 1)


def _clean_inside(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _clean(str(name), inner, depth) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", inner, depth) for inner in value]
    return value


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _replacement(match: re.Match[str]) -> str:
    if match["email"]:
        return "[email]"
    return (match["bearer"] or match["login"] or "") + REDACTED


def _logger_name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord | None = event.get("_record")
    if record is not None:
        event["logger"] = record.name
    return event


def _uncoloured(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop uvicorn's second copy of its message, which is full of escape sequences."""
    event.pop("color_message", None)
    return event


def _for_machines() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.JSONRenderer(serializer=_serialise),
    ]


def _serialise(event: EventDict, **_options: Any) -> str:
    return _encode(event)


def _for_people() -> list[Processor]:
    # The plain formatter: others print the values of local variables, and so whatever secret they hold.
    return [
        redact,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback),
    ]


def _route_standard_library(level: int, before: list[Processor], last: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "sqlalchemy", "apscheduler", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = name != _UNHEARD
    logging.getLogger(_UNHEARD).disabled = True
    for chatty in ("apscheduler", "httpx", "httpcore", "asyncio"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
