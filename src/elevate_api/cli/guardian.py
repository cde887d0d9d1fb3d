"""Brings the embedded PostgreSQL back when somebody else has ended it, while the service runs on."""

import time
from collections import deque

import structlog

from elevate_api.postgres import EmbeddedServer
from elevate_api.postgres.errors import EmbeddedPostgresError

RESTARTS, WITHIN_SECONDS = 3, 60.0
"""More than so many in so long, and something is wrong that starting does not mend."""

log = structlog.get_logger(__name__)


class Guardian:
    """`look` is for the main thread: the server ends with the thread that starts it.

    A start holds the event loop up for as long as it takes, usually a fraction of a second: without a database there is
    nothing to answer. A server that another process started is left to that process.
    """

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self._ours = server.owned
        self._restarts: deque[float] = deque()

    def look(self) -> str | None:
        """Start the server if it has ended; a sentence when that is of no use any more."""
        if not self._ours or self._server.owned:
            return None
        now = time.monotonic()
        while self._restarts and now - self._restarts[0] > WITHIN_SECONDS:
            self._restarts.popleft()
        log_file = self._server.layout.log
        if len(self._restarts) >= RESTARTS:
            return f"PostgreSQL ended {RESTARTS + 1} times within a minute, see {log_file}"
        self._restarts.append(now)
        try:
            self._server.start()
        except EmbeddedPostgresError as error:
            return f"PostgreSQL has ended and does not start again: {error}"
        log.warning("postgres_restarted", reason="it was ended from outside, or crashed", log=str(log_file))
        return None
