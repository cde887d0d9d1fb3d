"""Requests by route template. Paths, callers and whatever else is unbounded are no labels."""

from collections.abc import Mapping

import structlog
from prometheus_client import Counter, Histogram

from elevate_api.kit.metrics import REGISTRY

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = structlog.get_logger("elevate_api.access")

REQUESTS = Counter(
    "leaps_http_requests_total",
    "Answered requests; 499: the client went away first.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
SECONDS = Histogram(
    "leaps_http_request_duration_seconds",
    "From the first byte of a request to the last of its answer; those from memory are not in it.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answer; a method that a client made up is `other`."""
    known = method if method in _METHODS else "other"
    REQUESTS.labels(known, route, str(status)).inc()
    SECONDS.labels(known, route).observe(seconds)


def observe_remembered(served: Mapping[tuple[str, int], int]) -> None:
    """Count what was answered from memory, by path and status. The log has a line for many, not one for each."""
    for (path, status), count in served.items():
        REQUESTS.labels("GET", path, str(status)).inc(count)
        log.info("answered_from_memory", route=path, status=status, count=count)
